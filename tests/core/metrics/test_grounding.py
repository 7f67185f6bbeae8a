"""Grounding accuracy on hand-made boxes: predictors, ties, unknown words and baselines."""

from __future__ import annotations

import numpy as np
import pytest

from vsa_cli.core.metrics.grounding import (
    COLUMNS,
    Phrase,
    choose_by_score,
    choose_by_votes,
    contains_centres,
    enclosing_box,
    grounding_accuracy,
)

WHOLE, LEFT, RIGHT = [0.0, 0.0, 100.0, 100.0], [0.0, 0.0, 40.0, 100.0], [60.0, 0.0, 100.0, 80.0]
REGIONS = np.array([WHOLE, LEFT, RIGHT])


def accuracy(scores: list[list[float]], choice: list[int], truth: list[float]) -> dict[str, float]:
    table = np.array(scores).reshape(-1, 3)
    right = grounding_accuracy(Phrase(np.array(truth), REGIONS, table, np.array(choice, dtype=np.int64)))
    return dict(zip(COLUMNS, right.tolist(), strict=True))


def test_word_scores_and_mrf_votes_are_separate_predictors() -> None:
    found = accuracy([[0, 9, 1], [0, 1, 2], [0, 1, 2]], [2, 2, 1], LEFT)
    assert (found["pointing"], found["iou@0.5"]) == (1, 1)
    assert (found["mrf_pointing"], found["mrf_iou@0.5"]) == (0, 0)


def test_baselines_and_upper_bound() -> None:
    found = accuracy([[1, 0, 0]], [0], LEFT)
    assert (found["whole_pointing"], found["whole_iou@0.5"]) == (0, 0)
    assert (found["largest_pointing"], found["largest_iou@0.5"]) == (1, 1)
    assert found["random_pointing"] == pytest.approx(1 / 3)
    assert (found["ceiling_pointing"], found["ceiling_iou@0.5"]) == (1, 1)


def test_image_with_only_the_whole_image_as_region() -> None:
    phrase = Phrase(np.array(WHOLE), REGIONS[:1], np.ones((1, 1)), np.zeros(1, dtype=np.int64))
    assert grounding_accuracy(phrase).tolist() == [1.0] * len(COLUMNS)


def test_phrase_with_no_known_word_is_wrong_but_has_baselines() -> None:
    found = accuracy([], [], WHOLE)
    assert [found[name] for name in ("pointing", "iou@0.5", "mrf_pointing", "mrf_iou@0.5")] == [0, 0, 0, 0]
    assert found["whole_pointing"] == found["whole_iou@0.5"] == 1


def test_vote_ties_go_to_the_score_then_to_the_lower_index() -> None:
    assert choose_by_score(np.array([[1.0, 2.0, 2.0]])) == 1
    two = np.array([[0.0, 1.0, 3.0], [0.0, 1.0, 0.0]])
    assert choose_by_votes(two, np.array([1, 2])) == 2
    assert choose_by_votes(np.ones((2, 3)), np.array([2, 1])) == 1
    assert choose_by_votes(two, np.array([1, 1])) == 1


def test_enclosing_box_of_several_ground_truth_boxes() -> None:
    assert enclosing_box(np.array([[5.0, 1, 6, 2], [0, 4, 1, 9]])).tolist() == [0, 1, 6, 9]


def test_centre_on_the_edge_counts_as_inside() -> None:
    assert contains_centres(np.array([0.0, 0, 2, 2]), np.array([[1.0, 1, 3, 3], [2, 2, 3, 3]])).tolist() == [
        True,
        False,
    ]
