"""Nearest-neighbour baseline: the caption of the most similar training image (paper, section 4.2).

Similarity is the cosine of the whole images' descriptors. Of the neighbour's sentences, the one with the highest mean
F1 (of words and word pairs) against the others is taken; on a tie, the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vsa_cli.core.corpus.corpus import Corpus, Sentence
from vsa_cli.core.device import Runtime
from vsa_cli.core.errors import DataError
from vsa_cli.core.generation.captioner import caption_photos, caption_split
from vsa_cli.core.generation.results import Candidate, CaptionResult
from vsa_cli.core.io.sources import FailedPhoto, Photo
from vsa_cli.core.regions.encoder import photo_encoder
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.tail import stored_tail

_BLOCK = 4096  # training images compared per step


def caption_by_neighbours(
    corpus: Corpus,
    store: RegionStore,
    photos: Iterable[Photo | FailedPhoto] | None,
    split: str,
    *,
    nbest: int,
    batch_size: int,
    device: torch.device,
    workers: int,
    cnn_weights: Path | None = None,
    runtime: Runtime = "torch",
) -> Iterator[CaptionResult]:
    """Caption photographs, or a split of the corpus, with sentences of the most similar training images.

    Args:
        corpus: the corpus whose train split has the sentences.
        store: the regions of its images.
        photos: the photographs; None captions the split instead.
        split: the corpus split to caption if there are no photographs.
        nbest: sentences for each photograph.
        batch_size: photographs captioned together.
        device: where the CNN runs.
        workers: photographs encoded at the same time.
        cnn_weights: the CNN's weight file, if it is not the one installed with its package.
        runtime: what computes the CNN.

    Raises:
        DataError: no training image has a sentence.
        MissingError: the CNN's weights are not installed.
        ArtifactError: the store lacks an image, or was made with other weights of the CNN.
    """
    neighbours = NearestNeighbour(corpus, store, nbest, exclude_self=photos is None)
    if photos is None:
        return caption_split(neighbours, corpus, store, split, batch_size=batch_size)
    spec = FeatureSpec.of(store.envelope, str(store.path))
    tail = stored_tail(store) if spec.tail_sha256 else None
    encoder = photo_encoder(
        spec, device=device, workers=workers, weights=cnn_weights, whole_only=True, tail=tail, runtime=runtime
    )
    return caption_photos(neighbours, encoder, photos, batch_size=batch_size)


class NearestNeighbour:
    """The training images of a corpus and their sentences, as a caption model that copies sentences.

    Args:
        corpus: the corpus; its train split is searched.
        store: the regions of its images.
        nbest: sentences for each image.
        exclude_self: whether the queries are images of the corpus, so that an image must not be its own neighbour.

    Raises:
        DataError: no training image has a sentence.
        ArtifactError: the store lacks an image.
    """

    uses_regions = False

    def __init__(self, corpus: Corpus, store: RegionStore, nbest: int, *, exclude_self: bool) -> None:
        images = [image for image in corpus.split("train") if image.sentences]
        if len(images) < 1 + exclude_self:
            raise DataError("the corpus's train split has too few images with sentences to take captions from")
        self._nbest = nbest
        self._sentences = [image.sentences for image in images]
        self._own = {image.key: row for row, image in enumerate(images)} if exclude_self else {}
        self._descriptors = store.whole_images([image.key for image in images])

    def caption(
        self, images: Sequence[ImageRegions], keys: Sequence[str], style: str | None = None
    ) -> list[tuple[Candidate, ...]]:
        """For each of B images, sentences of the nearest training image; those that agree most with the others first.

        Args:
            images: the images; only their region 0 is used.
            keys: the identifier of each image.
            style: ignored.
        """
        descriptors = np.stack([image.descriptors[0] for image in images])
        rows = self._nearest(_unit(descriptors), [self._own.get(key, -1) for key in keys])
        return [
            tuple(Candidate(text, None) for text in by_consensus(self._sentences[row])[: self._nbest]) for row in rows
        ]

    def _nearest(self, queries: NDArray[np.float32], own: Sequence[int]) -> list[int]:
        """The row of the training image most similar to each of (B, D), except itself; on a tie, the first."""
        best = np.full(len(queries), -np.inf, np.float32)
        place = np.zeros(len(queries), np.int64)
        for first in range(0, len(self._descriptors), _BLOCK):
            cosine = queries @ _unit(self._descriptors[first : first + _BLOCK]).T
            for query, row in enumerate(own):
                if first <= row < first + cosine.shape[1]:
                    cosine[query, row - first] = -np.inf
            nearest = cosine.argmax(1)
            found = cosine[np.arange(len(queries)), nearest]
            better = found > best
            best[better], place[better] = found[better], first + nearest[better]
        return [int(row) for row in place]


def by_consensus(sentences: Sequence[Sentence]) -> list[str]:
    """Sentences as written, those that agree most with the others first; ties keep their order."""
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
