"""Scores of many sentences for many images, in chunks: memory is bounded by a chunk, not by the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core.device import has_fast_bfloat16
from vsa_cli.core.embedding.batches import Pairs
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.score import sentence_scores, word_scores
from vsa_cli.core.embedding.sentences import Packed, pack
from vsa_cli.core.metrics.recall import best_ranks, rank_statistics

_IMAGES = 1000  # images whose regions are embedded, once, and compared with all sentences
_SENTENCES = 500  # embedded, and compared with these images, at once
_PART = 100  # images embedded at once


@dataclass(frozen=True)
class _Said:
    """L sentences embedded: (N, H) words, the sentence of each, and (L, H) sentences as such."""

    words: Tensor
    packed: Packed
    whole: Tensor | None


@dataclass(frozen=True)
class _Shown:
    """K images embedded: (K, R, H) regions, and (K, H) images as such."""

    regions: Tensor
    whole: Tensor | None


def combined_scores(model: Embedding, packed: Packed, regions: Tensor) -> Tensor:
    """(L, K): the model's score of each sentence for each image, by words and regions and, if it has it, as a whole.

    Args:
        model: in whatever mode.
        packed: L sentences.
        regions: (K, R, D) float32 descriptors, region 0 the whole image.
    """
    return _compare(model, _encode_said(model, packed), _encode_shown(model, regions))


def _encode_said(model: Embedding, packed: Packed) -> _Said:
    encoded = model.encode_words(packed)
    whole = model.encode_sentences(encoded.context, packed) if model.config.whole_weight > 0 else None
    return _Said(encoded.words, packed, whole)


def _encode_shown(model: Embedding, regions: Tensor) -> _Shown:
    whole = model.encode_whole_images(regions[:, 0]) if model.config.whole_weight > 0 else None
    return _Shown(model.encode_regions(regions), whole)


def _compare(model: Embedding, said: _Said, shown: _Shown) -> Tensor:
    by_word = _accurate(word_scores(said.words, shown.regions))
    mean = model.config.similarity == "cosine"
    scores = sentence_scores(by_word, said.packed.sentence, said.packed.count, mean=mean)
    if said.whole is None or shown.whole is None:
        return scores
    share = model.config.whole_weight
    return (1 - share) * scores + share * _accurate(said.whole @ shown.whole.T)


def _accurate(scores: Tensor) -> Tensor:
    # bfloat16 is for products; sums of many words and a softmax want more
    return scores.float() if scores.dtype == torch.bfloat16 else scores


def score_pairs(model: Embedding, pairs: Pairs) -> NDArray[np.float32]:
    """(M, K): every sentence of a split for every image of it."""
    return np.concatenate([scores for _, scores in score_strips(model, pairs)], axis=1)


def score_strips(model: Embedding, pairs: Pairs) -> Iterator[tuple[range, NDArray[np.float32]]]:
    """Some images at a time, and every sentence's scores for them, (M, images): memory for one such strip."""
    device = model.W_m.weight.device
    sentences, images = len(pairs.sentences), len(pairs.regions)
    for first in range(0, images, _IMAGES):
        columns = range(first, min(first + _IMAGES, images))
        strip = np.empty((sentences, len(columns)), np.float32)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bfloat16(device)):
            shown = _encode_block(model, pairs.regions[first : columns.stop])
            for start in range(0, sentences, _SENTENCES):
                rows = slice(start, start + _SENTENCES)
                said = _encode_said(model, pack(pairs.sentences[rows]).to(device))
                strip[rows] = _compare(model, said, shown).cpu().numpy()
        yield columns, strip


def _encode_block(model: Embedding, regions: Tensor) -> _Shown:
    """(K, R, D) float16 descriptors of many images, embedded part by part."""
    device = model.W_m.weight.device
    parts = [_encode_shown(model, part.to(device).float()) for part in torch.split(regions, _PART)]
    whole = [part.whole for part in parts if part.whole is not None]
    return _Shown(torch.cat([part.regions for part in parts]), torch.cat(whole) if whole else None)


def recall_both_ways(scores: NDArray[np.float32], image: NDArray[np.int64], wordless: int = 0) -> dict[str, float]:
    """R@1/5/10, median and mean rank of both directions, and their sum `rsum`, in percent.

    Args:
        scores: (M, K) sentence by image.
        image: (M,) the image of each sentence; an image of which no sentence is left ranks behind them all.
        wordless: sentences that were left with no word: ranked last.
    """
    sentences, images = scores.shape
    search = best_ranks(scores, image)
    search = np.concatenate([search, np.full(wordless, images)])
    described = np.isin(np.arange(images), image)
    mask = image[None, :] == np.arange(images)[described][:, None]
    annotation = best_ranks(scores.T[described], mask)
    annotation = np.concatenate([annotation, np.full(int((~described).sum()), sentences + 1)])
    i2t, t2i = rank_statistics(annotation), rank_statistics(search)
    rsum = sum(value for found in (i2t, t2i) for name, value in found.items() if name.startswith("R@"))
    return {f"i2t_{n}": v for n, v in i2t.items()} | {f"t2i_{n}": v for n, v in t2i.items()} | {"rsum": rsum}
