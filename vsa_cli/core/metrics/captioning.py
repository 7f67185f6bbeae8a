"""Scores of captions against references: the only door to pycocoevalcap, whose scorers do the scoring.

The numbers are coco-caption's: BLEU-1 to BLEU-4, ROUGE-L, CIDEr (its CIDEr-D) and METEOR. Beside each corpus
score stand the score of every caption, and what has to be added up to score any resampling of the captions.
Knows texts as PTB tokens joined by spaces; knows no files and no tokenizer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider_scorer import CiderScorer
from pycocoevalcap.rouge.rouge import Rouge

from vsa_cli.core.metrics.meteor import Meteor, additive, combined

Array = NDArray[np.float64]
Pair = tuple[str, Sequence[str]]
"""A caption and its references."""

BLEU_NAMES = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4")
CAPTION_METRICS = (*BLEU_NAMES, "METEOR", "ROUGE-L", "CIDEr")
Item = TypeVar("Item")

_PART = 10_000  # captions scored at once
_SMALL, _TINY = 1e-9, 1e-15
"""coco-caption's guards against division by zero in BLEU."""


@dataclass(frozen=True)
class Measured:
    """One family of scores.

    Attributes:
        scores: metric to corpus score.
        each: metric to the score of every caption (N,).
        sums: per caption what adds up over captions (N, K).
        finish: from sums of rows of `sums` (S, K) to the corpus scores of those S resamplings, by metric (S,).
    """

    scores: dict[str, float]
    each: dict[str, Array]
    sums: Array
    finish: Callable[[Array], dict[str, Array]]


@dataclass(frozen=True)
class DocumentFrequencies:
    """In how many images' references an n-gram occurs: what CIDEr weighs words by.

    Attributes:
        images: how many images were counted.
        counts: n-gram to count; those of one image only may be left out, as they weigh like unseen ones.
    """

    images: int
    counts: Mapping[tuple[str, ...], float]


class _SavedFrequencies(CiderScorer):  # type: ignore[misc]
    """CIDEr's scorer with given document frequencies; it would else count those of the part that it holds."""

    saved: DocumentFrequencies

    @property
    def ref_len(self) -> float:
        return float(np.log(float(self.saved.images)))

    @ref_len.setter
    def ref_len(self, value: object) -> None:
        """Ignored: the scorer sets the logarithm of its own number of images."""


def bleu(pairs: Sequence[Pair]) -> Measured:
    """BLEU-1 to BLEU-4 with the closest reference length, from 0 to 1 (Papineni et al. 2002)."""
    parts: list[Array] = []
    for part in _parts(pairs):
        scorer = BleuScorer(n=4)
        for caption, references in part:
            scorer += (caption, list(references))
        scorer.compute_score(option="closest", verbose=0)
        parts.append(np.array([_bleu_sums(counts) for counts in scorer.ctest], dtype=np.float64))
    sums = np.concatenate(parts)  # (N, 10)
    together = {name: float(value[0]) for name, value in _finish_bleu(sums.sum(axis=0, keepdims=True)).items()}
    return Measured(together, _finish_bleu(sums), sums, _finish_bleu)


def _parts(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    # pycocoevalcap's scorers hold the n-grams of all that they are given: give them a part at a time
    for start in range(0, len(items), _PART):
        yield items[start : start + _PART]


def _bleu_sums(counts: Mapping[str, list[int]]) -> list[float]:
    length = counts["testlen"]
    closest = min((abs(reference - length), reference) for reference in counts["reflen"])[1]  # type: ignore[operator]
    return [*counts["correct"], *counts["guess"], length, closest]  # type: ignore[list-item]


def _finish_bleu(sums: Array) -> dict[str, Array]:
    correct, guess, length, closest = sums[:, :4], sums[:, 4:8], sums[:, 8], sums[:, 9]
    precision = np.cumprod((correct + _TINY) / (guess + _SMALL), axis=1) ** (1 / np.arange(1, 5))  # (S, 4)
    ratio = (length + _TINY) / (closest + _SMALL)
    penalty = np.exp(np.minimum(0.0, 1 - 1 / ratio))
    return {name: precision[:, n] * penalty for n, name in enumerate(BLEU_NAMES)}


def rouge(pairs: Sequence[Pair]) -> Measured:
    """ROUGE-L, from 0 to 1: the F-measure of the longest common subsequence (Lin 2004)."""
    scorer = Rouge()
    return _mean_of("ROUGE-L", [scorer.calc_score([caption], list(references)) for caption, references in pairs])


def cider(pairs: Sequence[Pair], frequencies: DocumentFrequencies | None = None) -> Measured:
    """CIDEr as coco-caption computes it (CIDEr-D), from 0 to 10 (Vedantam et al. 2015).

    Args:
        pairs: captions and references.
        frequencies: of n-grams; those of these references if not given. Resampling holds them fixed.
    """
    known = frequencies
    if known is None and len(pairs) > _PART:
        known = count_documents([references for _, references in pairs])
    each: list[float] = []
    for part in _parts(pairs):
        scorer = _SavedFrequencies(n=4)
        for caption, references in part:
            scorer += (caption, list(references))
        if known is None:  # all is in this part, whose n-grams need not be made twice
            scorer.compute_doc_freq()
            known = DocumentFrequencies(len(pairs), scorer.document_frequency)
        scorer.saved = known
        scorer.document_frequency = defaultdict(float, known.counts)
        each += scorer.compute_cider()
    return _mean_of("CIDEr", each)


def count_documents(references: Sequence[Sequence[str]]) -> DocumentFrequencies:
    """Document frequencies of the references, one sequence an image, without n-grams of one image only."""
    counts: Counter[tuple[str, ...]] = Counter()
    for part in _parts(references):
        scorer = CiderScorer(n=4)
        for sentences in part:
            scorer += ("", list(sentences))
        scorer.compute_doc_freq()
        counts.update(scorer.document_frequency)
    return DocumentFrequencies(len(references), {ngram: count for ngram, count in counts.items() if count > 1})


def meteor(pairs: Sequence[Pair]) -> Measured:
    """METEOR 1.5, from 0 to 1 (Denkowski & Lavie 2014), by its jar.

    Raises:
        MissingError: no Java, or the jar fails.
    """
    with Meteor() as process:
        statistics = process.statistics(pairs)
        each, together = process.scores(statistics)
    return Measured(
        {"METEOR": together},
        {"METEOR": np.array(each)},
        additive(statistics),
        lambda sums: {"METEOR": combined(sums)},
    )


def _mean_of(name: str, each: Sequence[float]) -> Measured:
    values = np.asarray(each, dtype=np.float64)
    sums = np.stack([values, np.ones_like(values)], axis=1)
    return Measured({name: float(np.mean(values))}, {name: values}, sums, lambda s: {name: s[:, 0] / s[:, 1]})
