"""Aligns every sentence of a split with the regions of its image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vsa_cli.core.alignment.mrf import best_assignments
from vsa_cli.core.corpus.corpus import Corpus, Image, Sentence
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.embedding.artifact import TrainedEmbedding
from vsa_cli.core.embedding.sentences import pack
from vsa_cli.core.regions.store import ImageRegions, RegionStore

_IMAGES = 16  # aligned at once


@dataclass(frozen=True)
class Alignment:
    """A sentence and the regions of its image.

    Attributes:
        image: of the corpus.
        sentence: of the corpus.
        regions: of the image; R of them.
        positions: K indices into the sentence's tokens, of the words that the model knows.
        scores: (K, R) v_i . s_t.
        choice: (K,) the MRF's region of each known word.
        magnitude: (K,) ||s_t|| before any normalisation.
    """

    image: Image
    sentence: Sentence
    regions: ImageRegions
    positions: tuple[int, ...]
    scores: NDArray[np.float32]
    choice: NDArray[np.int64]
    magnitude: NDArray[np.float32]


def align_corpus(
    trained: TrainedEmbedding, corpus: Corpus, regions: RegionStore, split: str, beta: float
) -> Iterator[Alignment]:
    """Align every sentence of a split that has a known word, in the corpus's order.

    Raises:
        ArtifactError: the regions were described otherwise than the model's, or lack an image.
    """
    trained.recipe.require_from(regions.envelope, str(regions.path))
    images = corpus.split(split)
    for start in range(0, len(images), _IMAGES):
        yield from _align_images(trained, images[start : start + _IMAGES], regions, beta)


@torch.inference_mode()
def _align_images(
    trained: TrainedEmbedding, images: list[Image], store: RegionStore, beta: float
) -> Iterator[Alignment]:
    jobs = [
        (row, sentence, known)
        for row, image in enumerate(images)
        for sentence in image.sentences
        if (known := known_words(sentence, trained.vocabulary))[0]
    ]
    if not jobs:
        return
    device = trained.model.W_m.weight.device
    found = [store[image.key] for image in images]
    packed = pack([words for _, _, (words, _) in jobs]).to(device)
    encoded = trained.model.encode_words(packed)
    embedded = [trained.model.encode_regions(torch.from_numpy(one.descriptors).to(device).float()) for one in found]
    place = torch.empty((len(jobs), int(packed.position.max()) + 1), dtype=torch.long, device=device)
    place[packed.sentence, packed.position] = torch.arange(len(packed.words), device=device)
    for job, (row, sentence, (words, positions)) in enumerate(jobs):
        mine = place[job, : len(words)]
        scores = (encoded.words[mine] @ embedded[row].T).float().cpu().numpy()
        choice = best_assignments(scores[None], np.array([len(words)]), beta)[0]
        magnitude = encoded.magnitude[mine].float().cpu().numpy()
        yield Alignment(images[row], sentence, found[row], positions, scores, choice, magnitude)


def known_words(sentence: Sentence, vocabulary: Vocabulary) -> tuple[list[int], tuple[int, ...]]:
    """Ids of the words that the model knows, and where they stand among the sentence's tokens."""
    words: list[int] = []
    positions: list[int] = []
    for position, token in enumerate(sentence.tokens):
        for word in vocabulary.encode([token]):
            words.append(word)
            positions.append(position)
    return words, tuple(positions)
