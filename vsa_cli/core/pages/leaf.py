"""A page that is one file: style, script, typeface and photographs within it, to be mailed or put anywhere."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence

from vsa_cli.core.errors import DataError
from vsa_cli.core.pages import sheet
from vsa_cli.core.pages.markup import plate as markup
from vsa_cli.core.pages.photos import small_photo
from vsa_cli.core.pages.plates import Front, Plate
from vsa_cli.core.pages.weights import Weights

MOST = 200
"""Photographs that one file may hold: about 15 MB."""

_LONGEST = 720  # pixels of a photograph's longer side


def leaf(front: Front, plates: Sequence[Plate], complain: Callable[[str], None]) -> Iterator[str]:
    """The page, in pieces.

    Args:
        front: its head.
        plates: at most `MOST`.
        complain: told of each photograph that cannot be read, in one line.
    """
    weights = Weights()
    for plate in plates:  # the style comes first, and knows all weights
        for line in plate.lines:
            for word in line.words:
                weights.name(word.weight)
    parts = sheet.inlined(weights.css())
    yield sheet.begin(front, parts)
    for number, plate in enumerate(plates, 1):
        try:
            source = "data:image/jpeg;base64," + base64.b64encode(small_photo(plate, _LONGEST)).decode()
        except DataError as error:
            complain(str(error))
            source = None
        yield markup(plate, source, weights.name, f"p{number}")
    yield sheet.end(parts)
