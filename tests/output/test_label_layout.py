"""Labels stay in the photograph, at their boxes, without overlap if there is room; lines are of equal length."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vsa_cli.output.html.cards import Box
from vsa_cli.output.label_layout import Label, place_labels, wrap

FIELD = (0.0, 0.0, 400.0, 300.0)


def shared(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


boxes = st.tuples(st.integers(0, 380), st.integers(0, 280), st.integers(1, 400), st.integers(1, 300)).map(
    lambda b: (float(b[0]), float(b[1]), float(min(400, b[0] + b[2])), float(min(300, b[1] + b[3])))
)
labels = st.builds(Label, boxes, st.integers(1, 200).map(float), st.integers(1, 60).map(float))


@given(st.lists(labels, max_size=6))
def test_labels_stay_in_the_field_at_their_size(given_labels: list[Label]) -> None:
    places = place_labels(given_labels, FIELD)
    assert len(places) == len(given_labels)
    for label, (left, top, right, bottom) in zip(given_labels, places, strict=True):
        assert 0 <= left <= right <= 400
        assert 0 <= top <= bottom <= 300
        assert abs(right - left - label.width) < 1e-9
        assert abs(bottom - top - label.height) < 1e-9


@given(boxes, boxes)
def test_labels_do_not_overlap_if_there_is_room(one: Box, other: Box) -> None:
    for second in (one, other):
        a, b = place_labels([Label(one, 30, 12), Label(second, 60, 20)], FIELD)
        assert shared(a, b) == 0


def test_label_is_above_its_box_or_inside_it_at_the_top_edge() -> None:
    above, inside = place_labels([Label((50, 100, 150, 200), 60, 20), Label((250, 0, 390, 100), 60, 20)], FIELD)
    assert above == (50, 80, 110, 100)
    assert inside[1] in (0, 100)


def test_label_does_not_hide_a_small_box() -> None:
    small = (60.0, 85.0, 100.0, 98.0)  # in the place of the large box's label
    place, _ = place_labels([Label((50, 100, 350, 290), 60, 20), Label(small, 20, 10)], FIELD)
    assert shared(place, small) == 0


@given(st.text("ab ", max_size=60), st.integers(1, 30))
def test_wrapped_text_has_all_words_in_the_fewest_lines(text: str, width: int) -> None:
    lines = wrap(text, width, len)
    assert " ".join(lines) == " ".join(text.split())
    assert all(len(line) <= width or " " not in line for line in lines)
    greedy = 0
    room = 0
    for word in text.split():
        room -= len(word) + 1
        if room < 0:
            greedy, room = greedy + 1, width - len(word)
    assert len(lines) == greedy


def test_wrapped_lines_are_even() -> None:
    assert wrap("a man in a red shirt is here", 26, len) == ["a man in a red", "shirt is here"]
