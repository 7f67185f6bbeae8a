"""Layout of a card, in numbers and not in HTML: sizes, boxes in percent, corners for their numbers, runs of words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from vsa_cli.output.html.cards import Box, Card, Word, area

COLOURS = 8
"""Number of box colours in the style sheet; box 9 repeats the first colour with a dashed outline."""

_MAX_WIDTH, _MAX_HEIGHT = 600, 480  # of a photograph on a page, in CSS pixels
_FIELD_ASPECT = 4 / 3  # of a card's field in a grid, as in the style sheet
_MAX_ENLARGEMENT = 2.0
_TAG = 7.0  # side of a number's tag with its margin, in percent of the photograph


class Mark(NamedTuple):
    """A numbered box and the tag with its number; sides are numbers in percent of the photograph's width and height."""

    number: int
    left: str
    top: str
    width: str
    height: str
    tag_left: str
    tag_top: str


def display_size(card: Card) -> tuple[int, int]:
    """Width and height of the photograph on a page, in CSS pixels."""
    return fitted_size(card.width, card.height)


def fitted_size(width: int, height: int) -> tuple[int, int]:
    """Width and height on a page, in CSS pixels, of a photograph whose original has these in pixels."""
    scale = min(_MAX_WIDTH / width, _MAX_HEIGHT / height, _MAX_ENLARGEMENT)
    return max(1, round(width * scale)), max(1, round(height * scale))


def field_share(card: Card) -> int:
    """The share of a grid field's width at which the photograph also fits its height, in steps of 5 percent."""
    share = card.width / card.height / _FIELD_ASPECT
    return 100 if share >= 0.97 else max(5, int(share * 20) * 5)


def colour_class(number: int) -> str:
    """The CSS class that sets the colour of a box number; 0, the whole photograph, has its own."""
    return f"c{(number - 1) % COLOURS + 1}" if number else "c0"


def runs(words: Sequence[Word]) -> Iterator[tuple[int | None, list[Word]]]:
    """Group neighbouring words by box.

    Words without a box join the group before if they are `tight`, or if the next word with a box belongs to it.
    """
    following: list[int | None] = [None] * len(words)  # the next box from each word on
    for i in range(len(words) - 1, -1, -1):
        box = words[i].box
        following[i] = box if box is not None or i + 1 == len(words) else following[i + 1]
    boxes: list[int | None] = []
    for word, upcoming in zip(words, following, strict=True):
        last = boxes[-1] if boxes else None
        boxes.append(last if word.box is None and (word.tight or upcoming == last) else word.box)
    for box, run in groupby(zip(boxes, words, strict=True), key=lambda pair: pair[0]):
        yield box, [word for _, word in run]


def marks(card: Card) -> list[Mark]:
    """The boxes of a card, largest first: later boxes are drawn on top, and receive mouse events."""
    numbered = list(enumerate(card.boxes, 1))
    if card.framed:
        numbered.append((0, (0.0, 0.0, float(card.width), float(card.height))))
    numbered.sort(key=lambda pair: -area(pair[1]))
    found: list[Mark] = []
    corners: list[tuple[float, float]] = []
    for number, box in numbered:
        left, top, right, bottom = percent = _in_percent(box, card)
        corners.append(_free_corner(percent, corners))
        sides = (left, top, max(0.0, right - left), max(0.0, bottom - top), *corners[-1])
        found.append(Mark(number, *(f"{side:g}" for side in sides)))
    return found


def _in_percent(box: Box, card: Card) -> Box:
    def share(side: float, whole: int) -> float:
        return round(max(0.0, min(100.0, 100 * side / whole)), 2) if math.isfinite(side) else 0.0

    left, top, right, bottom = box
    return share(left, card.width), share(top, card.height), share(right, card.width), share(bottom, card.height)


def _free_corner(box: Box, taken: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The first corner inside a box, or place along its top edge, that no other tag covers; in percent."""
    left, top, right, bottom = box
    inner_right, inner_bottom = max(left, right - _TAG), max(top, bottom - _TAG)
    along_top = [(left + step * _TAG, top) for step in range(1, int((right - left) / _TAG))]
    corners = [(left, top), (inner_right, top), (left, inner_bottom), (inner_right, inner_bottom)]
    for x, y in corners + along_top:
        if all(abs(x - a) >= _TAG * 0.8 or abs(y - b) >= _TAG * 0.8 for a, b in taken):
            return round(x, 2), round(y, 2)
    return left, top
