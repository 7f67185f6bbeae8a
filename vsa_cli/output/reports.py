"""Reports of extraction, training and sweeps: progress on stderr, and with `--json` one JSON object on stdout."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vsa_cli.core.errors import ExitCode
from vsa_cli.core.io.json import dump_json
from vsa_cli.output.console import Console, print_data

if TYPE_CHECKING:
    from vsa_cli.core.embedding.halving import SweepPlan, Trial, Winner
    from vsa_cli.core.labels.train import LabellerRequest
    from vsa_cli.core.learning.loop import Epoch, Step
    from vsa_cli.core.learning.run import TrainingRequest
    from vsa_cli.core.regions.extract import Extracted

_SHOWN = ("rsum", "i2t_R@1", "t2i_R@1", "perplexity", "CIDEr", "average precision")
"""Validation measures in the line of an epoch or a trial; `--json` and `vsa info` have them all."""


def report_extraction(
    console: Console,
    records: Iterable[Extracted],
    *,
    corpus: Path | None,
    total: int,
    output: Path,
    part: str | None,
    as_json: bool,
) -> None:
    """Draw the progress of an extraction and name the photographs that failed.

    Args:
        console: where the progress is drawn.
        records: a record of each finished shard.
        corpus: the corpus that the photographs come from, if there is one.
        total: the number of photographs.
        output: the file being written.
        part: the part of it, if only a part of the photographs is described.
        as_json: whether to print the result as JSON.

    Raises:
        typer.Exit: with exit code 3, if a photograph failed.
    """
    described, failed, started = 0, 0, time.perf_counter()
    with console.progress("extract-regions", total, "photographs") as bar:
        for record in records:
            bar.advance(record.photos)
            described += record.photos - len(record.failures)
            failed += len(record.failures)
            for failure in record.failures:
                console.warn(failure)
    seconds = time.perf_counter() - started
    which = "" if part is None else f", part {part}"
    console.note(f"{output}{which}: {described} photographs described, {failed} failed, {seconds:.0f} s")
    if as_json:
        print_extraction(output, described, failed, seconds)
    if corpus is not None:
        console.suggest("train-gen", corpus, output)
    if failed:
        raise typer.Exit(ExitCode.SOME_FAILED)


def print_extraction(output: Path, described: int, failed: int, seconds: float) -> None:
    """Print the result of an extraction as one JSON object."""
    print_data(dump_json({"output": str(output), "images": described, "failed": failed, "seconds": seconds}))


def report_request(
    console: Console, request: TrainingRequest[Any, Any] | LabellerRequest, *, as_json: bool, **more: object
) -> None:
    """Print what a training would do (`--dry-run`); `more` is added to the JSON object."""
    model, training, split, chosen_on = request.model, request.training, request.split, request.validate
    console.note(
        f"would train {model} by {training} on {split}, selecting the epoch on {chosen_on}, into {request.out}"
    )
    if as_json:
        settings = {"model": dataclasses.asdict(model), "training": dataclasses.asdict(training)}
        print_data(dump_json({"output": str(request.out), "split": split, "validate": chosen_on, **settings, **more}))


def report_training(
    console: Console, records: Iterable[Step | Epoch], *, output: Path, unit: str, as_json: bool
) -> None:
    """Draw a training and report its end; `unit` names the training items, for the speed."""
    history = _draw_epochs(console, records, unit)
    console.note(_end(output, history))
    if as_json:
        print_data(dump_json({"output": str(output), "epochs": [dataclasses.asdict(epoch) for epoch in history]}))


def _end(output: Path, history: Sequence[Epoch]) -> str:
    return f"{output}: written" if history else f"{output}: nothing left to do"


def _draw_epochs(console: Console, records: Iterable[Step | Epoch], unit: str) -> list[Epoch]:
    """Draw a bar within each epoch, and print a line after it."""
    from vsa_cli.core.learning.loop import Epoch, Step

    history: list[Epoch] = []
    stream = iter(records)
    for first in stream:
        number, steps = (first.epoch, first.steps) if isinstance(first, Step) else (first.number, 1)
        with console.progress(f"epoch {number}", steps, "steps") as bar:
            for record in itertools.chain([first], stream):
                if isinstance(record, Epoch):
                    history.append(record)
                    break
                bar.advance()
        console.note(_epoch_line(history[-1], unit))
    return history


def _epoch_line(epoch: Epoch, unit: str) -> str:
    best = " *" if epoch.best and epoch.validation else ""
    speed = f"{epoch.items_per_second:,.0f} {unit}/s"
    return (
        f"epoch {epoch.number:3d}  loss {epoch.loss:.4f}{_measures(epoch.validation)}{best}"
        f"  {epoch.seconds:.0f} s  {speed}"
    )


def _measures(found: Mapping[str, float]) -> str:
    further = (name for name in found if name.startswith("also") and name.endswith("_rsum"))
    return "".join(f"  {name} {found[name]:.4g}" for name in (*_SHOWN, *further) if name in found)


def report_plan(console: Console, plan: SweepPlan) -> None:
    """Print the settings, rungs and epochs of a sweep (`--dry-run`)."""
    for name in ("learning_rate", "weight_decay"):
        values = sorted({getattr(setting, name) for setting in plan.settings})
        console.note(f"{name.replace('_', ' ')}: {', '.join(f'{value:g}' for value in values)}")
    for rung in plan.rungs:
        console.note(f"rung {rung.number}: {_count(rung.trials, 'trial')} of {_count(rung.epochs, 'epoch')}")
    console.note(f"then the best for {_count(plan.epochs, 'epoch')}: {plan.total_epochs} epochs in all")


def report_sweep(
    console: Console,
    records: Iterable[Step | Epoch | Trial | Winner],
    plan: SweepPlan,
    *,
    output: Path,
    as_json: bool,
) -> None:
    """Draw a sweep: a bar within an epoch, a line for each trial, then the training of the best setting."""
    from vsa_cli.core.learning.loop import Epoch, Step

    stream = iter(records)
    trials, winner = _draw_trials(console, stream, plan)
    console.note(f"best: {winner.setting}; training it for {_count(plan.epochs, 'epoch')}")
    history = _draw_epochs(console, (record for record in stream if isinstance(record, Epoch | Step)), "pairs")
    console.note(_end(output, history))
    if as_json:
        result = {
            "output": str(output),
            "winner": dataclasses.asdict(winner.setting),
            "trials": [trial.to_dict() for trial in trials],
            "epochs": [dataclasses.asdict(epoch) for epoch in history],
        }
        print_data(dump_json(result))


def _draw_trials(
    console: Console, stream: Iterator[Step | Epoch | Trial | Winner], plan: SweepPlan
) -> tuple[list[Trial], Winner]:
    """Draw the trials of a sweep, until the best setting is selected."""
    from vsa_cli.core.embedding.halving import Trial, Winner
    from vsa_cli.core.learning.loop import Step

    trials: list[Trial] = []
    with ExitStack() as drawn:
        bar = None
        for record in stream:
            if isinstance(record, Step):
                label = f"trial {len(trials) + 1} of {plan.trials}, epoch {record.epoch}"
                bar = bar or drawn.enter_context(console.progress(label, record.steps, "steps"))
                bar.advance()
                continue
            drawn.close()
            bar = None
            if isinstance(record, Winner):
                return trials, record
            if isinstance(record, Trial):
                trials.append(record)
                console.note(_trial_line(record))
    raise AssertionError("a sweep ends with a winner or an error")


def _trial_line(trial: Trial) -> str:
    head = f"rung {trial.rung}  {trial.setting}  {_count(trial.epochs, 'epoch')}"
    return f"{head}  diverged: {trial.diverged}" if trial.diverged is not None else head + _measures(trial.metrics)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
