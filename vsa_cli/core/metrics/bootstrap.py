"""Confidence by resampling (Efron 1979): how far a score would move with other images of the same kind.

Knows no metric: a score is anything that can be computed from how often each unit (an image, a query) was drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Measure = Callable[[Array], Mapping[str, Array]]
"""From weights (S, N), how often each of N units was drawn in S resamplings, to scores by metric (S,)."""

SAMPLES = 1000
LEVEL = 0.95
_CELLS = 4_000_000
"""Weights held at a time (32 MB), so that memory does not grow with the number of units."""


def draw(strata: Sequence[int], samples: int, seed: int) -> Iterator[Array]:
    """Weights (S, N) of resamplings with replacement, in chunks whose S add up to `samples`.

    Args:
        strata: sizes of groups that are resampled each for itself; they follow one another in N.
        samples: how many resamplings.
        seed: the same seed draws the same, which is what makes two files' scores comparable pair by pair.
    """
    random = np.random.default_rng(seed)
    total = max(sum(strata), 1)
    chunk = max(1, min(samples, _CELLS // total))
    for start in range(0, samples, chunk):
        count = min(chunk, samples - start)
        parts = [random.multinomial(size, np.full(size, 1 / size), size=count) for size in strata if size]
        yield np.concatenate(parts, axis=1).astype(np.float64)


def resample(measure: Measure, strata: Sequence[int], samples: int = SAMPLES, seed: int = 0) -> dict[str, Array]:
    """Scores of `samples` resamplings, by metric (samples,)."""
    chunks = [measure(weights) for weights in draw(strata, samples, seed)]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def interval(name: str, values: Array, level: float = LEVEL) -> dict[str, float]:
    """The percentile interval that holds `level` of the values: `NAME_low` and `NAME_high`."""
    tail = 50 * (1 - level)
    low, high = np.percentile(values, [tail, 100 - tail])
    return {f"{name}_low": float(low), f"{name}_high": float(high)}


def opposed(differences: Array) -> float:
    """The two-sided bootstrap p-value of a difference: twice the smaller share on the other side of zero.

    One is added to each count, so that no p-value claims more than the number of resamplings can show.
    """
    count = len(differences)
    below, above = int(np.sum(differences <= 0)), int(np.sum(differences >= 0))
    return min(1.0, 2 * (min(below, above) + 1) / (count + 1))
