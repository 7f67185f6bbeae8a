"""Cross-validation of learning rate and weight decay (paper, section 3.4); a resumed sweep has the same result.

In the model directory::

    sweep.jsonl                the envelope, then one trial per line: {"rung", "learning_rate", "weight_decay",
                               "epochs", "metrics": {...}, "diverged": null or how}; replaced after each trial
    sweep/rung-N/rate-R-...    the model directory of each trial; removed when the winner is trained

The winner is the same model as one that was trained with its rate and decay without a sweep.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from vsa_cli.core.config import EmbedConfig, EmbedTraining
from vsa_cli.core.embedding.halving import Metrics, Rung, Setting, SweepPlan, Trial, Winner, halve
from vsa_cli.core.embedding.sources import Sources
from vsa_cli.core.embedding.train import train_embedding
from vsa_cli.core.embedding.word_vectors import WordVectors
from vsa_cli.core.errors import ArtifactError, DataError, reason
from vsa_cli.core.io.envelope import SWEEP, Envelope, open_lines
from vsa_cli.core.io.files import write_lines
from vsa_cli.core.io.json import dump_json, parse
from vsa_cli.core.learning.checkpoint import check_same_settings
from vsa_cli.core.learning.loop import Epoch, Step
from vsa_cli.core.learning.model_dir import has_training
from vsa_cli.core.learning.run import TrainingRequest, envelope_of, precision_of, settings_of

_TABLE, _TRIALS = "sweep.jsonl", "sweep"
_TRAINING = "training.safetensors"
_FILES = ("model.safetensors", "config.json", _TRAINING)
"""The files of a trial's model directory; no others are removed."""


def sweep_embedding(
    sources: Sources,
    request: TrainingRequest[EmbedConfig, EmbedTraining],
    plan: SweepPlan,
    word_vectors: WordVectors | None = None,
) -> Iterator[Step | Epoch | Trial | Winner]:
    """Run or resume a sweep, then train its winner into `request.out`.

    Args:
        sources: the images, their sentences and regions.
        request: the training of the winner, except for what the sweep selects.
        plan: the plan of the sweep.
        word_vectors: initial word vectors, as for `train_embedding`.

    Yields:
        The records of each trial and then its `Trial` (only the latter if it was finished earlier); the `Winner`; and
        the records of the winner's training.

    Raises:
        ArtifactError: corpora and regions are inconsistent, or the sweep to resume is damaged or its settings differ.
        DataError: there is nothing to train on, or the output cannot be written.
        DivergedError: all trials of a rung diverged, or the final training of the winner did.
    """
    table = request.out / _TABLE
    envelope = _envelope(sources, request, plan, word_vectors)
    trials = _finished_trials(table, envelope, request)
    is_writer = request.ranks.first

    def run(rung: Rung, setting: Setting) -> Generator[Step | Epoch, None, Metrics]:
        folder = request.out / _TRIALS / f"rung-{rung.number}" / _name(setting)
        training = replace(_training(request, setting), epochs=rung.epochs, patience=rung.epochs)
        trial = replace(request, out=folder, training=training, resume=True)
        kept = yield from train_embedding(sources, trial, word_vectors)
        assert kept is not None, "a rung has at least one epoch"
        return kept.validation

    winner = plan.settings[0]
    for record in halve(plan, run, tuple(trials)):
        if isinstance(record, Trial) and record not in trials:
            trials.append(record)
            if is_writer:
                _write(table, envelope, trials)
        elif isinstance(record, Winner):
            winner = record.setting
        yield record
    final = replace(request, training=_training(request, winner), resume=True)
    yield from train_embedding(sources, final, word_vectors)
    if is_writer:
        _remove_trials(request.out)


def _training(request: TrainingRequest[EmbedConfig, EmbedTraining], setting: Setting) -> EmbedTraining:
    return replace(request.training, learning_rate=setting.learning_rate, weight_decay=setting.weight_decay)


def _name(setting: Setting) -> str:
    return f"rate-{setting.learning_rate!r}-decay-{setting.weight_decay!r}"


def _envelope(
    sources: Sources,
    request: TrainingRequest[EmbedConfig, EmbedTraining],
    plan: SweepPlan,
    word_vectors: WordVectors | None,
) -> Envelope:
    grid = [[setting.learning_rate, setting.weight_decay] for setting in plan.settings]
    settings: dict[str, Any] = {
        "split": request.split,
        "validate": request.validate,
        "keep_last": request.keep_last,
        **precision_of(request),
        "sweep": {"settings": grid, "rungs": [dataclasses.asdict(rung) for rung in plan.rungs]},
        **sources.record(),
    }
    if word_vectors is not None:
        settings["word_vectors"] = word_vectors.facts()
    return envelope_of(SWEEP, sources.first.corpus, sources.first.regions, request, settings)


def _finished_trials(
    table: Path, envelope: Envelope, request: TrainingRequest[EmbedConfig, EmbedTraining]
) -> list[Trial]:
    """The finished trials of the sweep to resume; if there is none, clean the folder and start a new table."""
    if request.resume and table.is_file():
        return _read(table, envelope)
    if request.resume and has_training(request.out):
        raise ArtifactError(f"{request.out}: cannot resume: the saved run is not a sweep; `force` starts over")
    if request.ranks.first:
        _remove_trials(request.out)
        _remove(request.out / _TRAINING)  # otherwise the winner would resume an older run
        _write(table, envelope, [])
    return []


def _write(table: Path, envelope: Envelope, trials: Sequence[Trial]) -> None:
    write_lines(table, map(dump_json, [envelope.to_dict(), *(trial.to_dict() for trial in trials)]))


def _read(table: Path, expected: Envelope) -> list[Trial]:
    with open_lines(table, SWEEP) as (envelope, lines):
        _check_same(envelope, expected, table)
        return [Trial.from_dict(parse(line), where) for where, line in lines]


def _check_same(found: Envelope, expected: Envelope, table: Path) -> None:
    try:
        saved = settings_of(found)
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{table}: damaged envelope (config or parents)") from error
    check_same_settings(table, saved, settings_of(expected))


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
    with suppress(OSError):  # it does not exist, or it has other files, which are kept
        folder.rmdir()
