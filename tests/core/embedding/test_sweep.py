"""Sweeps end at the same bytes when killed and resumed, and remove only their own files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from tests.conftest import Drawn
from vsa_cli.core.config import EmbedConfig, EmbedTraining, SweepConfig
from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.embedding.halving import SweepPlan, Trial, Winner, plan_sweep
from vsa_cli.core.embedding.sources import Sources
from vsa_cli.core.embedding.sweep import sweep_embedding
from vsa_cli.core.embedding.train import train_embedding
from vsa_cli.core.errors import ArtifactError, DivergedError
from vsa_cli.core.learning.corpora import PhotographSource
from vsa_cli.core.learning.loop import Epoch, Step
from vsa_cli.core.learning.run import TrainingRequest
from vsa_cli.core.regions.store import RegionStore

MODEL = EmbedConfig(encoder="gru", similarity="cosine", word_size=16, hidden_size=16, size=16)
TRAINING = EmbedTraining(
    loss="contrastive", optimizer="adam", learning_rate=3e-3, weight_decay=0.01, batch_size=40, epochs=3
)
PLAN = plan_sweep(TRAINING, "val", [1e-3, 1e-2, 1e36], [0.0, 0.1], SweepConfig(epochs=1, share=2))
Request = TrainingRequest[EmbedConfig, EmbedTraining]


@pytest.fixture(scope="module")
def data(drawn: Drawn) -> Iterator[Sources]:
    store = RegionStore(drawn.regions)
    yield Sources((PhotographSource(read_corpus(drawn.corpus), store),))
    store.close()


def ask(out: Path, **changes: object) -> Request:
    asked = TrainingRequest(out, MODEL, TRAINING, "train", "val", False, 0, torch.device("cpu"), False)
    return replace(asked, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Whole:
    """A sweep that ran without interruption."""

    out: Path
    records: list[Step | Epoch | Trial | Winner]


@pytest.fixture(scope="module")
def whole(data: Sources, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    out = tmp_path_factory.mktemp("whole")
    return Whole(out, list(sweep_embedding(data, ask(out), PLAN)))


def content(out: Path) -> dict[str, bytes]:
    """All files of a finished run except the training state, which contains times."""
    files = (path for path in out.rglob("*") if path.is_file() and path.name != "training.safetensors")
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def test_repeatedly_killed_sweep_ends_at_the_same_bytes(data: Sources, whole: Whole, tmp_path: Path) -> None:
    asked, kills, records = ask(tmp_path / "broken"), 0, list[object]()
    while True:
        stream, steps, records = sweep_embedding(data, asked, PLAN), 0, []
        for record in stream:
            records.append(record)
            steps += isinstance(record, Step)
            if steps == 5:  # an epoch has three
                break
        else:
            break
        stream.close()  # type: ignore[attr-defined]
        kills, asked = kills + 1, replace(asked, resume=True)
    assert kills >= 3
    assert content(whole.out) == content(tmp_path / "broken")
    assert set(content(whole.out)) == {"config.json", "model.safetensors", "sweep.jsonl"}
    kinds = (Trial, Winner)
    assert [r for r in records if isinstance(r, kinds)] == [r for r in whole.records if isinstance(r, kinds)]
    lost = [record for record in whole.records if isinstance(record, Trial) and record.diverged]
    assert {trial.setting.learning_rate for trial in lost} == {1e36}


def test_winner_equals_a_training_without_a_sweep(data: Sources, whole: Whole, tmp_path: Path) -> None:
    trials = [record for record in whole.records if isinstance(record, Trial)]
    winner = next(record.setting for record in whole.records if isinstance(record, Winner))
    last = [trial for trial in trials if trial.rung == PLAN.rungs[-1].number]
    assert max(last, key=lambda trial: trial.selection_metric).setting == winner
    training = replace(TRAINING, learning_rate=winner.learning_rate, weight_decay=winner.weight_decay)
    list(train_embedding(data, ask(tmp_path / "plain", training=training)))
    plain, swept = content(tmp_path / "plain"), content(whole.out)
    table = swept.pop("sweep.jsonl").decode().splitlines()
    assert swept == plain
    assert [json.loads(line) for line in table[1:]] == [trial.to_dict() for trial in trials]


def test_trial_equals_a_training_of_the_rungs_length(data: Sources, tmp_path: Path) -> None:
    records = sweep_embedding(data, ask(tmp_path / "swept"), PLAN)
    trial = next(record for record in records if isinstance(record, Trial) and record.rung == 2)
    training = replace(
        TRAINING, learning_rate=trial.setting.learning_rate, weight_decay=trial.setting.weight_decay,
        epochs=trial.epochs, patience=trial.epochs,
    )  # fmt: skip
    plain = [r for r in train_embedding(data, ask(tmp_path / "plain", training=training)) if isinstance(r, Epoch)]
    assert trial.metrics == max((epoch.validation for epoch in plain), key=lambda metrics: metrics["rsum"])
    (folder,) = (tmp_path / "swept" / "sweep" / "rung-2").iterdir()
    assert content(folder) == content(tmp_path / "plain")


def start_sweep(data: Sources, out: Path, plan: SweepPlan = PLAN) -> None:
    """A sweep killed after its first trial."""
    stream = sweep_embedding(data, ask(out), plan)
    assert any(isinstance(record, Trial) for record in stream)


def test_resuming_another_sweep_is_refused_by_name(data: Sources, tmp_path: Path) -> None:
    start_sweep(data, tmp_path)
    other = plan_sweep(TRAINING, "val", [1e-3, 1e-4], [0.0])
    with pytest.raises(ArtifactError, match="differs in sweep; `force`"):
        next(sweep_embedding(data, ask(tmp_path, resume=True), other))
    with pytest.raises(ArtifactError, match=r"sweep\.jsonl: cannot resume: the saved run differs in seed; `force`"):
        next(sweep_embedding(data, ask(tmp_path, resume=True, seed=1), PLAN))


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"format": "vsa-sweep", "version": 1, "config": {}, "parents": {}}']
)
def test_damaged_table_is_refused(data: Sources, tmp_path: Path, damage: str) -> None:
    start_sweep(data, tmp_path)
    (tmp_path / "sweep.jsonl").write_text(damage)
    with pytest.raises(ArtifactError, match=r"sweep\.jsonl"):
        next(sweep_embedding(data, ask(tmp_path, resume=True), PLAN))


def test_run_without_a_sweep_is_not_resumed_as_one(data: Sources, tmp_path: Path) -> None:
    list(train_embedding(data, ask(tmp_path, training=replace(TRAINING, epochs=1))))
    with pytest.raises(ArtifactError, match="the saved run is not a sweep; `force`"):
        next(sweep_embedding(data, ask(tmp_path, resume=True), PLAN))


def test_new_sweep_replaces_the_old_one_and_keeps_other_files(data: Sources, whole: Whole, tmp_path: Path) -> None:
    start_sweep(data, tmp_path / "out", plan_sweep(TRAINING, "val", [2e-3, 1e-4], [0.0], SweepConfig(epochs=1)))
    (folder,) = (tmp_path / "out" / "sweep" / "rung-1").iterdir()
    note = folder / "notes.txt"
    note.write_text("mine")
    list(sweep_embedding(data, ask(tmp_path / "out"), PLAN))
    left = content(tmp_path / "out")
    assert left.pop(note.relative_to(tmp_path / "out").as_posix()) == b"mine"
    assert left == content(whole.out)


def test_sweep_in_which_all_trials_diverge_raises_diverged_error(data: Sources, tmp_path: Path) -> None:
    plan = plan_sweep(TRAINING, "val", [1e36, 1e37], [0.0], SweepConfig(epochs=2))
    with pytest.raises(DivergedError, match="every trial of rung 1 diverged: try smaller learning rates"):
        list(sweep_embedding(data, ask(tmp_path), plan))
