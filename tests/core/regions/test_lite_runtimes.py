"""EfficientNet-Lite computed by OpenVINO against PyTorch's layers, and where OpenVINO may not be used."""

from __future__ import annotations

import importlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.core.regions.test_fused_lite import pixels
from vsa_cli.core import openvino
from vsa_cli.core.device import one_thread_each, resolve_device
from vsa_cli.core.errors import ConfigError, MissingError
from vsa_cli.core.io.images import read_picture
from vsa_cli.core.regions.cnn import Cnn, load_cnn
from vsa_cli.core.regions.efficientnet_lite import LiteBody
from vsa_cli.core.regions.features import FeatureExtractor
from vsa_cli.core.regions.lite_runtimes import OpenVinoLite, TorchLite, lite_runtime
from vsa_cli.core.regions.tail import rounded

needs_openvino = pytest.mark.skipif(not openvino.is_installed(), reason=f"no OpenVINO: {openvino.REMEDY}")
CPU = torch.device("cpu")
PICTURES = Path(__file__).parents[2] / "pictures"


@pytest.fixture(scope="module")
def plain() -> Cnn:
    return load_cnn("efficientnet_lite0")


@pytest.fixture(scope="module")
def compiled() -> Cnn:
    """Prepared for OpenVINO, and used for every size below: no size is compiled on its own."""
    return FeatureExtractor(load_cnn("efficientnet_lite0"), 96, "roi", CPU, runtime=OpenVinoLite(2)).cnn


def assert_alike(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert found.shape == expected.shape
    assert (found - expected).norm() < 1e-4 * expected.norm()


@needs_openvino
@pytest.mark.parametrize("size", [(1, 96, 160), (2, 64, 32), (1, 97, 33)])
def test_maps_equal_those_of_pytorch_up_to_rounding(plain: Cnn, compiled: Cnn, size: tuple[int, ...]) -> None:
    rgb = pixels(*size)
    with torch.inference_mode():
        assert_alike(compiled.maps(rgb), plain.maps(rgb))
        assert_alike(compiled.trunk_maps(rgb), plain.trunk_maps(rgb))


@needs_openvino
def test_a_tuned_tail_has_its_own_weights(plain: Cnn, compiled: Cnn) -> None:
    tuned = rounded(plain.tail)
    with torch.no_grad():
        tuned.head.weight.mul_(1.5)
    x = torch.rand(1, tuned.blocks[0].expand.in_channels, 5, 8)  # type: ignore[union-attr]
    forward = OpenVinoLite(1).tail(tuned)
    with torch.inference_mode():
        assert_alike(forward(x), tuned(x))
        assert_alike(compiled.deepen(x), plain.deepen(x))


@needs_openvino
def test_threads_share_a_network_and_have_results_of_their_own(plain: Cnn, compiled: Cnn) -> None:
    inputs = [pixels(1, 64, 32 * (1 + number % 3)) for number in range(12)]
    with torch.inference_mode():
        expected = [plain.maps(one) for one in inputs]
    with one_thread_each(CPU), ThreadPoolExecutor(3) as pool:
        found = list(pool.map(torch.inference_mode()(compiled.maps), inputs))
    for one, other in zip(found, expected, strict=True):
        assert_alike(one, other)


@needs_openvino
def test_descriptors_of_a_photograph_are_those_of_pytorch() -> None:
    picture = read_picture(PICTURES / "astronaut.jpg", 224)
    side = picture.width / 2
    boxes = np.array([[0, 0, picture.width, picture.height], [10, 20, 90, side], [side, 5, side + 40, 60]], np.float32)
    found = [
        FeatureExtractor(load_cnn("efficientnet_lite2"), 320, "roi", CPU, runtime=runtime).regions(picture, boxes)
        for runtime in (TorchLite(), OpenVinoLite(1))
    ]
    assert (np.linalg.norm(found[0] - found[1], axis=1) < 1e-4 * np.linalg.norm(found[0], axis=1)).all()


def test_weights_that_overflow_are_left_to_pytorch(plain: Cnn) -> None:
    tail, body = load_cnn(plain.name).tail, load_cnn(plain.name).body
    assert isinstance(body, LiteBody)
    with torch.no_grad():
        tail.head.weight[0] = body.stem.weight[0] = float("inf")
    assert OpenVinoLite(1).tail(tail) is tail
    assert OpenVinoLite(1).trunk(body) == body.trunk


@needs_openvino
def test_importing_openvino_sends_nothing() -> None:
    code = (
        "import sys; from vsa_cli.core.openvino import Graph; Graph(3); assert 'openvino' in sys.modules; "
        "assert not [name for name in sys.modules if name.startswith('openvino_telemetry')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
    assert importlib.util.find_spec("openvino_telemetry") is not None, "hidden only while OpenVINO is imported"


def test_other_networks_are_refused() -> None:
    assert isinstance(lite_runtime("torch", "vgg16", 1), TorchLite)
    assert isinstance(lite_runtime("openvino", "efficientnet_lite2", 1), OpenVinoLite)
    with pytest.raises(ConfigError, match=r"`runtime` openvino: computes .*efficientnet_lite2, but the CNN is vgg16"):
        lite_runtime("openvino", "vgg16", 1)


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_openvino_computes_on_the_cpu_alone(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "is_installed", lambda: True)
    assert resolve_device("auto", runtime="openvino") == resolve_device("cpu", runtime="openvino") == CPU
    with pytest.raises(ConfigError, match=f"`device` {device}: `runtime` openvino computes on the CPU"):
        resolve_device(device, runtime="openvino")


def test_without_openvino_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "is_installed", lambda: False)
    with pytest.raises(MissingError, match=r"OpenVINO is not installed; pip install 'vsa\[openvino\]'"):
        resolve_device("auto", runtime="openvino")
