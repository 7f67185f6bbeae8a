"""Sentences and images in the common space, and the score that compares them.

L sentences of N words in all, K images of R regions, H the size of the common space.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vsa_cli.core.config import EmbedConfig
from vsa_cli.core.embedding.score import sentence_scores, word_scores


@dataclass(frozen=True)
class EncodedSentences:
    """L sentences in the common space.

    Attributes:
        words: (N, H), s_t of each word.
        sentence: (N,) int64, the index of each word's sentence.
        count: L.
        whole: (L, H) vectors of whole sentences; None for a model without them.
        hubness: (L,) float32, see `hubness`; None for a model without a bank.
    """

    words: Tensor
    sentence: Tensor
    count: int
    whole: Tensor | None
    hubness: Tensor | None = None


@dataclass(frozen=True)
class EncodedImages:
    """K images in the common space.

    Attributes:
        regions: (K, R, H), v_i of each region.
        whole: (K, H) vectors of whole images; None for a model without them.
        hubness: (K,) float32, see `hubness`; None for a model without a bank.
    """

    regions: Tensor
    whole: Tensor | None
    hubness: Tensor | None = None


def compare(config: EmbedConfig, sentences: EncodedSentences, images: EncodedImages) -> Tensor:
    """(L, K) scores: words against regions and, where the model has them, whole sentences against whole images.

    The hubness of both, if the model has a bank, is subtracted.
    """
    by_word = _float32(word_scores(sentences.words, images.regions))
    mean = config.similarity == "cosine"
    scores = sentence_scores(by_word, sentences.sentence, sentences.count, mean=mean)
    if sentences.whole is not None and images.whole is not None:
        weight = config.whole_weight
        scores = (1 - weight) * scores + weight * _float32(sentences.whole @ images.whole.T)
    if sentences.hubness is not None:
        scores = scores - sentences.hubness[:, None]
    if images.hubness is not None:
        scores = scores - images.hubness[None]
    return scores


def _float32(scores: Tensor) -> Tensor:
    # bfloat16 is precise enough for the products, but not for sums over words or a softmax
    return scores.float() if scores.dtype == torch.bfloat16 else scores
