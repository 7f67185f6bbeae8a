"""Consensus: of the likeliest captions of an image, the one that agrees most with the others (minimum Bayes risk).

    s(c)    = log P(c) / (|c| + 1)^a                               the score of beam search
    p(c)    = exp s(c) / sum_c' exp s(c')
    r(c)    = s(c) + w sum_c' p(c') agreement(c, c')               the caption of highest r is chosen

A search returns the single likeliest sentence, whose details may be shared by no other likely sentence. What most of
them have in common is more often right (Kumar & Byrne 2004, for translation; Devlin et al. 2015, for captions).

Agreement is CIDEr-D's similarity of a caption and one reference (Vedantam et al. 2015), from 0 to 1: the mean, over n
from 1 to 4, of the cosine of the two vectors of n-grams, with counts clipped to the reference's, times a Gaussian of
the difference in length. CIDEr weights an n-gram by the logarithm of its inverse document frequency, which a model does
not have. Here the weight is the mean of -log P(word) over the words of the n-gram, P the word's share of the training
text.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.generation.beam_search import Hypothesis

_ORDERS = 4  # n-grams of up to this many words
_SIGMA = 6.0  # words

_Vector = tuple[dict[tuple[int, ...], float], float]  # weighted counts of n-grams, and their Euclidean length


class Consensus:
    """Chooses among the hypotheses of an image.

    Args:
        counts: how often each word of the vocabulary occurs in the training text; word i has the id i + 1.
        weight: w.
        length_norm: a.
    """

    def __init__(self, counts: Sequence[int], weight: float, length_norm: float) -> None:
        total = sum(counts) + len(counts)
        self._nats = [0.0, *(-math.log((count + 1) / total) for count in counts)]
        self._rare = max(self._nats)
        self._weight, self._length_norm = weight, length_norm

    def order(self, hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
        """The hypotheses of one image, the highest r first; ties keep their order."""
        if len(hypotheses) < 3:  # two agree with each other equally
            return list(hypotheses)
        score = np.array([one.logprob / (len(one.words) + 1) ** self._length_norm for one in hypotheses])
        probability = np.exp(score - score.max())
        rank = score + self._weight * (self.agreement(hypotheses) @ (probability / probability.sum()))
        return [hypotheses[number] for number in np.argsort(-rank, kind="stable")]

    def agreement(self, hypotheses: Sequence[Hypothesis]) -> NDArray[np.float64]:
        """(K, K) agreement of each hypothesis with each, taken as its reference."""
        vectors = [[self._vector(one.words, n) for n in range(1, _ORDERS + 1)] for one in hypotheses]
        lengths = np.array([len(one.words) for one in hypotheses], np.float64)
        similarity = np.array([[sum(map(_cosine, own, other)) / _ORDERS for other in vectors] for own in vectors])
        return similarity * np.exp(-np.square(lengths[:, None] - lengths) / (2 * _SIGMA**2))

    def _vector(self, words: Sequence[int], n: int) -> _Vector:
        counts = Counter(tuple(words[start : start + n]) for start in range(len(words) - n + 1))
        weighted = {ngram: count * self._weight_of(ngram) for ngram, count in counts.items()}
        return weighted, math.sqrt(sum(value * value for value in weighted.values()))

    def _weight_of(self, ngram: Sequence[int]) -> float:
        nats = (self._nats[word] if word < len(self._nats) else self._rare for word in ngram)
        return sum(nats) / len(ngram)


def _cosine(own: _Vector, reference: _Vector) -> float:
    (counts, length), (of_reference, its_length) = own, reference
    if not length or not its_length:
        return 0.0
    shared = counts.keys() & of_reference.keys()
    return sum(min(counts[one], of_reference[one]) * of_reference[one] for one in shared) / (length * its_length)
