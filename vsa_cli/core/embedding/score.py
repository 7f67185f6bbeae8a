"""Scores of sentences for images, and the losses that shape them. Pure functions; the letters are the paper's."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

_CACHED, _MOST = 2048, 16384  # words, and regions, of a tile of products: for a CPU's cache, and for memory's sake


def word_scores(s: Tensor, v: Tensor) -> Tensor:
    """max_i v_i . s_t for every word and image, in one matrix product.

    Args:
        s: (N, H) words.
        v: (K, R, H) regions of K images; an image with fewer than R repeats its first, which changes no maximum.

    Returns:
        (N, K), of the type in which autocast multiplies where it is on.
    """
    if torch.is_autocast_enabled(s.device.type):
        dtype = torch.get_autocast_dtype(s.device.type)
        s, v = s.to(dtype), v.to(dtype)
    scores: Tensor = _BestRegion.apply(s, v)
    return scores


class _BestRegion(torch.autograd.Function):
    """The maximum over regions; left to automatic differentiation it costs half as much again as the products.

    With words innermost, (K, R, N), both the maximum and the search for where it lay run along memory. Many products
    are made tile by tile, and used while they are in the cache. A byte a maximum is kept for the gradient.
    """

    @staticmethod
    def forward(ctx: Any, s: Tensor, v: Tensor) -> Tensor:
        images, regions, _ = v.shape
        best = s.new_empty(images, len(s))
        winner = torch.empty_like(best, dtype=torch.uint8 if regions <= 256 else torch.int32)
        learning = any(ctx.needs_input_grad)
        edge = _CACHED if s.device.type == "cpu" and not learning else _MOST
        tile = s.new_empty(0)  # one for all: fresh memory has its price
        for words in _parts(len(s), edge):
            for rows in _parts(images, max(1, edge // regions)):
                here, now = v[rows].flatten(0, 1), s[words]
                tile = tile.resize_(len(here), len(now))
                products = torch.mm(here, now.T, out=tile).view(-1, regions, len(now))
                best[rows, words] = found = products.amax(1)
                if learning:
                    winner[rows, words] = _first(products, found)
        if learning:
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
    """Slices of `most` at most, as even as can be, that make up `count`."""
    parts = -(-count // most)
    return [slice(count * i // parts, count * (i + 1) // parts) for i in range(parts)]


def _first(products: Tensor, best: Tensor) -> Tensor:
    """(K, N) which of (K, R, N) is `best`, the first of equals: as many regions as differ from it before it."""
    if best.element_size() == 2:  # the maximum is one of the products to the bit, and integers compare faster
        products, best = products.view(torch.int16), best.view(torch.int16)
    regions = products.shape[1]
    place = torch.zeros_like(best, dtype=torch.uint8 if regions <= 256 else torch.int32)
    unlike, so_far = torch.empty_like(best, dtype=torch.bool), torch.ones_like(best, dtype=torch.uint8)
    for region in range(regions - 1):
        torch.ne(products[:, region], best, out=unlike)
        place += so_far.bitwise_and_(unlike.view(torch.uint8))
    return place


def sentence_scores(words: Tensor, sentence: Tensor, count: int, *, mean: bool) -> Tensor:
    """S_kl = sum over the words t of sentence l of max_i v_i . s_t (paper, equation 8), or their mean.

    Args:
        words: (N, K) of `word_scores`.
        sentence: (N,) which sentence each word is of.
        count: L.
        mean: whether to divide by the number of words.

    Returns:
        (L, K): sentence l for image k.
    """
    total = words.new_zeros(count, words.shape[1]).index_add(0, sentence, words)
    return total / torch.bincount(sentence, minlength=count)[:, None] if mean else total


def ranking_loss(S: Tensor, image: Tensor, margin: float) -> Tensor:
    """Sum over k of sum_{l != k} max(0, S_kl - S_kk + 1) + sum_{l != k} max(0, S_lk - S_kk + 1) (equation 9).

    Args:
        S: (L, K) sentence by image; sentence l belongs to image `image[l]`, and several may belong to one.
        image: (L,).
        margin: the paper's 1.
    """
    own = S.gather(1, image[:, None])  # (L, 1): S_kk of each pair
    other_images = (S - own + margin).clamp(min=0)
    other_images = other_images.scatter(1, image[:, None], 0.0)
    # for pair l and its image: every sentence m of another image
    other_sentences = (S.index_select(1, image) - own.T + margin).clamp(min=0)  # (m, l)
    is_negative = image[:, None] != image[None, :]
    return other_images.sum() + (other_sentences * is_negative).sum()


def contrastive_loss(S: Tensor, image: Tensor, temperature: float) -> Tensor:
    """Mean cross-entropy of a softmax over the batch, of images for a sentence and of sentences for an image.

    Args:
        S: (L, K) sentence by image.
        image: (L,) which image each sentence belongs to; its other sentences are left out, being no negatives.
        temperature: by which scores are divided.
    """
    logits = S / temperature
    to_image = F.cross_entropy(logits, image)
    siblings = (image[:, None] == image[None, :]) & ~torch.eye(len(image), dtype=torch.bool, device=S.device)
    # (m, l): sentence m for the image of pair l
    columns = logits.index_select(1, image).masked_fill(siblings, -torch.inf)
    to_sentence = F.cross_entropy(columns.T, torch.arange(len(image), device=S.device))
    return to_image + to_sentence
