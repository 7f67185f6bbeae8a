"""Chooses the caption that agrees most with all that a search has found (minimum Bayes risk, Kumar and Byrne 2004).

    a_i = sum_j w_j agreement(i, j),   w_j = exp(κ (s_j - max_k s_k))
    agreement(i, j) = sum_t min(c_it, c_jt) c_jt / (‖c_i‖ ‖c_j‖)

c_i counts the words t of caption i, and s_i is its log-probability / length ** length_norm. The agreement is the cosine
of two captions, clipped as in CIDEr-D (Vedantam et al. 2015), so that repeating a word does not help: with a plain
cosine, captions become longer and worse. The captions of a beam are similar, and a word that many of them contain is
right more often than one that the likeliest alone contains.
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
    distinct, word = np.unique(np.concatenate(sentences), return_inverse=True)
    owner = np.repeat(np.arange(len(sentences)), [len(words) for words in sentences])
    counts = np.zeros((len(sentences), len(distinct) + 1))
    np.add.at(counts, (owner, word), 1.0)
    counts[[not words for words in sentences], -1] = 1.0  # an empty sentence agrees with itself alone
    lengths = np.linalg.norm(counts, axis=1)
    weights = np.exp(KAPPA * (np.asarray(scores) - max(scores))) / lengths
    summed = [float((np.minimum(own, counts) * counts).sum(1) @ weights) for own in counts]
    agreements: NDArray[np.float64] = np.array(summed) / lengths
    return agreements
