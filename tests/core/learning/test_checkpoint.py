"""Training states on disk: settings that differ, damage, other shapes, and a disk that cannot be written."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.core.learning.test_loop import new_task, schedule
from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.learning.checkpoint import read_training, write_training
from vsa_cli.core.learning.loop import TrainingState, fit


def test_resuming_with_other_settings_is_refused_by_name(tmp_path: Path) -> None:
    task, state = new_task()
    list(fit(task, state, schedule(1), 0, lambda: write_training(tmp_path, state, {"lr": 1, "batch": 8})))
    with pytest.raises(ArtifactError, match="differs in lr; `force` starts over"):
        read_training(tmp_path, new_task()[1], {"lr": 2, "batch": 8})


def test_newer_version_resumes_the_run_of_an_older_one(tmp_path: Path) -> None:
    task, state = new_task()
    list(fit(task, state, schedule(1), 0, lambda: write_training(tmp_path, state, {"tool": "vsa 0.1.0", "lr": 1})))
    _, resumed = new_task()
    read_training(tmp_path, resumed, {"tool": "vsa 0.2.0", "lr": 1, "new": 0.0, "newer": False})
    assert resumed.history == state.history
    for changed in ({"lr": 0}, {"lr": 1, "new": 0.5}):
        with pytest.raises(ArtifactError, match="cannot resume"):
            read_training(tmp_path, resumed, {"tool": "vsa 0.2.0", **changed})


def test_damaged_training_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / "training.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_training(tmp_path, new_task()[1], {})


def test_training_state_of_other_shapes_is_refused(tmp_path: Path) -> None:
    task, state = new_task()
    list(fit(task, state, schedule(1), 0, lambda: write_training(tmp_path, state, {})))
    other = nn.Sequential(nn.Linear(1, 9), nn.Dropout(0.3), nn.Linear(9, 1))
    with pytest.raises(ArtifactError, match="does not fit this model"):
        read_training(tmp_path, TrainingState(other, torch.optim.RMSprop(other.parameters(), lr=0.05)), {})
    with pytest.raises(ArtifactError, match="does not fit this model"):
        read_training(tmp_path, TrainingState(task.model, torch.optim.AdamW(task.model.parameters(), lr=0.05)), {})


def test_training_state_that_cannot_be_written_raises_data_error(tmp_path: Path) -> None:
    (tmp_path / ".training.safetensors.part").mkdir()
    with pytest.raises(DataError, match="cannot write"):
        write_training(tmp_path, new_task()[1], {})
