"""Stacks of convolutions with frozen weights, computed by OpenVINO in float32 on a CPU.

OpenVINO compiles a whole network, so that it plans the memory of all maps and computes what follows a convolution while
the result is in the cache. It is optional: the extra `vsa[openvino]`. No other module imports it.

Networks are written in OpenVINO's own operations, not traced from PyTorch's layers: a trace holds the padding of one
input size.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from vsa_cli.core.errors import MissingError

if TYPE_CHECKING:  # importing it takes seconds, and checking what is installed does not need it
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

REMEDY = "pip install 'vsa[openvino]'"

_TELEMETRY = "openvino_telemetry"
_importing = threading.Lock()


def is_installed() -> bool:
    """Whether OpenVINO is installed."""
    return importlib.util.find_spec("openvino") is not None


def require_openvino() -> None:
    """Check that OpenVINO is installed.

    Raises:
        MissingError: it is not.
    """
    if not is_installed():
        raise MissingError(f"`runtime` openvino: OpenVINO is not installed; {REMEDY}, or use torch")


def _library() -> Any:
    """The library, which sends nothing over the network.

    When it is imported, it reports that to its makers, unless the user has opted out or its package of telemetry cannot
    be imported. So that package is hidden meanwhile.
    """
    with _importing:
        modules = cast("dict[str, ModuleType | None]", sys.modules)
        known = {_TELEMETRY: modules[_TELEMETRY]} if _TELEMETRY in modules else {}
        modules[_TELEMETRY] = None  # which makes its import fail
        try:
            import openvino
            import openvino.opset8
        finally:
            del modules[_TELEMETRY]
            modules.update(known)
    return openvino


@cache
def _core() -> Any:
    """What compiles networks; one for all, because each loads its own copy of the code for CPUs."""
    return _library().Core()


class Graph:
    """A network under construction. Its maps are opaque values, which its methods take and return.

    Attributes:
        entry: the input, (B, C, h, w) of any B, h and w.

    Args:
        channels: C of the input.
    """

    def __init__(self, channels: int) -> None:
        self._openvino = _library()
        self._ops = self._openvino.opset8
        # inputs and results have their channels last in memory, as PyTorch's: (B, h, w, C)
        self._parameter = self._ops.parameter([-1, -1, -1, channels], self._openvino.Type.f32)
        self.entry: Any = self._transposed(self._parameter, (0, 3, 1, 2))

    def convolved(self, x: Any, conv: nn.Conv2d, *, clipped: bool) -> Any:
        """A convolution, padded as by TensorFlow, whatever its own padding; followed by ReLU6 if `clipped`.

        Args:
            x: (B, C, h, w).
            conv: has a bias, equal strides, and groups of one channel or a single group; its weights are copied.
            clipped: whether ReLU6 follows.
        """
        assert conv.bias is not None
        weight: NDArray[np.float32] = conv.weight.detach().contiguous().numpy()
        operator = self._ops.convolution
        if conv.groups > 1:
            weight, operator = weight.reshape(conv.groups, 1, 1, *conv.kernel_size), self._ops.group_convolution
        none = [0, 0]  # the padding follows from its kind: an odd pixel at the right or at the bottom
        y = operator(x, self._constant(weight), list(conv.stride), none, none, [1, 1], "same_upper")
        y = self._ops.add(y, self._constant(conv.bias.detach().numpy().reshape(1, -1, 1, 1)))
        return self._ops.clamp(y, 0.0, 6.0) if clipped else y

    def added(self, x: Any, y: Any) -> Any:
        """The sum of two maps of the same shape."""
        return self._ops.add(x, y)

    def compiled(self, result: Any, streams: int) -> Callable[[Tensor], Tensor]:
        """The network that ends with `result`; it may be called from several threads.

        Args:
            result: (B, C', h', w').
            streams: calls from different threads that are computed at the same time, at most.
        """
        last = self._transposed(result, (0, 2, 3, 1))
        return _Network(self._openvino.Model([last], [self._parameter], "network"), streams)

    def _constant(self, values: NDArray[np.float32]) -> Any:
        return self._ops.constant(values.copy())

    def _transposed(self, x: Any, axes: tuple[int, ...]) -> Any:
        import numpy as np

        return self._ops.transpose(x, self._ops.constant(np.array(axes)))


class _Network:
    """A network, compiled when it is first called, for the number of threads that PyTorch would use."""

    def __init__(self, model: Any, streams: int) -> None:
        self._model, self._streams = model, streams
        self._compiling = threading.Lock()
        self._compiled: dict[int, Any] = {}  # by threads
        self._own = threading.local()  # each thread computes in memory of its own

    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, h, w) float32 on the CPU to (B, C', h', w'), both with channels last in memory."""
        import torch

        pixels = x.permute(0, 2, 3, 1).contiguous().numpy()
        (result,) = self._request(torch.get_num_threads()).infer([pixels], share_inputs=True).values()
        return torch.from_numpy(result).permute(0, 3, 1, 2)

    def _request(self, threads: int) -> Any:
        requests: dict[int, Any] = self._own.__dict__.setdefault("requests", {})
        if threads not in requests:
            requests[threads] = self._for(threads).create_infer_request()
        return requests[threads]

    def _for(self, threads: int) -> Any:
        """The network for one call at a time with several threads, or for several calls with a thread each."""
        with self._compiling:
            if threads not in self._compiled:
                streams = self._streams if threads == 1 else 1
                settings = {
                    "INFERENCE_PRECISION_HINT": "f32",  # bfloat16 is the default of processors that have it
                    "NUM_STREAMS": streams,
                    "INFERENCE_NUM_THREADS": max(streams, threads),
                    "ENABLE_CPU_PINNING": False,  # other processes may use the same cores
                }
                self._compiled[threads] = _core().compile_model(self._model, "CPU", settings)
            return self._compiled[threads]
