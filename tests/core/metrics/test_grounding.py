"""Grounding on hand-made boxes, and its rules for ties, unknown words and baselines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsa_cli.core.metrics.grounding import (
    COLUMNS,
    Phrase,
    choose_by_score,
    choose_by_votes,
    enclosing_box,
    holds_centre,
    judge,
    overlaps,
)

WHOLE, LEFT, RIGHT = [0.0, 0.0, 100.0, 100.0], [0.0, 0.0, 40.0, 100.0], [60.0, 0.0, 100.0, 80.0]
REGIONS = np.array([WHOLE, LEFT, RIGHT])


def verdict(scores: list[list[float]], choice: list[int], truth: list[float]) -> dict[str, float]:
    table = np.array(scores).reshape(-1, 3)
    right = judge(Phrase(np.array(truth), REGIONS, table, np.array(choice, dtype=np.int64)))
    return dict(zip(COLUMNS, right.tolist(), strict=True))


def test_words_and_the_mrf_may_disagree() -> None:
    found = verdict([[0, 9, 1], [0, 1, 2], [0, 1, 2]], [2, 2, 1], LEFT)
    assert (found["pointing"], found["iou@0.5"]) == (1, 1)
    assert (found["mrf_pointing"], found["mrf_iou@0.5"]) == (0, 0)


def test_baselines_and_the_ceiling() -> None:
    found = verdict([[1, 0, 0]], [0], LEFT)
    assert (found["whole_pointing"], found["whole_iou@0.5"]) == (0, 0)
    assert (found["largest_pointing"], found["largest_iou@0.5"]) == (1, 1)
    assert found["random_pointing"] == pytest.approx(1 / 3)
    assert (found["ceiling_pointing"], found["ceiling_iou@0.5"]) == (1, 1)


def test_an_image_without_proposals_has_only_itself() -> None:
    phrase = Phrase(np.array(WHOLE), REGIONS[:1], np.ones((1, 1)), np.zeros(1, dtype=np.int64))
    assert judge(phrase).tolist() == [1.0] * len(COLUMNS)


def test_a_phrase_without_a_known_word_is_wrong_but_has_baselines() -> None:
    found = verdict([], [], WHOLE)
    assert [found[name] for name in ("pointing", "iou@0.5", "mrf_pointing", "mrf_iou@0.5")] == [0, 0, 0, 0]
    assert found["whole_pointing"] == found["whole_iou@0.5"] == 1


def test_ties_go_to_the_score_and_then_to_the_lower_index() -> None:
    assert choose_by_score(np.array([[1.0, 2.0, 2.0]])) == 1
    two = np.array([[0.0, 1.0, 3.0], [0.0, 1.0, 0.0]])
    assert choose_by_votes(two, np.array([1, 2])) == 2
    assert choose_by_votes(np.ones((2, 3)), np.array([2, 1])) == 1
    assert choose_by_votes(two, np.array([1, 1])) == 1


def test_several_true_boxes_count_as_their_rectangle() -> None:
    assert enclosing_box(np.array([[5.0, 1, 6, 2], [0, 4, 1, 9]])).tolist() == [0, 1, 6, 9]


def test_iou_by_hand() -> None:
    found = overlaps(np.array([0.0, 0, 2, 2]), np.array([[0.0, 0, 2, 2], [1, 0, 3, 2], [2, 0, 3, 2], [0, 0, 0, 0]]))
    assert found.tolist() == pytest.approx([1, 1 / 3, 0, 0])


def test_the_centre_may_lie_on_the_edge() -> None:
    assert holds_centre(np.array([0.0, 0, 2, 2]), np.array([[1.0, 1, 3, 3], [2, 2, 3, 3]])).tolist() == [True, False]


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 4), min_size=2, max_size=6))
def test_iou_is_symmetric_and_bounded(corners: list[tuple[int, int, int, int]]) -> None:
    boxes = np.array([[min(a, c), min(b, d), max(a, c), max(b, d)] for a, b, c, d in corners], dtype=np.float64)
    table = np.stack([overlaps(box, boxes) for box in boxes])
    assert np.allclose(table, table.T)
    assert table.min() >= 0
    assert table.max() <= 1
