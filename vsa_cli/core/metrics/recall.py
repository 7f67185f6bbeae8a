"""Ranking metrics, computed from ranks and scores alone: recall at K, median rank and mean rank.

Ranks start at 1 and are pessimistic: a wrong answer with the same score as the right one ranks before it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.errors import DataError

Floats = NDArray[np.floating]
Ranks = NDArray[np.int64]

CUTOFFS = (1, 5, 10)


def best_ranks(scores: Floats, positives: NDArray[np.bool_] | NDArray[np.integer]) -> Ranks:
    """The rank of the best right answer of each query.

    Right answers do not compete with one another: the rank is one more than the number of wrong answers whose score is
    at least that of the best right one. This covers both directions: an image has several right sentences, a sentence
    has one right image. NaN counts as the lowest score.

    Args:
        scores: (Q, N), higher is better.
        positives: which answers are right: booleans (Q, N), or, if each query has one, its index (Q,).

    Returns:
        Ranks (Q,) from 1 to N.

    Raises:
        DataError: a query has no right answer, or the shapes do not match.
    """
    if scores.ndim != 2:
        raise DataError(f"scores have shape {scores.shape}, expected (queries, answers)")
    mask = _as_mask(positives, scores.shape)
    if not mask.any(axis=1).all():
        raise DataError(f"query {int(np.argmin(mask.any(axis=1)))} has no right answer")
    known = np.where(np.isnan(scores), -np.inf, scores)
    best = np.max(known, axis=1, initial=-np.inf, where=mask)  # (Q,)
    before: Ranks = np.sum((known >= best[:, None]) & ~mask, axis=1, dtype=np.int64)
    return before + 1


def _as_mask(positives: NDArray[np.bool_] | NDArray[np.integer], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    queries, answers = shape
    if positives.dtype == np.bool_:
        if positives.shape != shape:
            raise DataError(f"scores have shape {shape}, right answers {positives.shape}")
        return positives.astype(np.bool_, copy=False)
    if positives.shape != (queries,) or np.any(positives < 0) or np.any(positives >= answers):
        raise DataError(f"expected the index of a right answer for each of {queries} queries, from 0 to {answers - 1}")
    mask = np.zeros(shape, dtype=np.bool_)
    mask[np.arange(queries), positives] = True
    return mask


def rank_statistics(ranks: Ranks) -> dict[str, float]:
    """`R@1`, `R@5` and `R@10` in percent of the queries; the median (`medr`) and mean (`meanr`) of the ranks from 1.

    Raises:
        DataError: `ranks` is empty.
    """
    if not len(ranks):
        raise DataError("there are no ranks")
    found = {f"R@{cutoff}": 100 * float(np.mean(ranks <= cutoff)) for cutoff in CUTOFFS}
    return {**found, "medr": float(np.median(ranks)), "meanr": float(np.mean(ranks))}


def weighted_rank_statistics(ranks: Ranks, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """`rank_statistics` of S resamples, (S,) each; `weights` (S, Q) is how often each query was drawn."""
    total = weights.sum(axis=1)
    found = {f"R@{cutoff}": 100 * (weights @ (ranks <= cutoff)) / total for cutoff in CUTOFFS}
    order = np.argsort(ranks, kind="stable")
    reached = np.cumsum(weights[:, order], axis=1)  # (S, Q): queries drawn up to each rank
    middles = [np.argmax(reached >= wanted[:, None], axis=1) for wanted in (np.floor(total / 2 + 0.5), total // 2 + 1)]
    median = np.mean([ranks[order][middle] for middle in middles], axis=0)
    return {**found, "medr": median, "meanr": (weights @ ranks) / total}
