"""The chain MRF over a sentence's words (paper, section 3.1.4): regions from scores.

This module does not depend on the kind of model.

Sign convention: the assignment a is chosen to MAXIMISE

    sum_j psi(j, a_j) + beta * sum_j [a_j = a_{j+1}]

(the paper minimises the negative of this, its energy). beta = 0 takes each word's best region; as beta grows, the
sentence is cut into fewer and longer pieces, and finally into one.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


def best_assignments(psi: NDArray[np.floating], lengths: NDArray[np.int64], beta: float) -> NDArray[np.int64]:
    """The best assignment of every sentence, exactly, by dynamic programming in O(words * regions).

    A change of region costs the same from every region, so the best predecessor of a region is either itself, which
    earns beta, or the best of all regions. On ties, staying is preferred, then the lower index.

    Args:
        psi: (L, T, R) the score of region r for word t of sentence l; values beyond a sentence's length are ignored.
        lengths: (L,) the number of words of each sentence, from 1 to T.
        beta: the reward for staying, 0 or more.

    Returns:
        (L, T) regions; -1 beyond the end of a sentence.
    """
    sentences, steps, regions = psi.shape
    rows = np.arange(sentences)
    value = psi[:, 0].astype(np.float64)
    came_from = np.zeros((sentences, steps, regions), np.int64)
    stay = np.arange(regions)
    for t in range(1, steps):
        leader = value.argmax(1)
        leap = value[rows, leader]
        stays = value + beta >= leap[:, None]
        came_from[:, t] = np.where(stays, stay, leader[:, None])
        advanced = np.maximum(value + beta, leap[:, None]) + psi[:, t]
        value = np.where((t < lengths)[:, None], advanced, value)
    assignment = np.full((sentences, steps), -1, np.int64)
    region = value.argmax(1)
    for t in range(steps - 1, -1, -1):
        inside = t < lengths
        assignment[inside, t] = region[inside]
        region = np.where(inside, came_from[rows, t, region], region)
    return assignment


def runs(assignment: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Runs of words with one region: (region, start, end), end exclusive, of one sentence's assignment (T,)."""
    cuts = [0, *(np.flatnonzero(np.diff(assignment)) + 1).tolist(), len(assignment)]
    return [(int(assignment[start]), start, end) for start, end in pairwise(cuts) if end > start]
