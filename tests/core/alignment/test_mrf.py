"""The chain MRF against enumeration, and at the extremes of beta."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsa_cli.core.alignment.mrf import best_assignments, runs


def value(psi: np.ndarray, assignment: tuple[int, ...], beta: float) -> float:
    unary = sum(psi[j, a] for j, a in enumerate(assignment))
    return float(unary + beta * sum(a == b for a, b in itertools.pairwise(assignment)))


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10**6), words=st.integers(1, 5), regions=st.integers(1, 4), beta=st.sampled_from([0, 0.3, 2.0])
)
def test_best_assignment_equals_enumeration(seed: int, words: int, regions: int, beta: float) -> None:
    psi = np.random.default_rng(seed).normal(size=(1, words, regions))
    found = best_assignments(psi, np.array([words]), beta)[0]
    best = max(value(psi[0], a, beta) for a in itertools.product(range(regions), repeat=words))
    assert value(psi[0], tuple(found), beta) == pytest.approx(best)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.integers(0, 10**6))
def test_batch_of_sentences_equals_each_alone(lengths: list[int], seed: int) -> None:
    psi = np.random.default_rng(seed).normal(size=(len(lengths), max(lengths), 3))
    together = best_assignments(psi, np.array(lengths), 0.5)
    for row, length in enumerate(lengths):
        alone = best_assignments(psi[row : row + 1, :length], np.array([length]), 0.5)[0]
        assert together[row, :length].tolist() == alone.tolist()
        assert (together[row, length:] == -1).all()


def test_beta_zero_gives_each_word_its_best_region() -> None:
    psi = np.random.default_rng(0).normal(size=(4, 7, 5))
    assert np.array_equal(best_assignments(psi, np.full(4, 7), 0.0), psi.argmax(2))


def test_large_beta_gives_the_sentence_one_region() -> None:
    psi = np.random.default_rng(0).normal(size=(4, 7, 5))
    found = best_assignments(psi, np.full(4, 7), 1e6)
    assert np.array_equal(found, np.repeat(psi.sum(1).argmax(1)[:, None], 7, 1))


def test_runs_cover_the_sentence_in_order() -> None:
    assert runs(np.array([2, 2, 0, 0, 0, 2])) == [(2, 0, 2), (0, 2, 5), (2, 5, 6)]
    assert runs(np.array([1])) == [(1, 0, 1)]
