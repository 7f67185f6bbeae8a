"""Placement of labels at their boxes, without overlap if there is room, and wrapping of text; no image is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vsa_cli.output.html.cards import Box, area

_ROUNDS = 4  # how often each label may move, given the places of all others
_TOUCHING = 0.3  # the fixed part of the cost of covering another label, as a share of the label's own area
_ON_LABEL, _ON_BOX, _ON_OWN, _AWAY, _LATER = 20.0, 1.5, 0.6, 3.0, 0.02  # weights of the terms of a place's cost


@dataclass(frozen=True)
class Label:
    """A label to be placed.

    Attributes:
        box: the box that it describes.
        width: its own width, in pixels.
        height: its own height, in pixels.
    """

    box: Box
    width: float
    height: float


def place_labels(labels: Sequence[Label], field: Box) -> list[Box]:
    """Find a place for each label, at its box and within `field`.

    Each label in turn takes the cheapest of some candidate places, given the places of the others, until none moves.
    Covering another label costs most, then hiding a small box, then covering the middle of its own box. Labels that
    are larger than the field extend beyond its right and bottom edges.
    """
    candidates = [_candidates(label, field) for label in labels]
    chosen: list[Box | None] = [None] * len(labels)
    for _ in range(_ROUNDS):
        before = list(chosen)
        for number, label in enumerate(labels):
            others = [place for i, place in enumerate(chosen) if i != number and place is not None]
            boxes = [one.box for i, one in enumerate(labels) if i != number]
            costs = [
                cost + _cost(place, label.box, others, boxes) + _LATER * order
                for order, (place, cost) in enumerate(candidates[number])
            ]
            chosen[number] = candidates[number][costs.index(min(costs))][0]
        if chosen == before:
            break
    return [place for place in chosen if place is not None]


def _candidates(label: Label, field: Box) -> list[tuple[Box, float]]:
    """Places around and inside a box, each with the cost of moving it into the field."""
    left, top, right, bottom = label.box
    w, h = label.width, label.height
    middle = (left + right - w) / 2
    wanted = [
        *((x, top - h) for x in (left, right - w, middle)),
        *((x, top) for x in (left, right - w)),
        *((x, bottom) for x in (left, right - w, middle)),
        *((x, bottom - h) for x in (left, right - w)),
        *((x, y) for x in (left - w, right) for y in (top, bottom - h)),
        (middle, (top + bottom - h) / 2),
        *((left, y) for y in (top - 2 * h, bottom + h)),
    ]
    candidates = []
    for x, y in wanted:
        inside_x = max(field[0], min(x, field[2] - w))
        inside_y = max(field[1], min(y, field[3] - h))
        away = abs(inside_x - x) / w + abs(inside_y - y) / h
        away += max(0.0, top - inside_y - h, inside_y - bottom) / h
        candidates.append(((inside_x, inside_y, inside_x + w, inside_y + h), _AWAY * away))
    return candidates


def _cost(place: Box, own: Box, labels: Sequence[Box], boxes: Sequence[Box]) -> float:
    size = area(place)
    on_labels = sum(_TOUCHING + shared / size for other in labels if (shared := _shared_area(place, other)))
    on_boxes = sum(_shared_area(place, box) / max(1.0, area(box)) for box in boxes)
    on_own = _shared_area(place, own) / max(1.0, area(own))
    return _ON_LABEL * on_labels + _ON_BOX * on_boxes + _ON_OWN * on_own


def _shared_area(a: Box, b: Box) -> float:
    return area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))


def wrap(text: str, width: float, measure: Callable[[str], float]) -> list[str]:
    """Break a text into as few lines of at most `width` as possible, of lengths as equal as possible.

    A word wider than `width` gets a line of its own, which exceeds it.
    """
    lines = _fill(text, width, measure)
    low, high = 0.0, width
    for _ in range(12):  # bisect for the narrowest column that needs no more lines
        middle = (low + high) / 2
        narrower = _fill(text, middle, measure)
        if len(narrower) > len(lines):
            low = middle
        else:
            lines, high = narrower, middle
    return lines


def _fill(text: str, width: float, measure: Callable[[str], float]) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and measure(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
