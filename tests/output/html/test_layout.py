"""Boxes, their tags and runs of words are placed as the templates need them."""

from __future__ import annotations

from pathlib import Path

import pytest

from vsa_cli.output.html.cards import Box, Card, Line, Word
from vsa_cli.output.html.layout import COLOURS, colour_class, display_size, field_share, marks, runs

WHOLE = Line((Word("all", 0),))


def card(*boxes: Box, size: tuple[int, int] = (100, 100)) -> Card:
    return Card("a", Path("a"), *size, boxes, (WHOLE,))


def test_smaller_boxes_are_drawn_above_larger_ones() -> None:
    one = card((0, 0, 50, 50), (100, 25, 200, 100), size=(200, 100))
    assert [mark.number for mark in marks(one)] == [0, 2, 1]


def test_tags_do_not_overlap() -> None:
    boxes: list[Box] = [(0.0, 0.0, 100.0 - i, 100.0 - i) for i in range(8)]
    places = {(mark.tag_left, mark.tag_top) for mark in marks(card(*boxes))}
    assert len(places) == 9


def test_boxes_are_clipped_to_the_photograph() -> None:
    (_, mark) = marks(card((-10.0, 20.0, float("inf"), 140.0)))[::-1]
    assert (mark.left, mark.top, mark.height) == ("0", "20", "80")


def test_colours_repeat_after_the_last() -> None:
    assert [colour_class(number) for number in (0, 1, COLOURS, COLOURS + 1)] == ["c0", "c1", f"c{COLOURS}", "c1"]


@pytest.mark.parametrize(
    ("size", "shown", "share"),
    [
        ((4000, 3000), (600, 450), 100),
        ((30, 20), (60, 40), 100),
        ((300, 1200), (120, 480), 15),
        ((1, 5000), (1, 480), 5),
    ],
)
def test_photographs_fit_their_field(size: tuple[int, int], shown: tuple[int, int], share: int) -> None:
    assert display_size(card(size=size)) == shown
    assert field_share(card(size=size)) == share


def test_words_without_box_join_the_run_around_them() -> None:
    words = (
        Word("a", 1),
        Word("shiny"),
        Word("dog", 1),
        Word(",", tight=True),
        Word("and"),
        Word("runs", 2),
        Word("."),
    )
    assert [(box, [word.text for word in run]) for box, run in runs(words)] == [
        (1, ["a", "shiny", "dog", ","]), (None, ["and"]), (2, ["runs"]), (None, ["."]),
    ]  # fmt: skip
