"""Alignment of the words of sentences with the regions of their image.

In shapes, R is the number of regions of an image, and K the number of known words of a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core.alignment.evidence import unary_term
from vsa_cli.core.alignment.mrf import best_assignments
from vsa_cli.core.config import AlignConfig
from vsa_cli.core.corpus.corpus import Corpus, Image, Sentence
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.embedding.batches import pack
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.search import Query
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.sources import Photo
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.learning.sentences import check_same_photograph
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.tail import described_for

_NO_SPLIT = ""

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the upright original."""


@dataclass(frozen=True)
class Alignment:
    """A sentence and the regions of its image.

    Attributes:
        image: the image.
        sentence: the sentence.
        regions: the R regions of the image.
        positions: the indices, among the sentence's tokens, of the K words that the model knows; K may be 0.
        scores: (K, R) v_i . s_t.
        evidence: (K, R) the MRF's unary term: the scores, or for each region the evidence of all regions inside it.
        choice: (K,) the region that the MRF assigns to each known word.
        magnitude: (K,) ||s_t|| before any normalisation.
    """

    image: Image
    sentence: Sentence
    regions: ImageRegions
    positions: tuple[int, ...]
    scores: NDArray[np.float32]
    evidence: NDArray[np.float32]
    choice: NDArray[np.int64]
    magnitude: NDArray[np.float32]


def align_corpus(
    trained: Trained[Embedding], corpus: Corpus, regions: RegionStore, split: str, config: AlignConfig
) -> Iterator[Alignment]:
    """Align every sentence of a split, in the corpus's order, including those without a known word.

    Raises:
        ArtifactError: the regions were not extracted as the model needs them, or lack an image.
    """
    regions = described_for(trained.feature_spec, trained.tail, regions)
    for image in corpus.split(split):
        check_same_photograph(image, regions)
        yield from align_image(trained, image, regions[image.key], config)


def align_photo(
    trained: Trained[Embedding], photo: Photo, regions: ImageRegions, sentences: Sequence[str], config: AlignConfig
) -> tuple[Alignment, ...]:
    """Align sentences with the regions of a photograph that no corpus lists.

    Raises:
        DataError: the model knows no word of the sentences.
    """
    tokenised = tuple(Sentence(str(i), text, trained.vocabulary.tokenize(text)) for i, text in enumerate(sentences))
    image = Image(photo.path, photo.file.name, regions.width, regions.height, regions.sha256, _NO_SPLIT, tokenised)
    alignments = tuple(align_image(trained, image, regions, config))
    if not any(alignment.positions for alignment in alignments):
        if not any(sentence.tokens for sentence in tokenised):
            raise DataError("the sentence contains no word")
        raise DataError(f"the model knows no word of {' '.join(sentences)!r}")
    return alignments


@torch.inference_mode()
def align_image(
    trained: Trained[Embedding], image: Image, regions: ImageRegions, config: AlignConfig
) -> Iterator[Alignment]:
    """Align every sentence of one image, including those without a known word."""
    known = [known_words(sentence, trained.vocabulary) for sentence in image.sentences]
    lengths = np.array([len(words) for words, _ in known if words], np.int64)
    if len(lengths):
        device = trained.model.W_m.weight.device
        packed = pack([words for words, _ in known if words]).to(device)
        encoded = trained.model.encode_words(packed)
        v = trained.model.encode_regions(torch.from_numpy(regions.descriptors).to(device).float())
        place = (packed.sentence.cpu().numpy(), packed.position.cpu().numpy())
        scores = np.zeros((len(lengths), int(lengths.max()), len(v)), np.float32)
        scores[place] = (encoded.words @ v.T).float().cpu().numpy()
        psi, evidence = np.zeros_like(scores), unary_term(regions.boxes, config)
        for row, n in enumerate(lengths):
            psi[row, :n] = evidence(scores[row, :n])
        magnitude = np.zeros(scores.shape[:2], np.float32)
        magnitude[place] = encoded.magnitude.float().cpu().numpy()
        choice = best_assignments(psi, lengths, config.beta)
    row = 0
    for sentence, (words, positions) in zip(image.sentences, known, strict=True):
        if not words:
            none = np.zeros((0, len(regions.boxes)), np.float32)
            yield Alignment(image, sentence, regions, (), none, none, np.zeros(0, np.int64), np.zeros(0, np.float32))
            continue
        n = len(words)
        yield Alignment(
            image, sentence, regions, positions, scores[row, :n], psi[row, :n], choice[row, :n], magnitude[row, :n]
        )
        row += 1


def known_words(sentence: Sentence, vocabulary: Vocabulary) -> tuple[list[int], tuple[int, ...]]:
    """The ids of the words that the model knows, and their indices among the sentence's tokens."""
    words: list[int] = []
    positions: list[int] = []
    for position, token in enumerate(sentence.tokens):
        if vocabulary.knows(token):
            words += vocabulary.encode([token])
            positions.append(position)
    return words, tuple(positions)


@dataclass(frozen=True)
class WordBox:
    """A word and the box that matches it best.

    Attributes:
        word: the word.
        box: the box, in pixels of the upright original.
        score: v_i . s_t of the box and the word.
    """

    word: str
    box: Box
    score: float


@torch.inference_mode()
def locate_words(trained: Trained[Embedding], query: Query, regions: ImageRegions) -> tuple[WordBox, ...]:
    """The best box of each known word of a query, for each word independently."""
    device = trained.model.W_m.weight.device
    v = trained.model.encode_regions(torch.from_numpy(regions.descriptors).to(device).float())
    s = trained.model.encode_words(pack([query.ids]).to(device)).words
    return best_boxes(query.words, s, v, regions.boxes)


@torch.inference_mode()
def best_boxes(words: Sequence[str], s: Tensor, v: Tensor, boxes: NDArray[np.float32]) -> tuple[WordBox, ...]:
    """The best box of each of T words, for each word independently.

    Args:
        words: the words.
        s: (T, H) float32, s_t of each word.
        v: (R, H) float32, v_i of each region, on the same device.
        boxes: (R, 4) float32, in pixels of the upright original.
    """
    scores = (s @ v.T).float().cpu().numpy()
    best = unary_term(boxes, AlignConfig())(scores).argmax(1).tolist()
    corners = boxes.astype(np.float64).round(2).tolist()
    return tuple(
        WordBox(word, tuple(corners[region]), float(of_word[region]))
        for word, region, of_word in zip(words, best, scores, strict=True)
    )
