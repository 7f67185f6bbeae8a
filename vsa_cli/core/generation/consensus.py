"""Chooses the caption that agrees most with all that a search has found (minimum Bayes risk, Kumar and Byrne 2004).

    a_i = sum_j w_j cos(c_i, c_j),   w_j = exp(κ (s_j - max_k s_k))

c_i counts the words of caption i, and s_i is its log-probability / length ** length_norm. The captions of a beam are
similar, and a word that many of them contain is right more often than one that the likeliest alone contains.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

KAPPA = 4.0
"""κ, selected on tune. At 0 all captions count alike; the larger it is, the nearer is the choice to the best score."""

_DIGITS = 9  # below this, differences are rounding: the better score decides


def most_agreeing(sentences: Sequence[Sequence[int]], scores: Sequence[float]) -> int:
    """The index of the sentence with the largest a_i; of equal ones, the first.

    Args:
        sentences: the word ids of one or more sentences; a sentence may be empty.
        scores: their scores s_i, in nats.
    """
    return int(agreement(sentences, scores).round(_DIGITS).argmax())


def agreement(sentences: Sequence[Sequence[int]], scores: Sequence[float]) -> NDArray[np.float64]:
    """(N,) a_i of N sentences; the arguments are those of `most_agreeing`."""
    _, word = np.unique(np.concatenate(sentences), return_inverse=True)
    owner = np.repeat(np.arange(len(sentences)), [len(words) for words in sentences])
    counts = np.zeros((len(sentences), len(word) + 1))
    np.add.at(counts, (owner, word), 1.0)
    counts[[not words for words in sentences], -1] = 1.0  # an empty sentence agrees with itself alone
    directions = counts / np.linalg.norm(counts, axis=1, keepdims=True)
    weights = np.exp(KAPPA * (np.asarray(scores) - max(scores)))
    summed: NDArray[np.float64] = directions @ (directions.T @ weights)
    return summed
