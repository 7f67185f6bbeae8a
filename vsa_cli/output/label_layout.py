"""Where labels go on a picture: at their boxes, clear of one another where there is room. Pure geometry and text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Rectangle = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""

_ROUNDS = 4  # in which each label may move, given all the others
_TOUCH = 0.3  # what covering another label at all counts for, in shares of its own area
_ON_LABEL, _ON_BOX, _ON_OWN, _AWAY, _LATER = 20.0, 1.5, 0.6, 3.0, 0.02  # what a place costs


@dataclass(frozen=True)
class Label:
    """A label to be placed: its box, and its own width and height."""

    box: Rectangle
    width: float
    height: float


def place(labels: Sequence[Label], field: Rectangle) -> list[Rectangle]:
    """A place within `field` for each label, at its box.

    Each takes the cheapest of some places, given the places of the others, in turn until none moves: a label on
    another costs most, then one that hides a small box, then one in the middle of its own. Labels wider or higher
    than the field stick out at its right and bottom.
    """
    choices = [_choices(label, field) for label in labels]
    chosen: list[Rectangle | None] = [None] * len(labels)
    for _ in range(_ROUNDS):
        before = list(chosen)
        for number, label in enumerate(labels):
            others = [spot for i, spot in enumerate(chosen) if i != number and spot is not None]
            boxes = [one.box for i, one in enumerate(labels) if i != number]
            costs = [
                cost + _cost(spot, label.box, others, boxes) + _LATER * order
                for order, (spot, cost) in enumerate(choices[number])
            ]
            chosen[number] = choices[number][costs.index(min(costs))][0]
        if chosen == before:
            break
    return [spot for spot in chosen if spot is not None]


def _choices(label: Label, field: Rectangle) -> list[tuple[Rectangle, float]]:
    """Places around and in a box, and what each costs for being moved into the field."""
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
    choices = []
    for x, y in wanted:
        inside_x = max(field[0], min(x, field[2] - w))
        inside_y = max(field[1], min(y, field[3] - h))
        away = abs(inside_x - x) / w + abs(inside_y - y) / h
        away += max(0.0, top - inside_y - h, inside_y - bottom) / h
        choices.append(((inside_x, inside_y, inside_x + w, inside_y + h), _AWAY * away))
    return choices


def _cost(spot: Rectangle, own: Rectangle, labels: Sequence[Rectangle], boxes: Sequence[Rectangle]) -> float:
    area = _area(spot)
    on_labels = sum(_TOUCH + shared / area for other in labels if (shared := _shared(spot, other)))
    on_boxes = sum(_shared(spot, box) / max(1.0, _area(box)) for box in boxes)
    on_own = _shared(spot, own) / max(1.0, _area(own))
    return _ON_LABEL * on_labels + _ON_BOX * on_boxes + _ON_OWN * on_own


def _area(box: Rectangle) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _shared(a: Rectangle, b: Rectangle) -> float:
    return _area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))


def wrap(text: str, width: float, measure: Callable[[str], float]) -> list[str]:
    """A text in as few lines of at most `width` as it takes, of lengths as even as that allows.

    A word that is wider has a line of its own, and sticks out.
    """
    lines = _fill(text, width, measure)
    low, high = 0.0, width
    for _ in range(12):  # the narrowest column that needs no further line
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
