"""Scoring rankings: reads a rankings file and measures recall, median and mean rank.

After the envelope (`vsa-rankings`, its configuration naming the split) each line is a query::

    {"direction": "i2t" | "t2i", "query_id": int | str, "best_rank": int from 1, "top": [[id, score], ...]}

`best_rank` is that of the best right answer. Where the galleries were divided into folds (COCO's 1K protocol:
five of 1,000 images), each line also has `"fold": int`; measures are then taken per fold and averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.corpus.records import is_id
from vsa_cli.core.errors import ArtifactError, ConfigError, DataError
from vsa_cli.core.evaluation.inputs import Document
from vsa_cli.core.evaluation.results import Evaluation, Sample
from vsa_cli.core.metrics.recall import CUTOFFS, Ranks, rank_statistics, weighted_rank_statistics

DIRECTIONS = ("i2t", "t2i")
"""Sentences for an image, images for a sentence."""

Pool = tuple[str, int]
"""Direction and fold: queries that were ranked against the same answers."""
Weights = NDArray[np.float64]


def evaluate_rankings(document: Document, *, folds: int | None = None) -> Evaluation:
    """Measure rankings.

    Args:
        document: the rankings file.
        folds: how many folds it must have been ranked in.

    Raises:
        ArtifactError: a line is damaged.
        DataError: a direction or a fold has no queries.
        UsageError: the file was ranked in another number of folds.
    """
    pools = _read(document)
    found = sorted({fold for _, fold in pools})
    if folds is not None and len(found) != folds:
        inside = f"{len(found)} folds" if len(found) > 1 else "one pool"
        raise ConfigError(f"--folds {folds}: {document.where} was ranked in {inside}; folds are made when ranking")
    order = [(direction, fold) for direction in DIRECTIONS for fold in found]
    for direction, fold in order:
        if (direction, fold) not in pools:
            raise DataError(f"{document.where}: no {direction} queries{f' in fold {fold}' if len(found) > 1 else ''}")
    ranks = {pool: np.array([rank for _, rank in pools[pool]], dtype=np.int64) for pool in order}
    scores = _average({pool: rank_statistics(of) for pool, of in ranks.items()})
    counts = {direction: sum(len(of) for (way, _), of in ranks.items() if way == direction) for direction in DIRECTIONS}
    head: dict[str, Any] = {"split": document.split, "n_images": counts["i2t"], "n_sentences": counts["t2i"]}
    return Evaluation(
        mode="rankings",
        head=head | ({"folds": len(found)} if len(found) > 1 else {}),
        scores={name: float(value) for name, value in scores.items()},
        rows=[
            {"direction": way, "query_id": query, "best_rank": rank} | ({"fold": fold} if len(found) > 1 else {})
            for way, fold in order
            for query, rank in pools[way, fold]
        ],
        sample=Sample(
            tuple(f"{way} {fold} {query}" for way, fold in order for query, _ in pools[way, fold]),
            tuple(len(of) for of in ranks.values()),
            lambda weights: _resampled(ranks, weights),
        ),
    )


def _resampled(ranks: dict[Pool, Ranks], weights: Weights) -> dict[str, Weights]:
    edges = np.cumsum([len(of) for of in ranks.values()])[:-1]
    parts = np.split(weights, edges, axis=1)
    return _average(
        {pool: weighted_rank_statistics(of, part) for (pool, of), part in zip(ranks.items(), parts, strict=True)}
    )


def _average(by_pool: dict[Pool, dict[str, Any]]) -> dict[str, Any]:
    """Means over the folds, and the sum of the six recalls; of numbers or of arrays alike."""
    scores: dict[str, Any] = {}
    for direction in DIRECTIONS:
        found = [statistics for (way, _), statistics in by_pool.items() if way == direction]
        for name in found[0]:
            scores[f"{direction}_{name}"] = sum(statistics[name] for statistics in found) / len(found)
    recalls = [scores[f"{direction}_R@{cutoff}"] for direction in DIRECTIONS for cutoff in CUTOFFS]
    return {**scores, "rsum": sum(recalls)}


def _read(document: Document) -> dict[Pool, Sequence[tuple[int | str, int]]]:
    pools: dict[Pool, dict[int | str, int]] = {}
    for where, entry in document.entries():
        direction, query, rank, fold = (entry.get(name) for name in ("direction", "query_id", "best_rank", "fold"))
        fold = 0 if fold is None else fold
        if direction not in DIRECTIONS or not is_id(query) or type(fold) is not int:
            raise ArtifactError(f"{where}: damaged (direction, query_id or fold)")
        if type(rank) is not int or not 1 <= rank < 2**53:
            raise ArtifactError(f"{where}: damaged (best_rank)")
        pool = pools.setdefault((direction, fold), {})
        if query in pool:
            raise ArtifactError(f"{where}: query {query!r} stands twice")
        pool[query] = rank
    if not pools:
        raise DataError(f"{document.where}: has no queries")
    return {pool: list(queries.items()) for pool, queries in pools.items()}
