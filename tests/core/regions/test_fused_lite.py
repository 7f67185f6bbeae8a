"""The fused network against the plain one, for sides of every kind, and where it may not be used."""

from __future__ import annotations

import platform

import numpy as np
import pytest
import torch

from vsa_cli.core import onednn
from vsa_cli.core.io.images import Picture
from vsa_cli.core.regions.cnn import Cnn, load_cnn
from vsa_cli.core.regions.efficientnet_lite import LiteBody
from vsa_cli.core.regions.features import FeatureExtractor
from vsa_cli.core.regions.fused_lite import fused_tail, fused_trunk

X86 = platform.machine() in ("x86_64", "AMD64")


@pytest.fixture(scope="module")
def plain() -> Cnn:
    return load_cnn("efficientnet_lite0")


def pixels(*size: int) -> torch.Tensor:
    return torch.randint(0, 256, (*size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", [(1, 96, 160), (2, 64, 32)])
def test_maps_equal_those_of_the_plain_network_up_to_rounding(plain: Cnn, size: tuple[int, ...]) -> None:
    rgb = pixels(*size)
    prepared = FeatureExtractor(load_cnn(plain.name), 96, "roi", torch.device("cpu")).cnn
    with torch.inference_mode():
        expected = plain.maps(rgb)
        torch.testing.assert_close(prepared.maps(rgb), expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(prepared.deepen(prepared.trunk_maps(rgb)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(6, 10), (5, 8), (7, 7), (1, 1)])
def test_a_tail_takes_maps_of_odd_sides(plain: Cnn, size: tuple[int, int]) -> None:
    tail = plain.tail
    x = torch.rand(1, tail.blocks[0].expand.in_channels, *size)  # type: ignore[union-attr]
    with torch.inference_mode():
        torch.testing.assert_close(fused_tail(tail)(x), tail(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("weight", [3e37, float("inf"), float("nan")])
def test_weights_that_overflow_are_not_hidden_by_fused_activations(plain: Cnn, weight: float) -> None:
    tail, body = load_cnn(plain.name).tail, load_cnn(plain.name).body
    assert isinstance(body, LiteBody)
    with torch.no_grad():
        tail.blocks[1].project.weight[0] = weight  # type: ignore[union-attr, index]
        body.stem.weight[0] = weight * 10
    assert fused_tail(tail) is tail
    assert fused_trunk(body) == body.trunk
    with torch.inference_mode():
        x = torch.rand(1, tail.blocks[0].expand.in_channels, 4, 4)  # type: ignore[union-attr]
        assert not torch.isfinite(fused_tail(tail)(x)).all()


@pytest.mark.skipif(not X86, reason="the operators are used on x86 alone")
def test_the_operators_of_this_torch_are_those_known(plain: Cnn) -> None:
    assert fused_tail(plain.tail) is not plain.tail


def test_other_operators_and_weights_that_learn_leave_the_network_as_it_is(
    plain: Cnn, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(plain.body, LiteBody)
    learning = load_cnn(plain.name).tail.requires_grad_(True)
    assert fused_tail(learning) is learning
    monkeypatch.setattr(onednn, "_SIGNATURES", {("_linear_pointwise", "default"): "(Tensor X) -> Tensor Y"})
    assert fused_tail(plain.tail) is plain.tail
    assert fused_trunk(plain.body) == plain.body.trunk


def test_cells_are_classified_where_boxes_outnumber_them(plain: Cnn) -> None:
    """The logits of boxes are those of their descriptors, whichever way they are computed."""
    features = FeatureExtractor(plain, 96, "roi", torch.device("cpu"))
    picture = Picture(np.asarray(pixels(80, 100)), 100, 80)
    feature_map = features.map(picture)
    corners = np.random.default_rng(0).uniform(0, 40, (60, 2))
    boxes = np.concatenate([corners, corners + np.random.default_rng(1).uniform(1, 40, (60, 2))], 1).astype(np.float32)
    for some in (boxes, boxes[:2]):
        expected = plain.logits(features.pool(feature_map, picture, some))
        torch.testing.assert_close(features.logits(feature_map, picture, some), expected, rtol=1e-4, atol=1e-4)
