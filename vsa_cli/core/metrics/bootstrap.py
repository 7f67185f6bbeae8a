"""Bootstrap confidence intervals (Efron 1979): how much a score varies between samples of the same kind of images.

This module does not depend on the metric: a score is anything that can be computed from how often each unit (an image,
a query) was drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Measure = Callable[[Array], Mapping[str, Array]]
"""Maps weights (S, N), how often each of N units was drawn in S resamples, to scores (S,) by metric."""

SAMPLES = 1000
LEVEL = 0.95
_MAX_WEIGHTS = 4_000_000
"""Weights in memory at a time (32 MB), so that memory does not grow with the number of units."""


def draw_weights(strata: Sequence[int], samples: int, seed: int) -> Iterator[Array]:
    """Draw the weights (S, N) of resamples with replacement, in chunks whose S add up to `samples`.

    Args:
        strata: sizes of the groups of units, in the order of the columns; each group is resampled separately.
        samples: number of resamples.
        seed: random seed. Equal seeds draw equal weights, which makes the scores of two files comparable in pairs.
    """
    random = np.random.default_rng(seed)
    total = max(sum(strata), 1)
    chunk = max(1, min(samples, _MAX_WEIGHTS // total))
    for start in range(0, samples, chunk):
        count = min(chunk, samples - start)
        parts = [random.multinomial(size, np.full(size, 1 / size), size=count) for size in strata if size]
        yield np.concatenate(parts, axis=1).astype(np.float64)


def resample(measure: Measure, strata: Sequence[int], samples: int = SAMPLES, seed: int = 0) -> dict[str, Array]:
    """Scores (samples,) of all resamples, by metric."""
    chunks = [measure(weights) for weights in draw_weights(strata, samples, seed)]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def interval(name: str, values: Array, level: float = LEVEL) -> dict[str, float]:
    """The percentile interval that contains a share `level` of the values: `NAME_low` and `NAME_high`."""
    tail = 50 * (1 - level)
    low, high = np.percentile(values, [tail, 100 - tail])
    return {f"{name}_low": float(low), f"{name}_high": float(high)}


def two_sided_p(differences: Array) -> float:
    """Two-sided bootstrap p-value of a difference: twice the smaller share of values on one side of zero.

    One is added to each count, so that no p-value is smaller than the number of resamples can support.
    """
    count = len(differences)
    below, above = int(np.sum(differences <= 0)), int(np.sum(differences >= 0))
    return min(1.0, 2 * (min(below, above) + 1) / (count + 1))
