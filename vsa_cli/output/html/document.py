"""Pages as one HTML file that contains its style, script, typeface and photographs, or as a folder (`gallery`)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.core.io.files import check_output
from vsa_cli.output.html.cards import Card, Header
from vsa_cli.output.html.font_weights import FontWeights
from vsa_cli.output.html.gallery import check_gallery_folder, open_gallery, thumbnail
from vsa_cli.output.html.template import inline_assets, render_card, render_page

MAX_PHOTOGRAPHS = 200
"""Photographs in one file, which then has about 15 MB."""

_LONGEST = 720  # pixels of a photograph's longer side


def render_document(header: Header, cards: Sequence[Card], warn: Callable[[str], None]) -> str:
    """Render a page that is one file.

    Args:
        header: the page's head.
        cards: at most `MAX_PHOTOGRAPHS`.
        warn: called with a line for each photograph that cannot be read; its card has no picture.
    """
    weights = FontWeights()
    rendered: list[str] = []
    for number, card in enumerate(cards, 1):
        try:
            source = "data:image/jpeg;base64," + base64.b64encode(thumbnail(card, _LONGEST)).decode()
        except DataError as error:
            warn(str(error))
            source = None
        rendered.append(render_card(card, source, weights, f"p{number}"))
    return render_page(header, rendered, inline_assets(weights.css()))


def is_folder(output: Path | None) -> bool:
    """Whether pages for this output are a folder; stdout (None) and a name that ends in .html are one file."""
    return output is not None and output.suffix.lower() not in (".html", ".htm")


def check_pages_output(output: Path | None, photographs: int, *, force: bool) -> None:
    """Check, before any work is done, that pages may be written to an output.

    Args:
        output: the file or folder; None for stdout.
        photographs: the number of photographs, or an upper bound.
        force: replace an existing file or gallery.

    Raises:
        ConfigError: the output must not be replaced, or it is a single file and there are too many photographs.
    """
    if output is not None and is_folder(output):
        check_gallery_folder(output, force=force)
        return
    check_photograph_count(output, photographs)
    if output is not None:
        check_output(output, force=force)


def check_photograph_count(output: Path | None, photographs: int) -> None:
    """Check that an output that is a single file can hold the photographs.

    Raises:
        ConfigError: there are more than a single file holds.
    """
    if photographs > MAX_PHOTOGRAPHS and not is_folder(output):
        raise ConfigError(
            f"{photographs} photographs, but one file holds {MAX_PHOTOGRAPHS}; use -o DIR for a folder of pages"
        )


class Pages:
    """Cards to be written once, as one file or as a folder.

    Args:
        header: called after all cards have been read, for the head of the pages.
        cards: the photographs, in order.
        warn: called with a line for each photograph that cannot be read; its card has no picture.

    Attributes:
        failed: the number of those photographs.
    """

    def __init__(self, header: Callable[[], Header], cards: Iterable[Card], warn: Callable[[str], None]) -> None:
        self._header, self._cards, self._on_failure = header, cards, warn
        self.failed = 0

    def lines(self) -> Iterator[str]:
        """Render one file.

        Raises:
            ConfigError: there are too many photographs.
        """
        cards = list(islice(self._cards, MAX_PHOTOGRAPHS + 1))
        if len(cards) > MAX_PHOTOGRAPHS:
            raise ConfigError(f"one file holds {MAX_PHOTOGRAPHS} photographs; use -o DIR for a folder of pages")
        yield render_document(self._header(), cards, self._warn)

    def fill(self, folder: Path, workers: int) -> None:
        """Write a folder that `check_gallery_folder` permitted.

        Raises:
            DataError: it cannot be written.
        """
        with open_gallery(folder, workers, self._warn) as gallery:
            for card in self._cards:
                gallery.add(card)
            gallery.finish(self._header())

    def _warn(self, line: str) -> None:
        self.failed += 1
        self._on_failure(line)
