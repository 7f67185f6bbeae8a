"""Ranking measures: recall at K, median and mean rank. Pure numpy; knows neither images nor sentences.

A rank counts from 1 and is pessimistic: what scores as much as the right answer stands before it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.errors import DataError

Floats = NDArray[np.floating]
Ranks = NDArray[np.int64]

CUTOFFS = (1, 5, 10)


def best_ranks(scores: Floats, positives: NDArray[np.bool_] | NDArray[np.integer]) -> Ranks:
    """The rank of each query's best-placed right answer.

    Right answers do not push one another down: the rank is one more than the number of wrong answers that score
    at least as much as the best right one. So an image with any number of sentences is ranked by its best, and a
    sentence, which has one image, is the case of one right answer. A score that is not a number counts as the
    lowest.

    Args:
        scores: (Q, N), higher is better.
        positives: which answers are right: booleans (Q, N), or for one right answer each its index (Q,).

    Returns:
        Ranks (Q,) from 1 to N.

    Raises:
        DataError: a query has no right answer, or the shapes do not fit.
    """
    if scores.ndim != 2:
        raise DataError(f"scores must be (queries, answers); they are {scores.shape}")
    mask = _as_mask(positives, scores.shape)
    if not mask.any(axis=1).all():
        raise DataError(f"query {int(np.argmin(mask.any(axis=1)))} has no right answer to rank")
    known = np.where(np.isnan(scores), -np.inf, scores)
    best = np.max(known, axis=1, initial=-np.inf, where=mask)  # (Q,)
    before: Ranks = np.sum((known >= best[:, None]) & ~mask, axis=1, dtype=np.int64)
    return before + 1


def _as_mask(positives: NDArray[np.bool_] | NDArray[np.integer], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    queries, answers = shape
    if positives.dtype == np.bool_:
        if positives.shape != shape:
            raise DataError(f"scores are {shape}, the right answers {positives.shape}")
        return positives.astype(np.bool_, copy=False)
    if positives.shape != (queries,) or np.any(positives < 0) or np.any(positives >= answers):
        raise DataError(f"each of {queries} queries needs the index of its right answer, from 0 to {answers - 1}")
    mask = np.zeros(shape, dtype=np.bool_)
    mask[np.arange(queries), positives] = True
    return mask


def rank_statistics(ranks: Ranks) -> dict[str, float]:
    """`R@1`, `R@5`, `R@10` in percent of the queries, `medr` and `meanr` from 1.

    Raises:
        DataError: there are no ranks.
    """
    if not len(ranks):
        raise DataError("no query was ranked")
    found = {f"R@{cutoff}": 100 * float(np.mean(ranks <= cutoff)) for cutoff in CUTOFFS}
    return {**found, "medr": float(np.median(ranks)), "meanr": float(np.mean(ranks))}


def weighted_rank_statistics(ranks: Ranks, weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """`rank_statistics` of S resamplings, (S,) each; `weights` (S, Q) says how often each query was drawn."""
    total = weights.sum(axis=1)
    found = {f"R@{cutoff}": 100 * (weights @ (ranks <= cutoff)) / total for cutoff in CUTOFFS}
    order = np.argsort(ranks, kind="stable")
    reached = np.cumsum(weights[:, order], axis=1)  # (S, Q): queries drawn up to each rank
    middles = [np.argmax(reached >= wanted[:, None], axis=1) for wanted in (np.floor(total / 2 + 0.5), total // 2 + 1)]
    median = np.mean([ranks[order][middle] for middle in middles], axis=0)
    return {**found, "medr": median, "meanr": (weights @ ranks) / total}
