"""Training states on disk; a run resumed from one yields the same weights as an uninterrupted run.

`training.safetensors` in the folder of the model holds the weights, the best weights and the optimiser state; the
history, and the settings of the run (`plan`), are JSON in its metadata. The file is replaced
atomically. This module does not depend on the kind of model.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vsa_cli.core.errors import ArtifactError, reason
from vsa_cli.core.io.json import dump_json, is_number
from vsa_cli.core.learning.loop import Epoch, TrainingState
from vsa_cli.core.learning.model_dir import TRAINING, read_metadata, read_tensors, write_tensors

PRECISION = "precision"
"""The setting of a run that states the precision of its products."""


def write_training(folder: Path, state: TrainingState, settings: Mapping[str, Any]) -> None:
    """Save everything that a resumed run needs, in one file.

    Args:
        folder: the model directory.
        state: the state of the training.
        settings: the settings of the run; a resumed run must have the same.

    Raises:
        DataError: the file cannot be written.
    """
    tensors = {f"model/{name}": value for name, value in state.model.state_dict().items()}
    tensors |= {f"best/{name}": value for name, value in state.best.items()}
    for index, slots in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{slot}": torch.as_tensor(value) for slot, value in slots.items()}
    history = [dataclasses.asdict(epoch) for epoch in state.history]
    metadata = {"plan": dump_json(settings), "history": dump_json(history)}
    write_tensors(folder / TRAINING, tensors, metadata)


def read_training(folder: Path, state: TrainingState, settings: Mapping[str, Any]) -> None:
    """Load a saved training state into a new one.

    Raises:
        ArtifactError: the saved state is damaged, does not fit the model, or was saved with different settings.
    """
    path = folder / TRAINING
    tensors, metadata = read_tensors(path)
    try:
        saved = dict(json.loads(metadata["plan"]))
        history = [_epoch(entry) for entry in json.loads(metadata["history"])]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{path}: damaged training state ({reason(error)})") from error
    check_same_settings(path, saved, settings)
    groups: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optimizer": {}}
    for name, value in tensors.items():
        group, _, rest = name.partition("/")
        groups.setdefault(group, {})[rest] = value
    try:
        state.model.load_state_dict(groups["model"])
        _load_optimizer(state.optimizer, groups["optimizer"])
        shapes = {name: value.shape for name, value in groups["model"].items()}
        if {name: value.shape for name, value in groups["best"].items()} != shapes:
            raise ValueError("the best weights have other shapes")
    except (RuntimeError, ValueError, KeyError) as error:
        raise ArtifactError(f"{path}: does not fit this model ({reason(error)[:120]})") from error
    state.best, state.history = groups["best"], history


def saved_settings(folder: Path) -> dict[str, Any]:
    """The settings of the run whose training state a folder holds; its tensors are not read.

    Raises:
        ArtifactError: the state is damaged.
    """
    path = folder / TRAINING
    try:
        return dict(json.loads(read_metadata(path)["plan"]))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path}: damaged training state ({reason(error)})") from error


def check_same_settings(path: Path, saved: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Check that a run is resumed with the settings that it was started with.

    Raises:
        ArtifactError: a setting differs.
    """
    # A newer version of vsa may resume the run of an older one. A setting that one of them lacks was off: 0, empty or
    # false.
    either = {**saved, **settings}
    changed = {name for name in saved.keys() & settings.keys() if saved[name] != settings[name]}
    turned_on = {name for name in saved.keys() ^ settings.keys() if either[name]}
    # versions that did not record the precision took that of the device
    differing = sorted((changed | turned_on) - {"tool", *({PRECISION} - saved.keys())})
    if differing:
        raise ArtifactError(
            f"{path}: cannot resume: the saved run differs in {', '.join(differing)}; `force` starts over"
        )


def _epoch(entry: Mapping[str, Any]) -> Epoch:
    epoch = Epoch(**entry)
    whole = (type(epoch.number), type(epoch.items), type(epoch.best)) == (int, int, bool)
    if not whole or not all(map(is_number, (epoch.loss, epoch.seconds, *epoch.validation.values()))):
        raise ValueError("malformed epoch in the history")
    return epoch


_SLOTS = {"AdamW": {"step", "exp_avg", "exp_avg_sq"}, "SGD": {"momentum_buffer"}, "RMSprop": {"step", "square_avg"}}
"""The state that each optimiser keeps for a parameter."""


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    slots: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, _, slot = name.partition("/")
        slots.setdefault(int(index), {})[slot] = value
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, kept in slots.items():
        shapes = {value.shape for name, value in kept.items() if name != "step"}
        if not 0 <= number < len(parameters) or shapes != {parameters[number].shape}:
            raise ValueError("the optimiser's state has other shapes")
        if kept.keys() != _SLOTS.get(type(optimizer).__name__, kept.keys()):
            raise ValueError("the state belongs to another optimiser")
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
