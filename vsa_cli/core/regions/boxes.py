"""Geometry of boxes as arrays of (x1, y1, x2, y2). Does not know images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
"""(N, 4) float32: x1, y1, x2, y2 with x1 < x2 and y1 < y2."""


def area(boxes: Boxes) -> NDArray[np.float32]:
    """(N,) areas, in squared units of the coordinates."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return sides[:, 0] * sides[:, 1]


def shared_area(a: Boxes, b: Boxes) -> NDArray[np.float32]:
    """(N, M) area of the intersection of each box of `a` with each box of `b`."""
    left_top = np.maximum(a[:, None, :2], b[None, :, :2])
    right_bottom = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.clip(right_bottom - left_top, 0, None)
    shared: NDArray[np.float32] = sides[..., 0] * sides[..., 1]
    return shared


def iou(a: Boxes, b: Boxes) -> NDArray[np.float32]:
    """(N, M) intersection over union of each box of `a` with each box of `b`."""
    shared = shared_area(a, b)
    union = area(a)[:, None] + area(b)[None, :] - shared
    ratio: NDArray[np.float32] = (shared / np.maximum(union, 1e-9)).astype(np.float32)
    return ratio


def containment(boxes: Boxes) -> NDArray[np.float32]:
    """(N, N) where [i, j] is the share of box j that lies inside box i, from 0 to 1."""
    shares: NDArray[np.float32] = (shared_area(boxes, boxes) / np.maximum(area(boxes), 1e-9)).astype(np.float32)
    return shares


def whole(width: float, height: float) -> Boxes:
    """(1, 4): the box of the whole image."""
    return np.array([[0, 0, width, height]], np.float32)


def clip(boxes: Boxes, width: float, height: float) -> Boxes:
    """(N, 4): the boxes cut to the image; a box outside it is left with an area of zero."""
    limits = np.array([width, height, width, height], np.float32)
    return np.clip(boxes, 0, limits).astype(np.float32)


def has_pixels(boxes: Boxes) -> NDArray[np.bool_]:
    """(N,) whether each box is at least a pixel wide and a pixel high."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return (sides[:, 0] >= 1) & (sides[:, 1] >= 1)


def grid(width: float, height: float, count: int) -> Boxes:
    """(count, 4) boxes from a pyramid of grids of 2x2, 3x3, 4x4 ... cells.

    Deterministic. Cells are enlarged by half and overlap, so that an object between two cells is whole in some box.
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
