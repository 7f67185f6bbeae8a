"""Reports of `vsa index`: progress and failures on stderr, and the result as a line or as one JSON object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from vsa_cli.core.errors import DataError
from vsa_cli.core.io.json import dump_json
from vsa_cli.core.library.update import Change, Outcome
from vsa_cli.output.console import Console, print_data

_CHANGES: tuple[Change, ...] = ("described", "copied", "unchanged", "forgotten", "failed")


def report_index(console: Console, outcomes: Iterable[Outcome], total: int | None) -> Counter[Change]:
    """Draw the progress of an update and name the photographs that failed.

    Args:
        console: where the progress is drawn.
        outcomes: what became of each photograph.
        total: the number of photographs, if it is known.

    Returns:
        The number of photographs by what became of them.
    """
    changes: Counter[Change] = Counter()
    with console.progress("index", total, "photographs") as bar:
        for outcome in outcomes:
            changes[outcome.change] += 1
            if outcome.change == "failed":
                console.warn(outcome.reason)
            if outcome.change != "forgotten":
                bar.advance()
    return changes


def print_index(console: Console, output: Path, photographs: int, changes: Counter[Change], *, as_json: bool) -> None:
    """Print what an update has changed.

    Args:
        console: where the note is printed.
        output: the folder of the index.
        photographs: the number of photographs that the index has now.
        changes: the number of photographs by what became of them.
        as_json: whether to print the result as JSON on stdout.

    Raises:
        DataError: every photograph failed.
    """
    counted: dict[str, int] = {change: changes[change] for change in _CHANGES}
    shown = ", ".join(f"{count:,} {change}" for change, count in counted.items() if count)
    console.note(f"{output}: {photographs:,} photographs ({shown or 'nothing to do'})")
    if as_json:
        print_data(dump_json({"output": str(output), "photographs": photographs, **counted}))
    if photographs:
        console.suggest("retrieve", "two dogs run in snow", "--index", output)
    if 0 < changes["failed"] == sum(changes.values()):
        raise DataError("none of the photographs could be read")
