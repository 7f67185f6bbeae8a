"""What computes EfficientNet-Lite for inference: PyTorch, or OpenVINO on a CPU.

Both compute the same networks from the same weights, in float32; results agree up to rounding. Descriptors do not
record which of them computed them, as they do not record the kind of the processor.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from torch import nn

from vsa_cli.core.device import Runtime
from vsa_cli.core.errors import ConfigError
from vsa_cli.core.openvino import Graph
from vsa_cli.core.regions.efficientnet_lite import SCALES, Block, LiteBody, LiteTail, SameConv
from vsa_cli.core.regions.fused_lite import Forward, fused_tail, fused_trunk, tail_stays_finite, trunk_stays_finite


class LiteRuntime(Protocol):
    """Prepares the two parts of a frozen network; their weights are copied, and must not change afterwards."""

    def trunk(self, body: LiteBody) -> Forward:
        """The trunk: (B, 3, h, w) normalised pixels to (B, C, h / 16, w / 16)."""

    def tail(self, tail: LiteTail) -> Forward:
        """The tail: (B, C, h, w) maps of stride 16 to (B, 1280, h / 2, w / 2)."""


class TorchLite:
    """PyTorch, with fused layers where possible; see `LiteRuntime`."""

    def trunk(self, body: LiteBody) -> Forward:
        """The trunk."""
        return fused_trunk(body)

    def tail(self, tail: LiteTail) -> Forward:
        """The tail."""
        return fused_tail(tail)


class OpenVinoLite:
    """OpenVINO on a CPU; see `LiteRuntime`.

    Networks whose weights could overflow are computed by PyTorch's layers, because OpenVINO's ReLU6 clips a NaN to a
    number.

    Args:
        workers: photographs encoded at the same time.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def trunk(self, body: LiteBody) -> Forward:
        """The trunk."""
        if not trunk_stays_finite(body):
            return body.trunk
        return self._compiled([body.stem, *body.blocks], body.stem.in_channels)

    def tail(self, tail: LiteTail) -> Forward:
        """The tail."""
        if not tail_stays_finite(tail):
            return tail
        first = tail.blocks[0]
        assert isinstance(first, Block)
        return self._compiled([*tail.blocks, tail.head], (first.expand or first.depthwise).in_channels)

    def _compiled(self, layers: Iterable[nn.Module], channels: int) -> Forward:
        """A row of convolutions, each followed by ReLU6, and of blocks."""
        graph = Graph(channels)
        x = graph.entry
        for layer in layers:
            if isinstance(layer, Block):
                y = x if layer.expand is None else graph.convolved(x, layer.expand, clipped=True)
                y = graph.convolved(y, layer.depthwise, clipped=True)
                y = graph.convolved(y, layer.project, clipped=False)
                x = graph.added(y, x) if layer.residual else y
            elif isinstance(layer, SameConv):
                x = graph.convolved(x, layer, clipped=True)
        return graph.compiled(x, self._workers)


def lite_runtime(runtime: Runtime, cnn: str, workers: int) -> LiteRuntime:
    """The runtime of a name.

    Args:
        runtime: the name; `resolve_device` has checked that it is installed and that the device suits it.
        cnn: the CNN that is computed.
        workers: photographs encoded at the same time.

    Raises:
        ConfigError: the runtime does not compute the CNN.
    """
    if runtime == "torch":
        return TorchLite()
    if cnn not in SCALES:
        raise ConfigError(f"`runtime` openvino: computes {' and '.join(SCALES)}, but the CNN is {cnn}; use torch")
    return OpenVinoLite(workers)
