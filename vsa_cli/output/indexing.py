"""Reports of `vsa index`: progress and failures on stderr, and the result as a line or as one JSON object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from vsa_cli.core.config import Items
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.json import dump_json
from vsa_cli.core.library.update import Change, Outcome
from vsa_cli.output.console import Console, print_data

_CHANGES: dict[Items, tuple[Change, ...]] = {
    "photographs": ("described", "copied", "unchanged", "forgotten", "failed"),
    "sentences": ("encoded", "copied", "unchanged"),
}


def report_index(console: Console, items: Items, outcomes: Iterable[Outcome], total: int | None) -> Counter[Change]:
    """Draw the progress of an update and name the photographs that failed.

    Args:
        console: where the progress is drawn.
        items: what the index has.
        outcomes: what became of each photograph or sentence.
        total: the number of photographs or sentences, if it is known.

    Returns:
        The number of photographs or sentences by what became of them.
    """
    changes: Counter[Change] = Counter()
    with console.progress("index", total, items) as bar:
        for outcome in outcomes:
            changes[outcome.change] += 1
            if outcome.change == "failed":
                console.warn(outcome.reason)
            if outcome.change != "forgotten":
                bar.advance()
    return changes


def print_index(
    console: Console, output: Path, items: Items, number: int, changes: Counter[Change], *, as_json: bool
) -> None:
    """Print what an update has changed.

    Args:
        console: where the note is printed.
        output: the folder of the index.
        items: what the index has.
        number: how many of them the index has now.
        changes: how many there were, by what became of them.
        as_json: whether to print the result as JSON on stdout.

    Raises:
        DataError: every photograph failed.
    """
    counted: dict[str, int] = {change: changes[change] for change in _CHANGES[items]}
    shown = ", ".join(f"{count:,} {change}" for change, count in counted.items() if count)
    console.note(f"{output}: {number:,} {items} ({shown or 'nothing to do'})")
    if as_json:
        print_data(dump_json({"output": str(output), items: number, **counted}))
    if number and items == "photographs":
        console.suggest("retrieve", "two dogs run in snow", "--index", output)
    elif number:
        console.suggest("retrieve", "--image", "photo.jpg", "--index", output)
    if 0 < changes["failed"] == sum(changes.values()):
        raise DataError("none of the photographs could be read")
