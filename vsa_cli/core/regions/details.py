"""What the CNN's descriptor of a region lacks: texture, colours, and where the region is.

The last map of the CNN was trained to tell ImageNet's classes apart, whatever their colour, size and place. With
details, a descriptor also has the mean of the trunk's map of stride 16 in the box, two colour histograms, of the box
and of its centre, and the place and the shape of the box::

    [ CNN, D_0 numbers | trunk, C | sqrt of the shares of 21 colours in the box | the same in its centre | geometry, 5 ]

A pixel of value V = max(r, g, b), chroma c = V - min(r, g, b) and saturation c / V belongs to nine hues, each dark or
light, as far as it is colourful, and to black, grey and white for the rest. Every membership is a continuous function
of the pixel, and all of them sum to 1, so that noise changes a histogram little. The histograms, too, are means of a
map in boxes.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core.boxes import Boxes
from vsa_cli.core.io.images import Picture, resize
from vsa_cli.core.regions.efficientnet_lite import trunk_channels
from vsa_cli.core.regions.features import mean_in_boxes

HUES, GREYS = 9, 3
COLOURS = 2 * HUES + GREYS
"""Colours of a histogram: each hue dark and light, black, grey and white."""

GEOMETRY = 5
"""Numbers for a box: the centre (x, y), width and height as shares of the photograph's, and ln(width / height)."""

_SIDE = 48  # shorter side, in pixels, of the photograph whose colours are counted
_COLOURFUL = (0.15, 0.45)  # saturation up to which a pixel is grey, and from which it is not
_DARK = 0.25  # value below which colours fade to black
_LIGHT = (0.35, 0.75)  # value up to which a colour is dark, and from which it is light


def described_size(cnn: str, channels: int, *, details: bool) -> int:
    """D of descriptors of a CNN.

    Args:
        cnn: its name; it has a trunk if there are details.
        channels: the numbers that the CNN itself computes for a region.
        details: whether descriptors have details.
    """
    return channels + (trunk_channels(cnn) + 2 * COLOURS + GEOMETRY if details else 0)


def colour_map(picture: Picture) -> Tensor:
    """(21, h, w) float32: how far each pixel of a reduced photograph belongs to each colour; the sum of each is 1."""
    height, width = picture.rgb.shape[:2]
    scale = min(1.0, _SIDE / min(height, width))
    small = resize(picture.rgb, max(1, round(width * scale)), max(1, round(height * scale)))
    return torch.from_numpy(np.moveaxis(memberships(small), -1, 0).copy())


def memberships(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(..., 21) float32: how far each colour describes (..., 3) uint8 pixels.

    The nine hues, dark, begin with red; the same, light, follow, and then black, grey and white.
    """
    colour = rgb.astype(np.float32)
    colour /= 255
    value: NDArray[np.float32] = colour.max(-1)
    chroma: NDArray[np.float32] = value - colour.min(-1)
    saturation: NDArray[np.float32] = np.divide(chroma, np.maximum(value, 1e-6), dtype=np.float32)
    colourful = _ramp(saturation, *_COLOURFUL) * _ramp(value, 0, _DARK)
    light = _ramp(value, *_LIGHT)
    hues = _around(_hue(colour, value, chroma) * HUES) * colourful[..., None]
    greys = np.maximum(1 - np.abs(value[..., None] * (GREYS - 1) - np.arange(GREYS)), 0)
    found = [hues * (1 - light[..., None]), hues * light[..., None], greys * (1 - colourful[..., None])]
    return np.concatenate(found, -1, dtype=np.float32)


def describe(trunk_map: Tensor, colours: Tensor, boxes: Boxes, width: int, height: int) -> NDArray[np.float32]:
    """(R, C + 47) float32: the details of boxes.

    Args:
        trunk_map: (C, h, w) float32, the map of the CNN's trunk.
        colours: (21, h', w') float32, of `colour_map`.
        boxes: (R, 4), in pixels of the photograph.
        width: width of the photograph, in pixels.
        height: height of the photograph, in pixels.
    """
    texture = mean_in_boxes(trunk_map, boxes, width, height).cpu()
    first, last = boxes[:, :2], boxes[:, 2:]
    centres: Boxes = np.concatenate([0.75 * first + 0.25 * last, 0.25 * first + 0.75 * last], 1, dtype=np.float32)
    shares = mean_in_boxes(colours, np.concatenate([boxes, centres]), width, height).sqrt()
    place = torch.from_numpy(_geometry(boxes, width, height))
    return torch.cat([texture, shares[: len(boxes)], shares[len(boxes) :], place], 1).numpy()


def _geometry(boxes: Boxes, width: int, height: int) -> NDArray[np.float32]:
    """(R, 5): centre, width and height as shares, and the logarithm of the aspect ratio."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    shape = np.array([width, height], np.float32)
    return np.concatenate([centre / shape, sides / shape, np.log(sides[:, :1] / sides[:, 1:])], 1, dtype=np.float32)


def _hue(colour: NDArray[np.float32], value: NDArray[np.float32], chroma: NDArray[np.float32]) -> NDArray[np.float32]:
    """(...) from 0 to 1: the hue of each pixel, 0 and 1 being red; any for a grey one."""
    red, green, blue = np.moveaxis(colour, -1, 0)
    safe = np.maximum(chroma, 1e-6)
    sixths = np.select(
        [value == red, value == green],
        [(green - blue) / safe, 2 + (blue - red) / safe],
        4 + (red - green) / safe,
    )
    hue: NDArray[np.float32] = sixths / 6 % 1
    return hue


def _around(place: NDArray[np.float32]) -> NDArray[np.float32]:
    """(..., 9): linear weights of the two whole numbers next to each place on a circle of 9."""
    distance = np.abs(place[..., None] - np.arange(HUES, dtype=np.float32))
    weight: NDArray[np.float32] = np.maximum(1 - np.minimum(distance, HUES - distance), 0)
    return weight


def _ramp(number: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    share: NDArray[np.float32] = np.clip((number - low) / (high - low), 0, 1)
    return share
