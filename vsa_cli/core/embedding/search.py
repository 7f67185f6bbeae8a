"""Scores of many sentences for many images, in chunks: memory is bounded by a chunk, not by the whole."""

from __future__ import annotations

from collections.abc import Iterator

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

_IMAGES = 250  # images whose regions are embedded and compared at once
_SENTENCES = 500


def combined_scores(model: Embedding, packed: Packed, regions: Tensor) -> Tensor:
    """(L, K): the model's score of each sentence for each image, by words and regions and, if it has it, as a whole.

    Args:
        model: in whatever mode.
        packed: L sentences.
        regions: (K, R, D) float32 descriptors, region 0 the whole image.
    """
    encoded = model.encode_words(packed)
    by_word = _accurate(word_scores(encoded.words, model.encode_regions(regions)))
    scores = sentence_scores(by_word, packed.sentence, packed.count, mean=model.config.similarity == "cosine")
    share = model.config.whole_weight
    if share == 0:
        return scores
    whole = model.encode_sentences(encoded.context, packed) @ model.encode_whole_images(regions[:, 0]).T
    return (1 - share) * scores + share * _accurate(whole)


def _accurate(scores: Tensor) -> Tensor:
    # bfloat16 is for products; sums of many words and a softmax want more
    return scores.float() if scores.dtype == torch.bfloat16 else scores


@torch.inference_mode()
def score_pairs(model: Embedding, pairs: Pairs) -> NDArray[np.float32]:
    """(M, K): every sentence of a split for every image of it."""
    device = model.W_m.weight.device
    result = np.empty((len(pairs.sentences), len(pairs.regions)), np.float32)
    with torch.autocast(device.type, torch.bfloat16, enabled=has_fast_bfloat16(device)):
        for rows, packed in _chunks(pairs):
            moved = packed.to(device)
            for start in range(0, len(pairs.regions), _IMAGES):
                regions = pairs.regions[start : start + _IMAGES].to(device).float()
                result[rows, start : start + len(regions)] = combined_scores(model, moved, regions).cpu().numpy()
    return result


def _chunks(pairs: Pairs) -> Iterator[tuple[slice, Packed]]:
    for start in range(0, len(pairs.sentences), _SENTENCES):
        rows = slice(start, start + _SENTENCES)
        yield rows, pack(pairs.sentences[rows])


def recall_both_ways(scores: NDArray[np.float32], image: NDArray[np.int64], wordless: int = 0) -> dict[str, float]:
    """R@1/5/10, median and mean rank of both directions, and their sum `rsum`, in percent.

    Args:
        scores: (M, K) sentence by image.
        image: (M,) the image of each sentence; an image of which no sentence is left ranks last.
        wordless: sentences that were left with no word: ranked last.
    """
    sentences, images = scores.shape
    search = best_ranks(scores, image)
    search = np.concatenate([search, np.full(wordless, images)])
    described = np.isin(np.arange(images), image)
    mask = image[None, :] == np.arange(images)[described][:, None]
    annotation = best_ranks(scores.T[described], mask)
    annotation = np.concatenate([annotation, np.full(int((~described).sum()), sentences)])
    i2t, t2i = rank_statistics(annotation), rank_statistics(search)
    rsum = sum(value for found in (i2t, t2i) for name, value in found.items() if name.startswith("R@"))
    return {f"i2t_{n}": v for n, v in i2t.items()} | {f"t2i_{n}": v for n, v in t2i.items()} | {"rsum": rsum}
