"""Descriptors of boxes: pooled from a map or from crops, each alone; and their statistics."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.conftest import Drawn
from vsa_cli.core import boxes as geometry
from vsa_cli.core.io.images import read_picture
from vsa_cli.core.regions.cnn import load_cnn
from vsa_cli.core.regions.features import FeatureExtractor, input_size, mean_and_scale, to_half


@pytest.fixture(scope="module")
def feature_extractor() -> FeatureExtractor:
    return FeatureExtractor(load_cnn("efficientnet_lite0"), 64, "roi", torch.device("cpu"))


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((640, 480), 224, (288, 224)),
        ((480, 640), 224, (224, 288)),
        ((10, 10), 96, (96, 96)),
        ((1, 20000), 224, (224, 896)),
        ((20000, 1), 64, (256, 64)),
    ],
)
def test_input_sizes_are_whole_cells_and_bounded(size: tuple[int, int], side: int, expected: tuple[int, int]) -> None:
    assert input_size(*size, side) == expected


def test_the_whole_image_is_described_by_the_mean_of_the_map(feature_extractor: FeatureExtractor, drawn: Drawn) -> None:
    picture = read_picture(drawn.photos / "003.png")
    whole = geometry.whole(picture.width, picture.height)
    described = feature_extractor.regions(picture, whole)[0]
    mean = feature_extractor.map(picture).mean((1, 2)).numpy()
    np.testing.assert_allclose(described, mean, rtol=1e-4, atol=1e-6)


def test_pooling_weights_cells_by_their_share_in_the_box(feature_extractor: FeatureExtractor, drawn: Drawn) -> None:
    """Against a map sampled so finely that its cells can be counted."""
    picture = read_picture(drawn.photos / "003.png")
    seen = feature_extractor.map(picture)
    fine = 48
    dense = seen.repeat_interleave(fine, 1).repeat_interleave(fine, 2)
    rows, columns = dense.shape[1:]
    boxes = np.array([[10, 20, 100, 90], [0, 0, 128, 48], [64, 32, 66, 34]], np.float32)
    expected = []
    for x1, y1, x2, y2 in boxes / np.array([128, 96, 128, 96]) * np.array([columns, rows, columns, rows]):
        expected.append(dense[:, round(y1) : round(y2), round(x1) : round(x2)].mean((1, 2)).numpy())
    np.testing.assert_allclose(
        feature_extractor.regions(picture, boxes, seen), np.stack(expected), rtol=0.05, atol=0.02
    )


def test_a_descriptor_does_not_depend_on_other_boxes(feature_extractor: FeatureExtractor, drawn: Drawn) -> None:
    picture = read_picture(drawn.photos / "003.png")
    many = geometry.grid(picture.width, picture.height, 8)
    together = feature_extractor.regions(picture, many)
    alone = np.concatenate([feature_extractor.regions(picture, many[i : i + 1]) for i in range(8)])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_a_crop_depends_on_its_box_alone(drawn: Drawn) -> None:
    crops = FeatureExtractor(load_cnn("efficientnet_lite0"), 64, "crop", torch.device("cpu"))
    picture = read_picture(drawn.photos / "003.png")
    half = np.array([[0, 0, 64, 96]], np.float32)
    before = crops.regions(picture, half)
    changed = picture.rgb.copy()
    changed[:, 70:] = 0
    after = crops.regions(type(picture)(changed, picture.width, picture.height), half)
    np.testing.assert_array_equal(before, after)


def test_mean_and_scale_standardise_and_do_not_magnify_constants() -> None:
    descriptors = torch.randn(500, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 5, 2, 0]) + 7
    mean, scale = mean_and_scale(descriptors)
    assert (mean.dtype, scale.dtype) == (torch.float64, torch.float64)
    standard = (descriptors - mean) * scale
    torch.testing.assert_close(standard[:, :3].std(0), torch.ones(3, dtype=torch.float64), rtol=1e-6, atol=1e-6)
    assert scale[3] == pytest.approx(100 / float(descriptors.double().std(0).mean()))
    single, scale = mean_and_scale(descriptors[:1])
    torch.testing.assert_close(single, descriptors[0].double())
    assert torch.isfinite(scale).all()


def test_numbers_beyond_float16_become_its_largest() -> None:
    limit = np.finfo(np.float16).max
    halves = to_half(np.array([1e9, -1e9, 0.5], np.float32))
    assert halves.dtype == np.float16
    assert halves.tolist() == [limit, -limit, 0.5]
