"""Evaluation of a rankings file: recall, median rank and mean rank.

After the envelope (`vsa-rankings`, the metadata line, whose configuration names the split), each line is a query::

    {"direction": "i2t" | "t2i", "query_id": int | str, "best_rank": int from 1, "top": [[id, score], ...]}

`best_rank` is the rank of the best right answer. If the images were divided into folds (COCO's 1K protocol: five folds
of 1,000 images), each line also has `"fold": int`; metrics are then computed per fold and averaged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.corpus.records import is_id
from vsa_cli.core.errors import ArtifactError, ConfigError, DataError
from vsa_cli.core.evaluation.inputs import Input
from vsa_cli.core.evaluation.results import Evaluation, Sample
from vsa_cli.core.metrics.recall import CUTOFFS, Ranks, rank_statistics, weighted_rank_statistics

DIRECTIONS = ("i2t", "t2i")
"""Ranking sentences for an image (i2t) and images for a sentence (t2i)."""

Pool = tuple[str, int]
"""Direction and fold: a set of queries that were ranked against the same answers."""
Weights = NDArray[np.float64]


def evaluate_rankings(source: Input, *, folds: int | None = None) -> Evaluation:
    """Compute the metrics of rankings.

    Args:
        source: the rankings file.
        folds: the number of folds that the file must have.

    Raises:
        ArtifactError: a line is damaged.
        DataError: a direction or a fold has no queries.
        ConfigError: the file has another number of folds.
    """
    queries = _read(source)
    fold_numbers = sorted({fold for _, fold in queries})
    has_folds = len(fold_numbers) > 1
    if folds is not None and len(fold_numbers) != folds:
        actual = f"in {len(fold_numbers)} folds" if has_folds else "without folds"
        raise ConfigError(f"`folds` {folds}: {source.where} was ranked {actual}; rank it again to change that")
    pools = [(direction, fold) for direction in DIRECTIONS for fold in fold_numbers]
    for direction, fold in pools:
        if (direction, fold) not in queries:
            raise DataError(f"{source.where}: no {direction} queries{f' in fold {fold}' if has_folds else ''}")
    ranks = {pool: np.array(list(queries[pool].values()), dtype=np.int64) for pool in pools}
    scores = _average({pool: rank_statistics(values) for pool, values in ranks.items()})
    counts = {name: sum(len(queries[pool]) for pool in pools if pool[0] == name) for name in DIRECTIONS}
    head: dict[str, Any] = {"split": source.split, "n_images": counts["i2t"], "n_sentences": counts["t2i"]}
    return Evaluation(
        mode="rankings",
        head=head | ({"folds": len(fold_numbers)} if has_folds else {}),
        scores={name: float(value) for name, value in scores.items()},
        rows=[
            {"direction": direction, "query_id": query, "best_rank": rank} | ({"fold": fold} if has_folds else {})
            for direction, fold in pools
            for query, rank in queries[direction, fold].items()
        ],
        sample=Sample(
            tuple(f"{direction} {fold} {query}" for direction, fold in pools for query in queries[direction, fold]),
            tuple(len(values) for values in ranks.values()),
            lambda weights: _weighted_scores(ranks, weights),
        ),
    )


def _weighted_scores(ranks: dict[Pool, Ranks], weights: Weights) -> dict[str, Weights]:
    edges = np.cumsum([len(values) for values in ranks.values()])[:-1]
    parts = np.split(weights, edges, axis=1)
    return _average(
        {pool: weighted_rank_statistics(ranks[pool], part) for pool, part in zip(ranks, parts, strict=True)}
    )


def _average(by_pool: dict[Pool, dict[str, Any]]) -> dict[str, Any]:
    """The means over the folds, and `rsum`, the sum of the six recalls; for numbers and for arrays."""
    scores: dict[str, Any] = {}
    for direction in DIRECTIONS:
        folds = [statistics for pool, statistics in by_pool.items() if pool[0] == direction]
        for name in folds[0]:
            scores[f"{direction}_{name}"] = sum(statistics[name] for statistics in folds) / len(folds)
    recalls = [scores[f"{direction}_R@{cutoff}"] for direction in DIRECTIONS for cutoff in CUTOFFS]
    return {**scores, "rsum": sum(recalls)}


def _read(source: Input) -> dict[Pool, dict[int | str, int]]:
    """The best rank of each query, by pool."""
    pools: dict[Pool, dict[int | str, int]] = {}
    for where, record in source.records():
        direction, query, rank, fold = (record.get(name) for name in ("direction", "query_id", "best_rank", "fold"))
        fold = 0 if fold is None else fold
        if direction not in DIRECTIONS or not is_id(query) or type(fold) is not int:
            raise ArtifactError(f"{where}: damaged (direction, query_id or fold)")
        if type(rank) is not int or not 1 <= rank < 2**53:
            raise ArtifactError(f"{where}: damaged (best_rank)")
        pool = pools.setdefault((direction, fold), {})
        if query in pool:
            raise ArtifactError(f"{where}: duplicate query {query!r}")
        pool[query] = rank
    if not pools:
        raise DataError(f"{source.where}: contains no queries")
    return pools
