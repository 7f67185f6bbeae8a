"""The maximum over regions of `score.word_scores`, with a hand-written gradient and bounded memory.

Automatic differentiation makes the maximum half as expensive again as the products. Here, with words innermost,
(K, R, N), the maximum and the search for its position run along memory. The products are made tile by tile and used
while they are in the CPU's cache, and one byte per maximum is kept for the gradient.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_CACHE_EDGE = 2048
"""Words, and regions, of a tile of products that fits a CPU's cache."""

_MEMORY_EDGE = 16384
"""Words, and regions, of the largest tile elsewhere."""


def best_region(s: Tensor, v: Tensor) -> Tensor:
    """max_i v_i . s_t of every word and image: `(s @ v.flatten(0, 1).T).unflatten(1, v.shape[:2]).amax(2)`.

    The gradient flows to the first of equal maxima.

    Args:
        s: (N, H) words.
        v: (K, R, H) regions of K images.

    Returns:
        (N, K), of the dtype in which autocast multiplies if it is on.
    """
    if torch.is_autocast_enabled(s.device.type):
        dtype = torch.get_autocast_dtype(s.device.type)
        s, v = s.to(dtype), v.to(dtype)
    best: Tensor = _BestRegion.apply(s, v)
    return best


class _BestRegion(torch.autograd.Function):
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
