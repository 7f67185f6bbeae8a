"""Cross-validating learning rate and weight decay (paper, section 3.4), resumable to the same result.

Under the model's folder::

    sweep.jsonl                the envelope, then a trial a line: {"rung", "learning_rate", "weight_decay",
                               "epochs", "metrics": {...}, "diverged": null or how}; replaced after each trial
    sweep/rung-N/rate-R-...    each trial, an ordinary training of its own; removed when the winner is trained

The winner is what a training with its rate and decay alone makes: the sweep leaves no trace in it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from vsa_cli.core.config import EmbedConfig, EmbedTraining
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.embedding.halving import (
    Metrics,
    Rung,
    Setting,
    SweepPlan,
    Trial,
    Winner,
    halve,
)
from vsa_cli.core.embedding.train import train_embedding
from vsa_cli.core.embedding.word_vectors import WordVectors
from vsa_cli.core.errors import ArtifactError, DataError, reason
from vsa_cli.core.io.envelope import SWEEP, VERSIONS, Envelope
from vsa_cli.core.io.files import write_lines
from vsa_cli.core.io.json import dump_json, parse, read_lines
from vsa_cli.core.learning.checkpoint import has_training
from vsa_cli.core.learning.loop import Epoch, Step
from vsa_cli.core.learning.run import Request, envelope_of, settings_of
from vsa_cli.core.regions.store import RegionStore

TABLE, _TRIALS = "sweep.jsonl", "sweep"
_TRAINING = "training.safetensors"
_FILES = ("model.safetensors", "config.json", _TRAINING)
"""What `training.checkpoint` writes for a trial, and nothing else is removed."""


def sweep_embedding(
    corpus: Corpus,
    regions: RegionStore,
    request: Request[EmbedConfig, EmbedTraining],
    plan: SweepPlan,
    word_vectors: WordVectors | None = None,
) -> Iterator[Step | Epoch | Trial | Winner]:
    """Run or go on with a sweep, then train its winner into `request.out`.

    Args:
        corpus: its images and sentences.
        regions: of the images.
        request: how the winner trains, but for what the sweep chooses.
        plan: the sweep.
        word_vectors: as `train_embedding` takes them.

    Yields:
        The records of each trial, then its `Trial` (of one that was done before, this alone); the `Winner`; and
        the records of its training.

    Raises:
        ArtifactError: corpus and regions do not fit, or the sweep to continue was begun otherwise or is damaged.
        DataError: nothing to train on, or the output cannot be written.
        DivergedError: all trials of a rung diverged, or the winner in its longer training.
    """
    table = request.out / TABLE
    envelope = _envelope(corpus, regions, request, plan, word_vectors)
    trials = _begin(table, envelope, request)

    def run(rung: Rung, setting: Setting) -> Generator[Step | Epoch, None, Metrics]:
        folder = request.out / _TRIALS / f"rung-{rung.number}" / _name(setting)
        training = replace(_training(request, setting), epochs=rung.epochs, patience=rung.epochs)
        trial = replace(request, out=folder, training=training, resume=True)
        kept = yield from train_embedding(corpus, regions, trial, word_vectors)
        assert kept is not None, "a rung has an epoch"
        return kept.validation

    winner = plan.settings[0]
    for record in halve(plan, run, tuple(trials)):
        if isinstance(record, Trial) and record not in trials:
            trials.append(record)
            _write(table, envelope, trials)
        elif isinstance(record, Winner):
            winner = record.setting
        yield record
    final = replace(request, training=_training(request, winner), resume=True)
    yield from train_embedding(corpus, regions, final, word_vectors)
    _remove_trials(request.out)


def _training(request: Request[EmbedConfig, EmbedTraining], setting: Setting) -> EmbedTraining:
    return replace(request.training, learning_rate=setting.learning_rate, weight_decay=setting.weight_decay)


def _name(setting: Setting) -> str:
    return f"rate-{setting.learning_rate!r}-decay-{setting.weight_decay!r}"


def _envelope(
    corpus: Corpus,
    regions: RegionStore,
    request: Request[EmbedConfig, EmbedTraining],
    plan: SweepPlan,
    word_vectors: WordVectors | None,
) -> Envelope:
    grid = [[setting.learning_rate, setting.weight_decay] for setting in plan.settings]
    sources: dict[str, Any] = {
        "split": request.split,
        "validate": request.validate,
        "keep_last": request.keep_last,
        "sweep": {"settings": grid, "rungs": [dataclasses.asdict(rung) for rung in plan.rungs]},
    }
    if word_vectors is not None:
        sources["word_vectors"] = word_vectors.facts()
    return envelope_of(SWEEP, corpus, regions, request, sources)


def _begin(table: Path, envelope: Envelope, request: Request[EmbedConfig, EmbedTraining]) -> list[Trial]:
    """The trials done by the sweep to continue; none, and a clean folder, where there is none."""
    if request.resume and table.is_file():
        return _read(table, envelope)
    if request.resume and has_training(request.out):
        raise ArtifactError(f"{request.out}: was not begun by a sweep; --force starts anew")
    _remove_trials(request.out)
    _remove(request.out / _TRAINING)  # of an older run: the winner would go on from it
    _write(table, envelope, [])
    return []


def _write(table: Path, envelope: Envelope, trials: Sequence[Trial]) -> None:
    write_lines(table, map(dump_json, [envelope.to_dict(), *(trial.to_dict() for trial in trials)]))


def _read(table: Path, expected: Envelope) -> list[Trial]:
    try:
        with table.open("rb") as file:
            lines = read_lines(file, str(table))
            _, first = next(lines, ("", b""))
            _require_same(Envelope.from_dict(parse(first), str(table), SWEEP, VERSIONS[SWEEP]), expected, table)
            return [Trial.from_dict(parse(line), where) for where, line in lines]
    except OSError as error:
        raise DataError(f"{table}: {reason(error)}") from error


def _require_same(found: Envelope, expected: Envelope, table: Path) -> None:
    try:
        theirs, mine = settings_of(found), settings_of(expected)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{table}: damaged envelope (config or parents)") from error
    differing = sorted(key for key in {*theirs, *mine} if theirs.get(key) != mine.get(key))
    if differing:
        raise ArtifactError(f"{table}: was begun with another {', '.join(differing)}; --force starts anew")


def _remove_trials(out: Path) -> None:
    for folder in sorted((out / _TRIALS).glob("rung-*/rate-*")):
        for name in _FILES:
            _remove(folder / name)
            _remove(folder / f".{name}.part")
        _remove_empty(folder)
        _remove_empty(folder.parent)
    _remove_empty(out / _TRIALS)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be removed: {reason(error)}") from error


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):  # it is not there, or holds what the sweep did not write: that stays
        folder.rmdir()
