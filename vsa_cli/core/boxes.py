"""Box geometry: arrays of boxes as (x1, y1, x2, y2). This module does not use images."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
"""(N, 4) float32: x1, y1, x2, y2 with x1 < x2 and y1 < y2."""
Float = TypeVar("Float", np.float32, np.float64)


def area(boxes: NDArray[Float]) -> NDArray[Float]:
    """(N,) areas, in squared units of the boxes; 0 for a box with no width or no height."""
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None)
    areas: NDArray[Float] = sides[:, 0] * sides[:, 1]
    return areas


def shared_area(a: NDArray[Float], b: NDArray[Float]) -> NDArray[Float]:
    """(N, M) area of the intersection of every box of `a` with every box of `b`."""
    left_top = np.maximum(a[:, None, :2], b[None, :, :2])
    right_bottom = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.clip(right_bottom - left_top, 0, None)
    shared: NDArray[Float] = sides[..., 0] * sides[..., 1]
    return shared


def iou(a: NDArray[Float], b: NDArray[Float]) -> NDArray[Float]:
    """(N, M) intersection over union of every box of `a` with every box of `b`, from 0 to 1."""
    shared = shared_area(a, b)
    union = area(a)[:, None] + area(b)[None, :] - shared
    ratio: NDArray[Float] = shared / np.maximum(union, 1e-9)
    return ratio


def containment(boxes: Boxes) -> NDArray[np.float32]:
    """(N, N) at [i, j] the fraction of box j that lies inside box i, from 0 to 1."""
    shares: NDArray[np.float32] = (shared_area(boxes, boxes) / np.maximum(area(boxes), 1e-9)).astype(np.float32)
    return shares


def whole(width: float, height: float) -> Boxes:
    """(1, 4) the box of the whole image."""
    return np.array([[0, 0, width, height]], np.float32)


def clip(boxes: Boxes, width: float, height: float) -> Boxes:
    """(N, 4) the boxes cropped to the image; a box outside it has an area of 0."""
    limits = np.array([width, height, width, height], np.float32)
    return np.clip(boxes, 0, limits).astype(np.float32)


def mirrored(boxes: Boxes, width: float) -> Boxes:
    """(N, 4) the boxes in the image of this width that is mirrored left to right."""
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1).astype(np.float32)


def has_pixels(boxes: Boxes) -> NDArray[np.bool_]:
    """(N,) whether a box is at least a pixel wide and a pixel high."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return (sides[:, 0] >= 1) & (sides[:, 1] >= 1)


def grid(width: float, height: float, count: int) -> Boxes:
    """(count, 4) boxes from a pyramid of grids: 2x2, 3x3, 4x4 ... overlapping cells.

    Deterministic. Cells are 1.5 times as wide as the spacing of the grid, so that an object on a boundary lies
    wholly in some cell.
    """
    boxes: list[tuple[float, float, float, float]] = []
    level = 2
    while len(boxes) < count:
        side = 1.5 / (level + 0.5)
        starts = np.linspace(0, 1 - side, level)
        boxes += [(x, y, x + side, y + side) for y in starts for x in starts]
        level += 1
    scale = np.array([width, height, width, height], np.float32)
    return np.array(boxes[:count], np.float32).reshape(-1, 4) * scale
