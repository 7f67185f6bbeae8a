"""Talk on stderr: progress, training tables, warnings. Data goes to stdout elsewhere, by `print_data`.

Progress moves only on a terminal; elsewhere nothing but plain lines appears.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from vsa_cli.core.errors import DataError, one_line, reason
from vsa_cli.core.io.files import write_lines
from vsa_cli.core.io.json import dump_json

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from vsa_cli.core.learning.loop import Epoch, Step
    from vsa_cli.core.learning.run import TrainingRequest
    from vsa_cli.core.regions.extract import Extracted


class Console:
    """What a command says while it works; silent when quiet."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def say(self, line: str) -> None:
        """One line of talk."""
        if not self._quiet:
            typer.echo(line, err=True)

    def suggest(self, *command: str | Path) -> None:
        """A command to go on with, to a person at a terminal."""
        if sys.stderr.isatty():
            self.say(f"next: vsa {shlex.join(map(str, command))}")

    def warn(self, line: str) -> None:
        """One line that must be seen even when quiet: an input failed, a result is doubtful."""
        typer.echo(f"vsa: {one_line(line)}", err=True)

    @contextmanager
    def progress(
        self, label: str, total: int | None, unit: str, done: int = 0, *, printing: bool = False
    ) -> Iterator[Bar]:
        """A bar with rate and time left on a terminal that can redraw a line, nothing elsewhere.

        Args:
            label: what is being done.
            total: how many units there are, if that is known.
            unit: their name, for the rate.
            done: units that an earlier run has done.
            printing: whether data are printed meanwhile; on one terminal with them there is no bar.
        """
        still = not sys.stderr.isatty() or os.environ.get("TERM") == "dumb"
        if self._quiet or still or (printing and sys.stdout.isatty()):
            yield Bar(None, None)
            return
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        rate = TextColumn(f"{{task.fields[rate]}} {unit}/s")
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            rate,
            TimeRemainingColumn(),
        )
        # what is printed on stdout stays there: rich would send it after its own, to stderr
        with Progress(*columns, console=RichConsole(stderr=True), transient=True, redirect_stdout=False) as progress:
            task = progress.add_task(label, total=total, completed=done, rate="-")
            yield Bar(progress, task)

    @contextmanager
    def looking(self, photographs: int) -> Iterator[Callable[[], None]]:
        """A bar for photographs that are looked at before anything is printed; gives what advances it."""
        with self.progress("look", photographs, "photographs") as bar:
            yield bar.advance


class Bar:
    """Progress of one job; `advance` is free where nothing is drawn."""

    def __init__(self, progress: Progress | None, task: TaskID | None) -> None:
        self._progress = progress
        self._task = task

    def advance(self, units: int = 1) -> None:
        """Count units as done."""
        if self._progress is None or self._task is None:
            return
        speed = self._progress.tasks[self._task].speed
        self._progress.update(self._task, advance=units, rate=f"{speed:.1f}" if speed else "-")


def print_data(line: str) -> None:
    """One line of data on stdout, flushed, so that a reader downstream has it at once.

    Raises:
        BrokenPipeError: the reader has left.
        DataError: the disk behind it is full, or the like.
    """
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_stdout()
        raise DataError(f"stdout: cannot write: {reason(error)}") from error


def drop_stdout() -> None:
    """Point a stdout that takes nothing elsewhere, or Python complains at exit of what it still holds."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def name_some(names: Iterable[str], limit: int = 5) -> str:
    """`a, b, c and 4 more`: a list for one line."""
    listed = list(names)
    shown = ", ".join(listed[:limit])
    return shown if len(listed) <= limit else f"{shown} and {len(listed) - limit} more"


def report_extraction(
    console: Console, records: Iterable[Extracted], *, source: Path, total: int, output: Path, as_json: bool
) -> None:
    """Draw an extraction's progress and name what failed; `source` is what the photographs came from.

    Raises:
        typer.Exit: with 3, when a photograph failed.
    """
    described, failed, started = 0, 0, time.perf_counter()
    with console.progress("extract-regions", total, "photos") as bar:
        for record in records:
            bar.advance(record.photos)
            described += record.photos - len(record.failures)
            failed += len(record.failures)
            for failure in record.failures:
                console.warn(failure)
    seconds = time.perf_counter() - started
    console.say(f"{output}: {described} photographs described, {failed} failed, {seconds:.0f} s")
    if as_json:
        print_extraction(output, described, failed, seconds)
    if source.is_file():
        console.suggest("train-gen", source, output)
    if failed:
        raise typer.Exit(3)


def print_extraction(output: Path, described: int, failed: int, seconds: float) -> None:
    """An extraction's result as one JSON object: what is in the file, what is not, and how long that took."""
    print_data(dump_json({"output": str(output), "images": described, "failed": failed, "seconds": seconds}))


def report_request(console: Console, request: TrainingRequest[Any, Any], *, as_json: bool, **more: object) -> None:
    """What a training would do, for --dry-run; `more` goes into the JSON object."""
    model, training, split, chosen_on = request.model, request.training, request.split, request.validate
    console.say(f"would train {model} by {training} on {split}, choosing on {chosen_on}, into {request.out}")
    if as_json:
        settings = {"model": dataclasses.asdict(model), "training": dataclasses.asdict(training)}
        print_data(dump_json({"output": str(request.out), "split": split, "validate": chosen_on, **settings, **more}))


def report_training(
    console: Console, records: Iterable[Step | Epoch], *, output: Path, unit: str, as_json: bool
) -> None:
    """Draw a training: a bar within an epoch, a line for each; `unit` names what it learns from."""
    from vsa_cli.core.learning.loop import Epoch, Step

    history: list[Epoch] = []
    stream = iter(records)
    first = next(stream, None)
    while first is not None:
        number, steps = (first.epoch, first.steps) if isinstance(first, Step) else (first.number, 1)
        with console.progress(f"epoch {number}", steps, "steps") as bar:
            for record in itertools.chain([first], stream):
                if isinstance(record, Epoch):
                    history.append(record)
                    break
                bar.advance()
        console.say(_epoch_line(history[-1], unit))
        first = next(stream, None)
    console.say(f"{output}: written" if history else f"{output}: nothing left to do")
    if as_json:
        print_data(dump_json({"output": str(output), "epochs": [dataclasses.asdict(epoch) for epoch in history]}))


def _epoch_line(epoch: Epoch, unit: str) -> str:
    measures = "".join(f"  {name} {value:.4g}" for name, value in epoch.validation.items())
    mark = " *" if epoch.best and epoch.validation else ""
    speed = f"{epoch.items_per_second:,.0f} {unit}/s"
    return f"epoch {epoch.number:3d}  loss {epoch.loss:.4f}{measures}{mark}  {epoch.seconds:.0f} s  {speed}"


def report_lines(lines: Iterable[str], output: Path | None) -> None:
    """Print lines of data as they come, or write them to a file in one step at the end."""
    if output is None:
        for line in lines:
            print_data(line)
    else:
        write_lines(output, lines)
