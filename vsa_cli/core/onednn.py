"""Products and convolutions of frozen weights on a CPU, with what follows them computed in the same pass.

oneDNN takes weights in a layout of its own, prepared once, and applies an activation or adds another array while it
writes the result. These operators of PyTorch are those of `torch.compile` for CPUs, called without a compiler. They are
private to PyTorch: they are used only if `can_pack` finds the signatures known here. No other module calls them.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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


def can_pack(weight: Tensor) -> bool:
    """Whether the operators exist, are fast on this processor, and take weights such as these."""
    if weight.device.type != "cpu" or weight.dtype != torch.float32:
        return False
    if platform.machine() not in ("x86_64", "AMD64") or not torch._C._has_mkldnn:
        return False
    return all(_signature(name, overload) == known for (name, overload), known in _SIGNATURES.items())


def _signature(name: str, overload: str) -> str:
    operator = getattr(getattr(torch.ops.mkldnn, name, None), overload, None)
    return "" if operator is None else "(" + str(operator._schema).partition("(")[2]


class PackedLinear:
    """x W^T + b for frozen weights, with ReLU6 if `clipped`, or with another array added.

    Args:
        weight: (N, K) float32, which is copied.
        bias: (N,).
        rows: about how many rows an input has; any number is computed.
        clipped: whether ReLU6 follows.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, rows: int, *, clipped: bool = False) -> None:
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), rows)
        self._bias = None if bias is None else bias.detach()
        self._activation, self._bounds = _RELU6 if clipped else ("none", [])

    def __call__(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """(..., K) to (..., N); `added` is (..., N) and excludes ReLU6."""
        operator = torch.ops.mkldnn._linear_pointwise
        result: Tensor
        if added is None:
            result = operator.default(x, self._weight, self._bias, self._activation, self._bounds, "")
        else:
            result = operator.binary(x, added, self._weight, self._bias, "add")
        return result


class PackedConvolution:
    """A convolution of stride 1, or of stride 2 with inputs of even sides, followed by ReLU6; padded as by TensorFlow.

    With stride 2 and even sides, TensorFlow pads a pixel more at the right and at the bottom, but PyTorch pads all
    sides alike. A row and a column of zeros before the kernel take the place of the missing padding.

    Args:
        conv: has an odd kernel and stride 1 or 2; its weights are copied, its own padding is ignored.
        size: height and width of a usual input, in pixels; any size is computed.
    """

    def __init__(self, conv: nn.Conv2d, size: tuple[int, int]) -> None:
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        weight = conv.weight.detach() if stride == 1 else F.pad(conv.weight.detach(), (1, 0, 1, 0))
        self._bias = None if conv.bias is None else conv.bias.detach()
        self._padding, self._stride, self._groups = [kernel // 2] * 2, [stride] * 2, conv.groups
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


def packed(weight: Tensor, bias: Tensor | None, rows: int) -> Callable[[Tensor], Tensor]:
    """A layer for inference on inputs of about `rows` rows: packed if that is possible, else as PyTorch computes it.

    The weight, (N, K), and the bias, (N,), are copied if they are packed, and must not change afterwards.
    """
    return PackedLinear(weight, bias, rows) if can_pack(weight) else partial(F.linear, weight=weight, bias=bias)
