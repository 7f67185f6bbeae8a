"""Geometry of boxes: arrays of (x1, y1, x2, y2). Knows no images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
"""(N, 4) float32: x1, y1, x2, y2 with x1 < x2 and y1 < y2."""


def area(boxes: Boxes) -> NDArray[np.float32]:
    """(N,) areas, in squared units of the boxes."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return sides[:, 0] * sides[:, 1]


def shared_area(a: Boxes, b: Boxes) -> NDArray[np.float32]:
    """(N, M) the area that every box of `a` shares with every box of `b`."""
    left_top = np.maximum(a[:, None, :2], b[None, :, :2])
    right_bottom = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.clip(right_bottom - left_top, 0, None)
    shared: NDArray[np.float32] = sides[..., 0] * sides[..., 1]
    return shared


def iou(a: Boxes, b: Boxes) -> NDArray[np.float32]:
    """(N, M) intersection over union of every box of `a` with every box of `b`."""
    shared = shared_area(a, b)
    union = area(a)[:, None] + area(b)[None, :] - shared
    ratio: NDArray[np.float32] = (shared / np.maximum(union, 1e-9)).astype(np.float32)
    return ratio


def containment(boxes: Boxes) -> NDArray[np.float32]:
    """(N, N) at [i, j] the share of box j that lies in box i, from 0 to 1."""
    shares: NDArray[np.float32] = (shared_area(boxes, boxes) / np.maximum(area(boxes), 1e-9)).astype(np.float32)
    return shares


def whole(width: float, height: float) -> Boxes:
    """(1, 4): the box of the whole image."""
    return np.array([[0, 0, width, height]], np.float32)


def clip(boxes: Boxes, width: float, height: float) -> Boxes:
    """The boxes cut to the image; those of which less than a pixel is left on a side go."""
    limits = np.array([width, height, width, height], np.float32)
    inside = np.clip(boxes, 0, limits).astype(np.float32)
    keep = (inside[:, 2] - inside[:, 0] >= 1) & (inside[:, 3] - inside[:, 1] >= 1)
    return inside[keep]


def grid(width: float, height: float, count: int) -> Boxes:
    """`count` boxes from a pyramid of grids: 2x2, 3x3, 4x4 ... cells, each level's cells half as large again.

    Deterministic; cells overlap, so that things on the seams are seen whole.
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
