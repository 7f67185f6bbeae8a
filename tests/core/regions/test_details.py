"""Details of regions: colours, texture, place and shape."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch

from vsa_cli.core.io.images import Picture
from vsa_cli.core.regions import details
from vsa_cli.core.regions.features import mean_in_boxes

RNG = np.random.default_rng(0)


def test_memberships_sum_to_one_and_change_little_with_a_pixel() -> None:
    pixels = RNG.integers(0, 255, (2000, 3), dtype=np.uint8)
    found = details.memberships(pixels)
    assert found.shape == (2000, details.COLOURS)
    assert found.dtype == np.float32
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
    assert np.abs(details.memberships(pixels + 1) - found).sum(-1).max() < 0.6
    assert np.abs(details.memberships(pixels + 1) - found).sum(-1).mean() < 0.05


@pytest.mark.parametrize(
    ("pixel", "colour"),
    [
        ((0, 0, 0), 18),
        ((128, 128, 128), 19),
        ((255, 255, 255), 20),
        ((255, 0, 0), 9),
        ((255, 3, 0), 9),
        ((80, 0, 0), 0),
        ((0, 255, 0), 12),
        ((0, 0, 255), 15),
        ((0, 0, 80), 6),
    ],
)
def test_pure_colours(pixel: tuple[int, int, int], colour: int) -> None:
    found = details.memberships(np.array(pixel, np.uint8))
    assert found.argmax() == colour
    assert found[colour] > 0.95


def test_hues_are_those_of_the_standard_library() -> None:
    for pixel in RNG.integers(0, 255, (200, 3), dtype=np.uint8):
        hue, saturation, value = colorsys.rgb_to_hsv(*(pixel / 255))
        if saturation < 0.5 or value < 0.3:
            continue
        found = details.memberships(pixel)
        of_hue = found[: details.HUES] + found[details.HUES : 2 * details.HUES]
        place = hue * details.HUES
        expected = np.zeros(details.HUES)
        expected[int(place) % details.HUES] += 1 - place % 1
        expected[(int(place) + 1) % details.HUES] += place % 1
        np.testing.assert_allclose(of_hue, expected, atol=1e-4)


def test_a_box_has_the_colours_of_its_pixels_and_its_centre_those_of_the_centre() -> None:
    rgb = np.zeros((80, 120, 3), np.uint8)
    rgb[:, :60] = 255, 0, 0
    rgb[20:60, 75:105] = 0, 0, 255  # the centre of the right half, which is black
    picture = Picture(rgb, 240, 160)  # the upright original has twice the size
    boxes = np.array([[0, 0, 240, 160], [0, 0, 120, 160], [120, 0, 240, 160]], np.float32)
    trunk = torch.rand(24, 5, 7)
    found = details.describe(trunk, details.colour_map(picture), boxes, 240, 160)
    assert found.shape == (3, 24 + 2 * details.COLOURS + details.GEOMETRY)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, :24], mean_in_boxes(trunk, boxes, 240, 160).numpy())
    box, centre = np.split(found[:, 24 : 24 + 2 * details.COLOURS] ** 2, 2, 1)
    np.testing.assert_allclose(box.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(centre.sum(1), 1, atol=1e-5)
    assert box[1, 9] > 0.95  # red
    assert box[2, 18] == pytest.approx(0.75, abs=0.05)  # black
    assert box[2, 15] == pytest.approx(0.25, abs=0.05)  # blue
    assert centre[2, 15] > 0.9


def test_place_and_shape() -> None:
    boxes = np.array([[0, 0, 200, 100], [100, 50, 150, 100]], np.float32)
    trunk, colours = torch.zeros(1, 2, 4), torch.ones(details.COLOURS, 3, 6)
    found = details.describe(trunk, colours, boxes, 200, 100)[:, -details.GEOMETRY :]
    np.testing.assert_allclose(found, [[0.5, 0.5, 1, 1, np.log(2)], [0.625, 0.75, 0.25, 0.5, 0]], rtol=1e-5)


def test_a_mirrored_photograph_has_the_same_colours() -> None:
    rgb = RNG.integers(0, 255, (64, 96, 3), dtype=np.uint8)
    box, mirrored = np.array([[10, 5, 50, 60]], np.float32), np.array([[46, 5, 86, 60]], np.float32)
    trunk = torch.rand(3, 4, 6)
    found = [
        details.describe(maps, details.colour_map(Picture(pixels, 96, 64)), boxes, 96, 64)
        for maps, pixels, boxes in ((trunk, rgb, box), (trunk.flip(2), rgb[:, ::-1].copy(), mirrored))
    ]
    np.testing.assert_allclose(found[0][:, :-5], found[1][:, :-5], atol=1e-5)
    assert found[0][0, -5] == pytest.approx(1 - found[1][0, -5])
