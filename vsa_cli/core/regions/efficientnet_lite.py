"""EfficientNet-Lite for inference: a plain stack of convolutions with the batch normalisation folded into them.

The Lite family is EfficientNet without squeeze-and-excitation, with ReLU6, and with an unscaled stem and head.
Uses the names in the published weight files; independent of photographs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsa_cli.core.errors import ArtifactError

CHANNELS = 1280
CLASSES = 1000


@dataclass(frozen=True)
class Scale:
    """The scale of a member of the family.

    Attributes:
        width: factor of the number of channels.
        depth: factor of the number of blocks in a stage.
        side: side of the input it was trained for, in pixels.
    """

    width: float
    depth: float
    side: int


SCALES = {
    "efficientnet_lite0": Scale(width=1.0, depth=1.0, side=224),
    "efficientnet_lite2": Scale(width=1.1, depth=1.2, side=260),
}

# repeats, kernel, stride, expansion, output channels; before scaling
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM = 32
_SPLIT = 5  # the stage that reduces the map from stride 16 to 32; the tail begins with it
_EPSILON = 1e-3
_PRECISE = 2  # blocks that stay in float32 under autocast: in bfloat16, they alone treble the error of the descriptors


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's padding: equal on both sides, an odd pixel at the right or the bottom."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to (B, C', ceil(h / stride), ceil(w / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride == 1:
            return F.conv2d(x, self.weight, self.bias, 1, kernel // 2, 1, self.groups)
        pad = [max((math.ceil(n / stride) - 1) * stride + kernel - n, 0) for n in x.shape[2:]]
        top, left = pad[0] // 2, pad[1] // 2
        x = F.pad(x, (left, pad[1] - left, top, pad[0] - top))
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, 1, self.groups)


class Block(nn.Module):
    """Inverted bottleneck: expand, convolve each channel, project; added to the input if the shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = SameConv(inputs, inner, 1) if expansion > 1 else None
        self.depthwise = SameConv(inner, inner, kernel, stride, groups=inner)
        self.project = SameConv(inner, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, h / stride, w / stride)."""
        y: Tensor = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        y = self.project(F.relu6(self.depthwise(y), inplace=True))
        return y + x if self.residual else y


class LiteTail(nn.Module):
    """The last two stages and the head: a map of stride 16 to the map of stride 32."""

    def __init__(self, scale: Scale) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(*block) for block in _blocks(scale, range(_SPLIT, len(_STAGES))))
        self.head = SameConv(_channels(scale, len(_STAGES) - 1), CHANNELS, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to (B, 1280, ceil(h / 2), ceil(w / 2))."""
        for block in self.blocks:
            x = block(x)
        return F.relu6(self.head(x), inplace=True)


class LiteBody(nn.Module):
    """Everything before pooling: pixels to a map of stride 32, in two parts: `trunk`, then `tail`."""

    def __init__(self, scale: Scale) -> None:
        super().__init__()
        self.stem = SameConv(3, _STEM, 3, 2)
        self.blocks = nn.ModuleList(Block(*block) for block in _blocks(scale, range(_SPLIT)))
        self.tail = LiteTail(scale)

    def trunk(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) normalised pixels to (B, C, ceil(h / 16), ceil(w / 16))."""
        with torch.autocast(x.device.type, enabled=False):
            x = F.relu6(self.stem(x), inplace=True)
            for block in self.blocks[:_PRECISE]:
                x = block(x)
        for block in self.blocks[_PRECISE:]:
            x = block(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) normalised pixels to (B, 1280, ceil(h / 32), ceil(w / 32))."""
        maps: Tensor = self.tail(self.trunk(x))
        return maps


def trunk_channels(name: str) -> int:
    """C, the channels of the map of stride 16, of a network in `SCALES`."""
    return _channels(SCALES[name], _SPLIT - 1)


def _blocks(scale: Scale, stages: range) -> Iterator[tuple[int, int, int, int, int]]:
    """The arguments of each `Block` of some stages."""
    for stage in stages:
        repeats, kernel, stride, expansion, _ = _STAGES[stage]
        inputs, outputs = _STEM if stage == 0 else _channels(scale, stage - 1), _channels(scale, stage)
        is_fixed = stage in (0, len(_STAGES) - 1)  # the depth of the first and last stage is not scaled
        for i in range(repeats if is_fixed else math.ceil(repeats * scale.depth)):
            yield (outputs if i else inputs), outputs, kernel, (1 if i else stride), expansion


def _channels(scale: Scale, stage: int) -> int:
    """The output channels of a stage."""
    return _round_channels(_STAGES[stage][-1] * scale.width)


def _round_channels(channels: float) -> int:
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def load_lite(name: str, weights: Mapping[str, Tensor], where: str) -> tuple[LiteBody, nn.Linear]:
    """Build a network from a published weight file, with each batch normalisation folded into its convolution.

    Args:
        name: a key of `SCALES`.
        weights: the tensors of the file, by their published names.
        where: the name of the file, for messages.

    Returns:
        The body and the ImageNet classifier (1,000 classes).

    Raises:
        ArtifactError: a tensor is missing or has the wrong shape.
    """
    with torch.device("meta"):  # no random weights are drawn, as all are replaced
        body, classifier = LiteBody(SCALES[name]), nn.Linear(CHANNELS, CLASSES)
    try:
        with torch.no_grad():
            _fold(body.stem, weights, "_conv_stem", "_bn0")
            for i, block in enumerate([*body.blocks, *body.tail.blocks]):
                assert isinstance(block, Block)
                prefix = f"_blocks.{i}."
                if block.expand is not None:
                    _fold(block.expand, weights, prefix + "_expand_conv", prefix + "_bn0")
                _fold(block.depthwise, weights, prefix + "_depthwise_conv", prefix + "_bn1")
                _fold(block.project, weights, prefix + "_project_conv", prefix + "_bn2")
            _fold(body.tail.head, weights, "_conv_head", "_bn1")
            classifier.load_state_dict({"weight": weights["_fc.weight"], "bias": weights["_fc.bias"]}, assign=True)
    except (KeyError, RuntimeError) as error:
        raise ArtifactError(f"{where}: not the weights of {name} ({error})".splitlines()[0]) from error
    return body, classifier


def _fold(conv: nn.Conv2d, weights: Mapping[str, Tensor], conv_name: str, norm_name: str) -> None:
    """BN(Wx) = g (Wx - m) / s + b with s = sqrt(var + eps), which is (g W / s) x + (b - g m / s)."""
    gamma, beta, mean, variance = (
        weights[f"{norm_name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    kernel = weights[f"{conv_name}.weight"]
    if kernel.shape != conv.weight.shape or any(v.shape != kernel.shape[:1] for v in (gamma, beta, mean, variance)):
        raise RuntimeError(f"{conv_name}: wrong shape")  # checked first: products of hostile shapes fill the memory
    gain = gamma / torch.sqrt(variance + _EPSILON)
    folded = {"weight": kernel * gain[:, None, None, None], "bias": beta - mean * gain}
    conv.load_state_dict(folded, assign=True)
