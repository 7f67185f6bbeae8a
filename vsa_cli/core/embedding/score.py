"""The score of a sentence for an image, and the losses that train it (paper, section 3.1.3). Pure functions.

    S_kl = sum_{t in l} max_i v_i . s_t
    C = sum_k ( sum_l max(0, S_kl - S_kk + 1) + sum_l max(0, S_lk - S_kk + 1) ),  l != k

The letters are the paper's: v_i the regions of image k, s_t the words of sentence l.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

_CACHE_EDGE = 2048
"""Maximum words, and regions, of a tile of products that fits into a CPU's cache."""

_MEMORY_EDGE = 16384
"""Maximum words, and regions, of a tile on other devices and in training."""


def word_scores(s: Tensor, v: Tensor) -> Tensor:
    """max_i v_i . s_t for every word t and image k (paper, in equation 8).

    By definition `(s @ v.flatten(0, 1).T).unflatten(1, v.shape[:2]).amax(2)`; `_BestRegion` computes the same faster.

    Args:
        s: (N, H) words.
        v: (K, R, H) regions; an image with fewer than R repeats its first, which changes no maximum.

    Returns:
        (N, K), of the dtype in which autocast multiplies if it is on. The gradient flows to the first of equal maxima.
    """
    if torch.is_autocast_enabled(s.device.type):
        dtype = torch.get_autocast_dtype(s.device.type)
        s, v = s.to(dtype), v.to(dtype)
    best: Tensor = _BestRegion.apply(s, v)
    return best


def sentence_scores(words: Tensor, sentence: Tensor, count: int, *, mean: bool) -> Tensor:
    """S_kl = sum over the words t of sentence l of max_i v_i . s_t (paper, equation 8), or their mean.

    Args:
        words: (N, K) `word_scores`.
        sentence: (N,) the index of each word's sentence.
        count: L, the number of sentences.
        mean: divide by the number of words.

    Returns:
        (L, K) the score of sentence l for image k.
    """
    total = words.new_zeros(count, words.shape[1]).index_add(0, sentence, words)
    return total / torch.bincount(sentence, minlength=count)[:, None] if mean else total


def ranking_loss(S: Tensor, image: Tensor, margin: float) -> Tensor:
    """Sum over k of sum_{l != k} max(0, S_kl - S_kk + 1) + sum_{l != k} max(0, S_lk - S_kk + 1) (equation 9).

    Args:
        S: (L, K) scores of sentence l for image k.
        image: (L,) the index of each sentence's image; sentences of the same image are not negatives of each other.
        margin: the margin; 1 in the paper.
    """
    own = S.gather(1, image[:, None])  # (L, 1): S_kk of each pair
    other_images = (S - own + margin).clamp(min=0)
    other_images = other_images.scatter(1, image[:, None], 0.0)
    # (m, l): sentence m for the image of pair l
    other_sentences = (S.index_select(1, image) - own.T + margin).clamp(min=0)
    is_negative = image[:, None] != image[None, :]
    return other_images.sum() + (other_sentences * is_negative).sum()


def contrastive_loss(S: Tensor, image: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of a softmax over the batch, over images for each sentence plus over sentences for each image.

    Args:
        S: (L, K) scores of sentence l for image k.
        image: (L,) the index of each sentence's image; other sentences of the same image are left out as negatives.
        temperature: the scores are divided by it.
    """
    logits = S / temperature
    to_image = F.cross_entropy(logits, image)
    siblings = (image[:, None] == image[None, :]) & ~torch.eye(len(image), dtype=torch.bool, device=S.device)
    # (m, l): sentence m for the image of pair l
    columns = logits.index_select(1, image).masked_fill(siblings, -torch.inf)
    to_sentence = F.cross_entropy(columns.T, torch.arange(len(image), device=S.device))
    return to_image + to_sentence


class _BestRegion(torch.autograd.Function):
    """The maximum of `word_scores`, with a hand-written gradient and bounded memory.

    Automatic differentiation makes the maximum half as expensive again as the products. Here, with words innermost,
    (K, R, N), the maximum and the search for its position run along memory. The products are made tile by tile and
    used while they are in the CPU's cache, and one byte per maximum is kept for the gradient.
    """

    @staticmethod
    def forward(ctx: Any, s: Tensor, v: Tensor) -> Tensor:
        images, regions, _ = v.shape
        best = s.new_empty(images, len(s))
        winner = torch.empty_like(best, dtype=_index_type(regions))
        training = any(ctx.needs_input_grad)
        edge = _CACHE_EDGE if s.device.type == "cpu" and not training else _MEMORY_EDGE
        tile = s.new_empty(0)  # reused: allocating a new one for each tile takes time
        for words in _parts(len(s), edge):
            for rows in _parts(images, max(1, edge // regions)):
                v_tile, s_tile = v[rows].flatten(0, 1), s[words]
                tile = tile.resize_(len(v_tile), len(s_tile))
                products = torch.mm(v_tile, s_tile.T, out=tile).view(-1, regions, len(s_tile))
                best[rows, words] = maximum = products.amax(1)
                if training:
                    winner[rows, words] = _first_index(products, maximum)
        if training:
            ctx.save_for_backward(s, v, winner)
        return best.T.contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        s, v, winner = ctx.saved_tensors
        (images, regions, _), words = v.shape, len(s)
        rows = torch.arange(0, images * regions, regions, device=s.device)[:, None] + winner
        d = s.new_zeros(images * regions * words)
        d[rows * words + torch.arange(words, device=s.device)] = grads[0].T.to(s.dtype)
        d = d.view(images * regions, words)
        return d.T @ v.flatten(0, 1), (d @ s).view(v.shape)


def _parts(count: int, most: int) -> list[slice]:
    """Slices of at most `most` that cover `count`, as even as possible."""
    parts = -(-count // most)
    return [slice(count * i // parts, count * (i + 1) // parts) for i in range(parts)]


def _first_index(products: Tensor, maximum: Tensor) -> Tensor:
    """(K, N) the first region at which (K, R, N) products equal the maximum: the number of unequal ones before it."""
    if maximum.element_size() == 2:  # the maximum is one of the products bit for bit, and integers compare faster
        products, maximum = products.view(torch.int16), maximum.view(torch.int16)
    regions = products.shape[1]
    index = torch.zeros_like(maximum, dtype=_index_type(regions))
    unequal, all_unequal = torch.empty_like(maximum, dtype=torch.bool), torch.ones_like(maximum, dtype=torch.uint8)
    for region in range(regions - 1):
        torch.ne(products[:, region], maximum, out=unequal)
        index += all_unequal.bitwise_and_(unequal.view(torch.uint8))
    return index


def _index_type(regions: int) -> torch.dtype:
    return torch.uint8 if regions <= 256 else torch.int32
