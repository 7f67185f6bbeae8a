"""Alignment of the words of sentences with the regions of their image.

In shapes, R is the number of regions of an image, and K the number of known words of a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vsa_cli.core.alignment.evidence import unary_term
from vsa_cli.core.alignment.mrf import best_assignments
from vsa_cli.core.alignment.word_scores import KnownWords, RegionScorer, WordScores, known_words
from vsa_cli.core.config import AlignConfig
from vsa_cli.core.corpus.corpus import Corpus, Image, Sentence
from vsa_cli.core.embedding.batches import pack
from vsa_cli.core.embedding.model import TrainedEmbedding
from vsa_cli.core.embedding.search import Query
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.sources import Photo
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
        evidence: (K, R) the MRF's unary term: the scores, or the evidence of words and names of things in each
            region and of those inside it (`evidence`).
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
    trained: TrainedEmbedding, corpus: Corpus, regions: RegionStore, split: str, config: AlignConfig
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
    trained: TrainedEmbedding, photo: Photo, regions: ImageRegions, sentences: Sequence[str], config: AlignConfig
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
    trained: TrainedEmbedding, image: Image, regions: ImageRegions, config: AlignConfig
) -> Iterator[Alignment]:
    """Align every sentence of one image, including those without a known word."""
    known = [known_words(sentence.tokens, trained.vocabulary) for sentence in image.sentences]
    none = np.zeros((0, len(regions.boxes)), np.float32)
    aligned = [(none, none, np.zeros(0, np.int64), np.zeros(0, np.float32))] * len(known)
    if rows := [row for row, words in enumerate(known) if words.ids]:
        packed = pack([known[row].ids for row in rows]).to(trained.model.W_m.weight.device)
        encoded = trained.model.encode_words(packed)
        scorer, evidence = RegionScorer(trained, regions), unary_term(regions.boxes, config)
        order = packed.position.argsort(stable=True)
        of_sentence = [order[packed.sentence[order] == index] for index in range(len(rows))]  # its words in order
        scores = [scorer.score(encoded.words[own], known[row]) for own, row in zip(of_sentence, rows, strict=True)]
        psi = [evidence(found) for found in scores]
        lengths = np.array([len(found) for found in psi], np.int64)
        padded = np.zeros((len(psi), int(lengths.max()), len(regions.boxes)), np.float32)
        for index, found in enumerate(psi):
            padded[index, : len(found)] = found
        choices = best_assignments(padded, lengths, config.beta)
        for index, row in enumerate(rows):
            magnitude = encoded.magnitude[of_sentence[index]].float().cpu().numpy()
            choice = choices[index, : lengths[index]]
            aligned[row] = (scores[index].in_sentence, psi[index], choice, magnitude)
    for sentence, words, results in zip(image.sentences, known, aligned, strict=True):
        yield Alignment(image, sentence, regions, words.positions, *results)


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
def locate_words(trained: TrainedEmbedding, query: Query, regions: ImageRegions) -> tuple[WordBox, ...]:
    """The best box of each known word of a query, for each word independently."""
    s = trained.model.encode_words(pack([query.ids]).to(trained.model.W_m.weight.device)).words
    words = KnownWords(query.words, query.ids, tuple(range(len(query.words))))
    return best_boxes(query.words, RegionScorer(trained, regions).score(s, words), regions.boxes)


def best_boxes(words: Sequence[str], scores: WordScores, boxes: NDArray[np.float32]) -> tuple[WordBox, ...]:
    """The best box of each of K words, for each word independently.

    Args:
        words: the words.
        scores: their scores for the R regions.
        boxes: (R, 4) float32, in pixels of the upright original.
    """
    best = unary_term(boxes, AlignConfig())(scores).argmax(1).tolist()
    corners = boxes.astype(np.float64).round(2).tolist()
    return tuple(
        WordBox(word, tuple(corners[region]), float(of_word[region]))
        for word, region, of_word in zip(words, best, scores.in_sentence, strict=True)
    )
