"""A page that is one file: style, script, typeface and photographs within it, to be mailed or put anywhere."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.core.io.files import check_output
from vsa_cli.output.html import template as sheet
from vsa_cli.output.html.cards import Card, Header
from vsa_cli.output.html.font_weights import Weights
from vsa_cli.output.html.gallery import album, refuse_folder
from vsa_cli.output.html.template import card as markup
from vsa_cli.output.html.thumbnails import small_photo

MOST = 200
"""Photographs that one file may hold: about 15 MB."""

_LONGEST = 720  # pixels of a photograph's longer side


def leaf(front: Header, cards: Sequence[Card], complain: Callable[[str], None]) -> Iterator[str]:
    """The page, in pieces.

    Args:
        front: its head.
        plates: at most `MOST`.
        complain: told of each photograph that cannot be read, in one line.
    """
    weights = Weights()
    for card in cards:  # the style comes first, and knows all weights
        for line in card.lines:
            for word in line.words:
                weights.name(word.weight)
    parts = sheet.inlined(weights.css())
    yield sheet.begin(front, parts)
    for number, card in enumerate(cards, 1):
        try:
            source = "data:image/jpeg;base64," + base64.b64encode(small_photo(card, _LONGEST)).decode()
        except DataError as error:
            complain(str(error))
            source = None
        yield markup(card, source, weights.name, f"p{number}")
    yield sheet.end(parts)


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
        check_output(output, force=force)


def refuse_many(output: Path | None, photographs: int) -> None:
    """Refuse more photographs than one file can hold.

    Raises:
        UsageError: they are too many.
    """
    if photographs > MOST and not is_folder(output):
        raise ConfigError(
            f"{photographs} photographs are asked for, and one file holds {MOST}; -o DIR takes any number"
        )


class Pages:
    """Photographs to be shown, once, as they come.

    Args:
        front: gives the head of the pages, when all photographs have come.
        plates: the photographs.
        complain: told of each that cannot be read, in one line.

    Attributes:
        failed: photographs whose picture could not be read.
    """

    def __init__(self, front: Callable[[], Header], cards: Iterable[Card], complain: Callable[[str], None]) -> None:
        self._front, self._plates, self._complain = front, cards, complain
        self.failed = 0

    def lines(self) -> Iterator[str]:
        """As one file, in pieces.

        Raises:
            UsageError: it cannot hold so many.
        """
        cards = list(islice(self._plates, MOST + 1))
        if len(cards) > MOST:
            raise ConfigError(f"one file holds {MOST} photographs; -o DIR takes any number")

        def complain(line: str) -> None:
            self.failed += 1
            self._complain(line)

        yield from leaf(self._front(), cards, complain)

    def fill(self, folder: Path, workers: int) -> None:
        """As a folder that `refuse_folder` has let pass.

        Raises:
            DataError: it cannot be written.
        """
        with album(folder, workers, self._complain) as book:
            for card in self._plates:
                book.add(card)
            book.finish(self._front())
        self.failed += book.failed
