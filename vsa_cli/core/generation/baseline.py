"""The baseline that any generator must beat: the caption of the most similar training image (paper, section 4.2).

Similarity is the cosine of the whole images' descriptors. Of the neighbour's sentences the one is taken that
agrees most with its others, by F1 of words and pairs of words; the first of equals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.corpus.corpus import Corpus, Sentence
from vsa_cli.core.errors import DataError
from vsa_cli.core.generation.results import Candidate
from vsa_cli.core.regions.store import RegionStore

_BLOCK = 4096  # remembered images compared at once


class NearestNeighbour:
    """Training images with their sentences, to be asked for the most similar one.

    Args:
        corpus: whose train split is remembered.
        store: its descriptors.
        nbest: sentences said of an image.
        others: the images asked about are the corpus's own, and none may be its own neighbour.

    Raises:
        DataError: no training image has a sentence.
        ArtifactError: the store lacks an image.
    """

    uses_regions = False

    def __init__(self, corpus: Corpus, store: RegionStore, nbest: int, *, others: bool) -> None:
        images = [image for image in corpus.split("train") if image.sentences]
        if len(images) < 1 + others:
            raise DataError("the corpus's train split has too few images with sentences to take captions from")
        self._nbest = nbest
        self._sentences = [image.sentences for image in images]
        self._own = {image.key: row for row, image in enumerate(images)} if others else {}
        self._descriptors = store.whole_images([image.key for image in images])

    def caption(self, descriptors: NDArray[np.float16], keys: Sequence[str]) -> list[tuple[Candidate, ...]]:
        """Sentences of the nearest image of each of B, those that agree most with the others first.

        Args:
            descriptors: (B, D) float16, of whole images.
            keys: who each is.
        """
        rows = self._nearest(_unit(descriptors), [self._own.get(key, -1) for key in keys])
        return [
            tuple(Candidate(text, None) for text in by_consensus(self._sentences[row])[: self._nbest]) for row in rows
        ]

    def _nearest(self, asked: NDArray[np.float32], own: Sequence[int]) -> list[int]:
        """The row of the most similar image of each of (B, D), itself left out; the first of equals."""
        best = np.full(len(asked), -np.inf, np.float32)
        place = np.zeros(len(asked), np.int64)
        for first in range(0, len(self._descriptors), _BLOCK):
            cosine = asked @ _unit(self._descriptors[first : first + _BLOCK]).T
            for query, row in enumerate(own):
                if first <= row < first + cosine.shape[1]:
                    cosine[query, row - first] = -np.inf
            nearest = cosine.argmax(1)
            found = cosine[np.arange(len(asked)), nearest]
            better = found > best
            best[better], place[better] = found[better], first + nearest[better]
        return [int(row) for row in place]


def by_consensus(sentences: Sequence[Sentence]) -> list[str]:
    """Sentences as written, those that agree most with the others first, equals in the order given."""
    grams = [_grams(sentence.tokens) for sentence in sentences]
    agreement = [sum(_f1(mine, other) for other in grams if other is not mine) for mine in grams]
    order = sorted(range(len(sentences)), key=lambda i: -agreement[i])
    return [" ".join(sentences[i].raw.split()) for i in order]


def _grams(tokens: Sequence[str]) -> Counter[tuple[str, ...]]:
    return Counter([*((word,) for word in tokens), *pairwise(tokens)])


def _f1(a: Counter[tuple[str, ...]], b: Counter[tuple[str, ...]]) -> float:
    return 2 * (a & b).total() / max(1, a.total() + b.total())


def _unit(rows: NDArray[np.float16]) -> NDArray[np.float32]:
    wide = rows.astype(np.float32)
    unit: NDArray[np.float32] = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    return unit
