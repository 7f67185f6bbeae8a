"""Caption metrics, computed by pycocoevalcap's scorers: BLEU-1 to BLEU-4, METEOR, ROUGE-L and CIDEr.

The numbers are those of coco-caption (its CIDEr is CIDEr-D). Each metric returns the corpus score, the score of every
caption, and additive statistics from which any resample of the captions can be scored. Texts are PTB tokens joined by
spaces. This module does not read files or tokenize.
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

from vsa_cli.core.metrics.meteor import Meteor, additive_counts, score_counts

Array = NDArray[np.float64]
Pair = tuple[str, Sequence[str]]
"""A caption and its references, each as PTB tokens joined by spaces."""

BLEU_NAMES = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4")
CAPTION_METRICS = (*BLEU_NAMES, "METEOR", "ROUGE-L", "CIDEr")
Item = TypeVar("Item")

_CHUNK = 10_000  # captions per scorer
_SMALL, _TINY = 1e-9, 1e-15
"""The constants by which coco-caption avoids division by zero in BLEU."""


@dataclass(frozen=True)
class MetricScores:
    """The scores of one family of metrics.

    Attributes:
        scores: corpus score by metric.
        each: score of every caption (N,), by metric.
        sums: additive statistics of every caption (N, K).
        finish: maps the summed statistics of S resamples (S, K) to their corpus scores (S,), by metric.
    """

    scores: dict[str, float]
    each: dict[str, Array]
    sums: Array
    finish: Callable[[Array], dict[str, Array]]


@dataclass(frozen=True)
class DocumentFrequencies:
    """The number of images whose references contain an n-gram, from which CIDEr computes its TF-IDF weights.

    Attributes:
        images: number of images counted.
        counts: count by n-gram. N-grams of a single image may be omitted: CIDEr weights them like unseen ones.
    """

    images: int
    counts: Mapping[tuple[str, ...], float]


class _SavedFrequencies(CiderScorer):  # type: ignore[misc]
    """CIDEr's scorer with given document frequencies, instead of those of its own references."""

    saved: DocumentFrequencies

    @property
    def ref_len(self) -> float:
        return float(np.log(float(self.saved.images)))

    @ref_len.setter
    def ref_len(self, value: object) -> None:
        """Ignore the scorer's attempt to set this to the logarithm of its own number of images."""


def bleu(pairs: Sequence[Pair]) -> MetricScores:
    """BLEU-1 to BLEU-4 with the closest reference length, from 0 to 1 (Papineni et al. 2002)."""
    chunks: list[Array] = []
    for chunk in _chunks(pairs):
        scorer = BleuScorer(n=4)
        for caption, references in chunk:
            scorer += (caption, list(references))
        scorer.compute_score(option="closest", verbose=0)
        chunks.append(np.array([_bleu_sums(counts) for counts in scorer.ctest], dtype=np.float64))
    sums = np.concatenate(chunks)  # (N, 10)
    corpus = {name: float(value[0]) for name, value in _finish_bleu(sums.sum(axis=0, keepdims=True)).items()}
    return MetricScores(corpus, _finish_bleu(sums), sums, _finish_bleu)


def _chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    # pycocoevalcap's scorers keep the n-grams of all their input in memory
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]


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


def rouge(pairs: Sequence[Pair]) -> MetricScores:
    """ROUGE-L, from 0 to 1: the F-measure of the longest common subsequence (Lin 2004)."""
    scorer = Rouge()
    return _mean_scores("ROUGE-L", [scorer.calc_score([caption], list(references)) for caption, references in pairs])


def cider(pairs: Sequence[Pair], frequencies: DocumentFrequencies | None = None) -> MetricScores:
    """CIDEr as coco-caption computes it (CIDEr-D), from 0 to 10 (Vedantam et al. 2015).

    Args:
        pairs: captions and references.
        frequencies: document frequencies (default: those of the references in `pairs`). Resampling keeps them fixed.
    """
    known = frequencies
    if known is None and len(pairs) > _CHUNK:
        known = count_documents([references for _, references in pairs])
    each: list[float] = []
    for chunk in _chunks(pairs):
        scorer = _SavedFrequencies(n=4)
        for caption, references in chunk:
            scorer += (caption, list(references))
        if known is None:  # there is one chunk, whose n-grams the scorer has already
            scorer.compute_doc_freq()
            known = DocumentFrequencies(len(pairs), scorer.document_frequency)
        scorer.saved = known
        scorer.document_frequency = defaultdict(float, known.counts)
        each += scorer.compute_cider()
    return _mean_scores("CIDEr", each)


def count_documents(references: Sequence[Sequence[str]]) -> DocumentFrequencies:
    """Count document frequencies, omitting n-grams of a single image; `references` has one sequence per image."""
    counts: Counter[tuple[str, ...]] = Counter()
    for chunk in _chunks(references):
        scorer = CiderScorer(n=4)
        for sentences in chunk:
            scorer += ("", list(sentences))
        scorer.compute_doc_freq()
        counts.update(scorer.document_frequency)
    return DocumentFrequencies(len(references), {ngram: count for ngram, count in counts.items() if count > 1})


def meteor(pairs: Sequence[Pair]) -> MetricScores:
    """METEOR 1.5, from 0 to 1 (Denkowski & Lavie 2014), computed by its Java program.

    Raises:
        MissingError: Java is not installed, or the program fails.
    """
    with Meteor() as process:
        statistics = process.statistics(pairs)
        each, corpus = process.scores(statistics)
    return MetricScores(
        {"METEOR": corpus},
        {"METEOR": np.array(each)},
        additive_counts(statistics),
        lambda sums: {"METEOR": score_counts(sums)},
    )


def _mean_scores(name: str, each: Sequence[float]) -> MetricScores:
    values = np.asarray(each, dtype=np.float64)
    sums = np.stack([values, np.ones_like(values)], axis=1)
    return MetricScores({name: float(np.mean(values))}, {name: values}, sums, lambda s: {name: s[:, 0] / s[:, 1]})
