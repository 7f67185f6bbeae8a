"""EfficientNet-Lite for inference on a CPU: each convolution also applies its activation, or adds the block's input.

The same networks as in `efficientnet_lite`, with the same weights; results agree up to float rounding. PyTorch's layers
write each map to memory and read it again for the bias, the activation, the sum and the padding. Where `core.onednn`
cannot be used, the networks compute as they are; so do those whose weights could overflow, because a fused activation
clips a NaN to a number, which would hide it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from vsa_cli.core.onednn import PackedConvolution, PackedLinear, can_pack
from vsa_cli.core.regions.efficientnet_lite import Block, LiteBody, LiteTail, SameConv

Forward = Callable[[Tensor], Tensor]
"""Maps of one stride, (B, C, h, w), to maps of another."""

_SIDES = (320, 416)  # pixels of a usual input, for which the weights are laid out; others are computed, too
_LARGEST_PIXEL, _LARGEST_MAP = 10.0, 65504.0  # normalised pixels; maps, which are stored in float16
_LARGEST_ACTIVATION = 6.0
_LARGEST = torch.finfo(torch.float32).max


def fused_trunk(body: LiteBody) -> Forward:
    """The trunk of a frozen network: (B, 3, h, w) pixels to (B, C, h / 16, w / 16); weights are copied."""
    if not (_can_fuse(body.stem) and trunk_stays_finite(body)):
        return body.trunk
    stem = PackedConvolution(body.stem, _SIDES)
    blocks = _fused_blocks(body.blocks, (_SIDES[0] // 2, _SIDES[1] // 2))

    def trunk(x: Tensor) -> Tensor:
        if not _is_even(x, 16):
            return body.trunk(x)
        return _channels_first(_through(blocks, _channels_last(stem(x))))

    return trunk


def fused_tail(tail: LiteTail) -> Forward:
    """A frozen tail: (B, C, h, w) maps of stride 16 to (B, 1280, h / 2, w / 2); weights are copied."""
    if not (_can_fuse(tail.head) and tail_stays_finite(tail)):
        return tail
    height, width = _SIDES[0] // 16, _SIDES[1] // 16
    blocks = _fused_blocks(tail.blocks, (height, width))
    head = _pointwise(tail.head, height * width // 4, clipped=True)

    def deepen(x: Tensor) -> Tensor:
        if not _is_even(x, 2):
            deep: Tensor = tail(x)
            return deep
        return _channels_first(head(_through(blocks, _channels_last(x))))

    return deepen


def trunk_stays_finite(body: LiteBody) -> bool:
    """Whether no sum in the trunk can overflow."""
    return _stays_finite([body.stem, *body.blocks], _LARGEST_PIXEL)


def tail_stays_finite(tail: LiteTail) -> bool:
    """Whether no sum in the tail can overflow."""
    return _stays_finite([*tail.blocks, tail.head], _LARGEST_MAP)


def _can_fuse(conv: SameConv) -> bool:
    return can_pack(conv.weight) and not conv.weight.requires_grad


def _stays_finite(layers: Sequence[nn.Module], largest: float) -> bool:
    """Whether no sum in a row of convolutions and blocks can overflow, given the largest number that enters."""
    bounds = []
    for layer in layers:
        if isinstance(layer, Block):
            inner = largest
            if layer.expand is not None:
                bounds.append(_bound(layer.expand, largest))
                inner = _LARGEST_ACTIVATION
            bounds.append(_bound(layer.depthwise, inner))
            largest = _bound(layer.project, _LARGEST_ACTIVATION) + (largest if layer.residual else 0)
            bounds.append(largest)
        elif isinstance(layer, SameConv):
            bounds.append(_bound(layer, largest))
            largest = _LARGEST_ACTIVATION
    return all(bound < _LARGEST for bound in bounds)  # not so for NaN either


def _bound(conv: SameConv, largest: float) -> float:
    """The largest number that a convolution can compute from numbers up to `largest`."""
    sums = conv.weight.detach().double().abs().flatten(1).sum(1) * largest
    return float((sums if conv.bias is None else sums + conv.bias.detach().double().abs()).max())


def _pointwise(conv: SameConv, cells: int, *, clipped: bool) -> PackedLinear:
    """A 1 x 1 convolution as a matrix product over cells: (B, h, w, C) to (B, h, w, C')."""
    return PackedLinear(conv.weight[:, :, 0, 0], conv.bias, cells, clipped=clipped)


class _FusedBlock:
    """A `Block` for maps of about some size."""

    def __init__(self, block: Block, size: tuple[int, int]) -> None:
        stride, cells = block.depthwise.stride[0], size[0] * size[1]
        self._expand = None if block.expand is None else _pointwise(block.expand, cells, clipped=True)
        self._depthwise = PackedConvolution(block.depthwise, size)
        self._project = _pointwise(block.project, cells // stride**2, clipped=False)
        self._residual = block.residual

    def __call__(self, x: Tensor) -> Tensor:
        """(B, h, w, C) to (B, h / stride, w / stride, C')."""
        y = x if self._expand is None else self._expand(x)
        y = _channels_last(self._depthwise(_channels_first(y)))
        return self._project(y, x if self._residual else None)


def _fused_blocks(blocks: nn.ModuleList, size: tuple[int, int]) -> list[_FusedBlock]:
    """The blocks of a stack whose first receives maps of about some height and width."""
    fused = []
    for block in blocks:
        assert isinstance(block, Block)
        fused.append(_FusedBlock(block, size))
        stride = block.depthwise.stride[0]
        size = (size[0] // stride, size[1] // stride)
    return fused


def _through(blocks: list[_FusedBlock], x: Tensor) -> Tensor:
    for block in blocks:
        x = block(x)
    return x


def _is_even(x: Tensor, cell: int) -> bool:
    """Whether both sides are multiples of `cell`, so that every convolution of stride 2 receives even sides."""
    return x.shape[2] % cell == 0 and x.shape[3] % cell == 0


def _channels_last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).contiguous()


def _channels_first(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)
