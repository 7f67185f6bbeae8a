"""Photographs as one file or as a folder, whichever the output's name asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from vsa_cli.core.errors import UsageError
from vsa_cli.core.outputs import refuse_existing
from vsa_cli.core.pages.album import album, refuse_folder
from vsa_cli.core.pages.leaf import MOST, leaf
from vsa_cli.core.pages.plates import Front, Plate


def is_folder(output: Path | None) -> bool:
    """Whether pages for this output fill a folder; no output (stdout) and a name ending in .html are one file."""
    return output is not None and output.suffix.lower() not in (".html", ".htm")


def refuse_output(output: Path | None, photographs: int, *, force: bool) -> None:
    """Refuse an output that must not be written, before any work is done.

    Args:
        output: of the pages; None for stdout.
        photographs: shown at most.
        force: whether what is there may be replaced.

    Raises:
        UsageError: it exists, or one file cannot hold so many photographs.
    """
    if output is not None and is_folder(output):
        refuse_folder(output, force=force)
        return
    refuse_many(output, photographs)
    if output is not None:
        refuse_existing(output, force=force)


def refuse_many(output: Path | None, photographs: int) -> None:
    """Refuse more photographs than one file can hold.

    Raises:
        UsageError: they are too many.
    """
    if photographs > MOST and not is_folder(output):
        raise UsageError(f"{photographs} photographs are asked for, and one file holds {MOST}; -o DIR takes any number")


class Pages:
    """Photographs to be shown, once, as they come.

    Args:
        front: gives the head of the pages, when all photographs have come.
        plates: the photographs.
        complain: told of each that cannot be read, in one line.

    Attributes:
        failed: photographs whose picture could not be read.
    """

    def __init__(self, front: Callable[[], Front], plates: Iterable[Plate], complain: Callable[[str], None]) -> None:
        self._front, self._plates, self._complain = front, plates, complain
        self.failed = 0

    def lines(self) -> Iterator[str]:
        """As one file, in pieces.

        Raises:
            UsageError: it cannot hold so many.
        """
        plates = list(islice(self._plates, MOST + 1))
        if len(plates) > MOST:
            raise UsageError(f"one file holds {MOST} photographs; -o DIR takes any number")

        def complain(line: str) -> None:
            self.failed += 1
            self._complain(line)

        yield from leaf(self._front(), plates, complain)

    def fill(self, folder: Path, workers: int) -> None:
        """As a folder that `refuse_folder` has let pass.

        Raises:
            DataError: it cannot be written.
        """
        with album(folder, workers, self._complain) as book:
            for plate in self._plates:
                book.add(plate)
            book.finish(self._front())
        self.failed += book.failed
