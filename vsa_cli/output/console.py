"""Messages on stderr: progress, notes, warnings; and lines of data on stdout.

Progress is drawn on a terminal only; elsewhere nothing but plain lines appears.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vsa_cli.core.errors import DataError, one_line, reason
from vsa_cli.core.io.files import write_lines

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_OPTIONS: ContextVar[Callable[[], Mapping[str, str]]] = ContextVar("options", default=dict)


@contextmanager
def settings_named(options: Callable[[], Mapping[str, str]]) -> Iterator[None]:
    """Within the block, messages name a setting by its option; `options` returns the options by parameter name."""
    token = _OPTIONS.set(options)
    try:
        yield
    finally:
        _OPTIONS.reset(token)


def name_options(message: str) -> str:
    """A message of core, with settings named by the options of the running command.

    `` `max_length` `` becomes `--max-len` where the command has a parameter of that name, and `` `text` of `vsa
    train-gen` ``, a setting of another command, becomes `` `vsa train-gen --text` ``; anything else between backticks
    stays as it is.
    """
    if "`" not in message:
        return message
    message = re.sub(r"`([a-z_]+)` of `(vsa [a-z-]+)`", lambda m: f"`{m[2]} --{m[1].replace('_', '-')}`", message)
    options = _OPTIONS.get()()
    return re.sub(r"`(\w+)`", lambda match: options.get(match[1], match[0]), message)


def warn(line: str) -> None:
    """Report an error or a warning: one line on stderr, shown even when quiet."""
    typer.echo(f"vsa: {name_options(one_line(line))}", err=True)


@contextmanager
def core_warnings_shown() -> Iterator[None]:
    """Within the block, warnings logged by core are printed by `warn`."""
    import logging  # not needed for help

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            warn(record.getMessage())

    logger, handler = logging.getLogger("vsa_cli"), Handler(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class Console:
    """Messages of a command while it works."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def note(self, line: str) -> None:
        """Print one line, unless quiet."""
        if not self._quiet:
            typer.echo(name_options(line), err=True)

    def suggest(self, *command: str | Path) -> None:
        """Suggest the next command to a person at a terminal."""
        if sys.stderr.isatty():
            self.note(f"next: vsa {shlex.join(map(str, command))}")

    def warn(self, line: str) -> None:
        """Print one line even when quiet: an input failed, or a result is doubtful."""
        warn(line)

    @contextmanager
    def progress(
        self, label: str, total: int | None, unit: str, done: int = 0, *, printing: bool = False
    ) -> Iterator[Bar]:
        """A bar with rate and remaining time; nothing if stderr is not a terminal that can redraw a line.

        Args:
            label: the name of the job.
            total: the number of units, or None if unknown.
            unit: the name of a unit in the plural, for the rate.
            done: the number of units that an earlier run has completed.
            printing: whether data are printed meanwhile; a bar would be mixed with them on one terminal.
        """
        plain = not sys.stderr.isatty() or os.environ.get("TERM") == "dumb"
        if self._quiet or plain or (printing and sys.stdout.isatty()):
            yield Bar(None, None)
            return
        from rich.console import Console as RichConsole
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(f"{{task.fields[rate]}} {unit}/s"),
            TimeRemainingColumn(),
        )
        # rich would otherwise redirect what is printed on stdout to stderr
        with Progress(*columns, console=RichConsole(stderr=True), transient=True, redirect_stdout=False) as progress:
            task = progress.add_task(label, total=total, completed=done, rate="-")
            yield Bar(progress, task)


class Bar:
    """Progress of one job; advancing costs nothing if no bar is drawn."""

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
    """Print one line of data on stdout, flushed, so that a process that reads stdout receives it immediately.

    Raises:
        BrokenPipeError: the process that reads stdout has closed the pipe.
        DataError: stdout cannot be written, for instance because a disk is full.
    """
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_stdout()
        raise DataError(f"stdout: cannot write: {reason(error)}") from error


def print_lines(lines: Iterable[str], output: Path | None) -> None:
    """Print lines of data as they are made, or write them to a file in one step at the end."""
    if output is None:
        for line in lines:
            print_data(line)
    else:
        write_lines(output, lines)


def drop_stdout() -> None:
    """Redirect an unwritable stdout to the null device, because Python flushes it once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def name_some(names: Iterable[str], limit: int = 5) -> str:
    """A list for one line: `a, b, c and 4 more`."""
    listed = list(names)
    shown = ", ".join(listed[:limit])
    return shown if len(listed) <= limit else f"{shown} and {len(listed) - limit} more"
