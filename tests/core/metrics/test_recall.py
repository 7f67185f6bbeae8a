"""Ranks and recall against a loop, with ties and with any number of right answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vsa_cli.core.errors import DataError
from vsa_cli.core.metrics.recall import best_ranks, rank_statistics, weighted_rank_statistics


def slow_ranks(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> list[int]:
    """Sort the answers of each query, wrong before right on ties, and find the first right one."""
    ranks = []
    for row, mask in zip(scores.tolist(), right.tolist(), strict=True):
        order = sorted(range(len(row)), key=lambda answer: (-row[answer], mask[answer]))
        wrong_before = 0
        for answer in order:
            if mask[answer]:
                break
            wrong_before += 1
        ranks.append(wrong_before + 1)
    return ranks


@given(st.integers(1, 6), st.integers(1, 8), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_ranks_equal_ranks_by_sorting(queries: int, answers: int, levels: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(0, levels, (queries, answers)).astype(np.float64)
    right = random.random((queries, answers)) < 0.4
    right[np.arange(queries), random.integers(0, answers, queries)] = True
    assert best_ranks(scores, right).tolist() == slow_ranks(scores, right)


def test_positives_may_be_indices() -> None:
    scores = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    assert best_ranks(scores, np.array([0, 2])).tolist() == [1, 3]


def test_ties_rank_the_right_answer_last() -> None:
    assert best_ranks(np.zeros((1, 5)), np.array([0])).tolist() == [5]


def test_right_answers_do_not_compete() -> None:
    scores = np.array([[5.0, 5.0, 5.0, 1.0]])
    assert best_ranks(scores, np.array([[True, True, True, False]])).tolist() == [1]


def test_nan_ranks_last() -> None:
    scores = np.array([[np.nan, 1.0, 2.0], [-np.inf, 1.0, np.nan]])
    assert best_ranks(scores, np.array([0, 0])).tolist() == [3, 3]


@pytest.mark.parametrize(
    ("scores", "right"),
    [
        (np.zeros((2, 3)), np.zeros((2, 3), dtype=bool)),
        (np.zeros((2, 3)), np.zeros((3, 2), dtype=bool)),
        (np.zeros((2, 3)), np.array([0, 3])),
        (np.zeros((2, 3)), np.array([-1, 0])),
        (np.zeros((2, 3)), np.array([0])),
        (np.zeros(3), np.array([0])),
    ],
)
def test_mismatched_shapes_are_rejected(scores: NDArray[np.float64], right: NDArray[np.int64]) -> None:
    with pytest.raises(DataError):
        best_ranks(scores, right)


def test_statistics_of_known_ranks() -> None:
    found = rank_statistics(np.array([1, 2, 5, 6, 10, 11, 100, 1]))
    assert found == {"R@1": 25.0, "R@5": 50.0, "R@10": 75.0, "medr": 5.5, "meanr": 17.0}
    with pytest.raises(DataError):
        rank_statistics(np.array([], dtype=np.int64))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=9), st.integers(0, 2**32 - 1))
def test_weighted_statistics_equal_repeated_ranks(ranks: list[int], seed: int) -> None:
    values = np.array(ranks)
    weights = np.random.default_rng(seed).multinomial(len(ranks), [1 / len(ranks)] * len(ranks), size=3)
    found = weighted_rank_statistics(values, weights.astype(np.float64))
    for sample, counts in enumerate(weights):
        for name, value in rank_statistics(np.repeat(values, counts)).items():
            assert found[name][sample] == pytest.approx(value)
