"""EfficientNet-Lite for inference on a CPU: each convolution also applies its activation, or adds the block's input.

The same networks as in `efficientnet_lite`, with the same weights; results agree up to float rounding. PyTorch's layers
write each map to memory and read it again for the bias, the activation, the sum and the padding, and with one thread
they do not use oneDNN for 1 x 1 convolutions. The operators used here are those of `torch.compile` for CPUs, called
without a compiler. They are private to PyTorch, so they are used only if their signatures are the ones known here;
elsewhere, and on other devices, the networks compute as they are.
"""

from __future__ import annotations

import platform
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsa_cli.core.regions.efficientnet_lite import Block, LiteBody, LiteTail, SameConv

Forward = Callable[[Tensor], Tensor]
"""Maps of one stride, (B, C, h, w), to maps of another."""

_SIGNATURES = {
    ("_convolution_pointwise", "default"): "(Tensor X, Tensor W, Tensor? B, int[] padding, int[] stride, "
    "int[] dilation, int groups, str attr, Scalar?[] scalars, str? algorithm) -> Tensor Y",
    ("_linear_pointwise", "default"): "(Tensor X, Tensor W, Tensor? B, str attr, Scalar?[] scalars, str? algorithm)"
    " -> Tensor Y",
    ("_linear_pointwise", "binary"): "(Tensor X, Tensor other, Tensor W, Tensor? B, str attr) -> Tensor Y",
    ("_reorder_linear_weight", "default"): "(Tensor self, int? batch_size=None) -> Tensor Y",
    ("_reorder_convolution_weight", "default"): "(Tensor self, int[2] padding=0, int[2] stride=1, int[2] dilation=1, "
    "int groups=1, int[]? input_size=None) -> Tensor Y",
}
_RELU6 = ("hardtanh", [0.0, 6.0])  # min(max(x, 0), 6)
_SIDES = (320, 416)  # pixels of a usual input, for which the weights are laid out; others are computed, too


def fused_trunk(body: LiteBody) -> Forward:
    """The trunk of a frozen network: (B, 3, h, w) pixels to (B, C, h / 16, w / 16); weights are copied."""
    if not _can_fuse(body.stem):
        return body.trunk
    height, width = _SIDES[0] // 2, _SIDES[1] // 2
    stem = _Spatial(body.stem, _SIDES)
    blocks = _fused_blocks(body.blocks, (height, width))

    def trunk(x: Tensor) -> Tensor:
        if not _is_even(x, 16):
            return body.trunk(x)
        return _channels_first(_through(blocks, _channels_last(stem(x))))

    return trunk


def fused_tail(tail: LiteTail) -> Forward:
    """A frozen tail: (B, C, h, w) maps of stride 16 to (B, 1280, h / 2, w / 2); weights are copied."""
    if not _can_fuse(tail.head):
        return tail
    height, width = _SIDES[0] // 16, _SIDES[1] // 16
    blocks = _fused_blocks(tail.blocks, (height, width))
    head = _Pointwise(tail.head, height * width // 4, clipped=True)

    def deepen(x: Tensor) -> Tensor:
        if not _is_even(x, 2):
            deep: Tensor = tail(x)
            return deep
        return _channels_first(head(_through(blocks, _channels_last(x))))

    return deepen


def _can_fuse(conv: nn.Conv2d) -> bool:
    """Whether the operators exist, are fast on this processor, and take the weights of the network."""
    if conv.weight.device.type != "cpu" or conv.weight.dtype != torch.float32 or conv.weight.requires_grad:
        return False
    if platform.machine() not in ("x86_64", "AMD64") or not torch._C._has_mkldnn:
        return False
    return all(_signature(name, overload) == known for (name, overload), known in _SIGNATURES.items())


def _signature(name: str, overload: str) -> str:
    operator = getattr(getattr(torch.ops.mkldnn, name, None), overload, None)
    return "" if operator is None else "(" + str(operator._schema).partition("(")[2]


class _Pointwise:
    """A 1 x 1 convolution as a matrix product over cells, with ReLU6 if `clipped`, or with another map added."""

    def __init__(self, conv: SameConv, cells: int, *, clipped: bool) -> None:
        self._weight = torch.ops.mkldnn._reorder_linear_weight(conv.weight.detach()[:, :, 0, 0].contiguous(), cells)
        self._bias = conv.bias
        self._activation, self._bounds = _RELU6 if clipped else ("none", [])

    def __call__(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """(B, h, w, C) to (B, h, w, C')."""
        operator = torch.ops.mkldnn._linear_pointwise
        result: Tensor
        if added is None:
            result = operator.default(x, self._weight, self._bias, self._activation, self._bounds, "")
        else:
            result = operator.binary(x, added, self._weight, self._bias, "add")
        return result


class _Spatial:
    """A convolution of several pixels followed by ReLU6.

    With stride 2 and even sides, TensorFlow pads a pixel more at the right and at the bottom, but oneDNN through
    PyTorch pads all sides alike. A row and a column of zeros before the kernel take the place of the missing padding.
    """

    def __init__(self, conv: SameConv, size: tuple[int, int]) -> None:
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        weight = F.pad(conv.weight.detach(), (1, 0, 1, 0)) if stride == 2 else conv.weight.detach()
        self._bias, self._groups = conv.bias, conv.groups
        self._padding, self._stride = [kernel // 2] * 2, [stride] * 2
        self._weight = torch.ops.mkldnn._reorder_convolution_weight(
            weight.contiguous(memory_format=torch.channels_last),
            self._padding,
            self._stride,
            [1, 1],
            conv.groups,
            [1, conv.in_channels, *size],
        )

    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to (B, C', h / stride, w / stride), channels last in memory."""
        operator = torch.ops.mkldnn._convolution_pointwise.default
        result: Tensor = operator(
            x, self._weight, self._bias, self._padding, self._stride, [1, 1], self._groups, *_RELU6, ""
        )
        return result


class _FusedBlock:
    """A `Block` for maps of about some size."""

    def __init__(self, block: Block, size: tuple[int, int]) -> None:
        stride, cells = block.depthwise.stride[0], size[0] * size[1]
        self._expand = None if block.expand is None else _Pointwise(block.expand, cells, clipped=True)
        self._depthwise = _Spatial(block.depthwise, size)
        self._project = _Pointwise(block.project, cells // stride**2, clipped=False)
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
