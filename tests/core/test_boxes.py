"""Box geometry against counted pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsa_cli.core import boxes as geometry
from vsa_cli.core.boxes import Boxes

SIDE = 24


@st.composite
def boxes(draw: st.DrawFn, most: int = 4) -> Boxes:
    found = []
    for _ in range(draw(st.integers(1, most))):
        x1, y1 = draw(st.integers(0, SIDE - 1)), draw(st.integers(0, SIDE - 1))
        found.append((x1, y1, draw(st.integers(x1 + 1, SIDE)), draw(st.integers(y1 + 1, SIDE))))
    return np.array(found, np.float32)


def pixels(box: Boxes) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    x1, y1, x2, y2 = box.astype(int)
    mask[y1:y2, x1:x2] = True
    return mask


@given(boxes(), boxes())
def test_iou_equals_counted_pixels(a: Boxes, b: Boxes) -> None:
    computed = geometry.iou(a, b)
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            shared, union = pixels(one) & pixels(other), pixels(one) | pixels(other)
            assert computed[i, j] == pytest.approx(shared.sum() / union.sum(), abs=1e-6)


@given(boxes())
def test_area_equals_counted_pixels(a: Boxes) -> None:
    assert geometry.area(a).tolist() == [pixels(box).sum() for box in a]


def test_iou_of_float64_boxes_and_of_boxes_without_area() -> None:
    box, others = np.array([[0.0, 0, 2, 2]]), np.array([[0.0, 0, 2, 2], [1, 0, 3, 2], [2, 0, 3, 2], [0, 0, 0, 0]])
    found = geometry.iou(box, others)
    assert found.dtype == np.float64
    assert found[0].tolist() == pytest.approx([1, 1 / 3, 0, 0])
    assert geometry.iou(np.array([[2.0, 2, 0, 0]]), box).tolist() == [[0]]


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 4), min_size=2, max_size=6))
def test_iou_is_symmetric_and_bounded(corners: list[tuple[int, int, int, int]]) -> None:
    some = np.array([[min(a, c), min(b, d), max(a, c), max(b, d)] for a, b, c, d in corners], dtype=np.float64)
    table = geometry.iou(some, some)
    assert np.allclose(table, table.T)
    assert table.min() >= 0
    assert table.max() <= 1


def test_clip_crops_boxes_and_drops_slivers() -> None:
    given = np.array([[-5, -5, 4, 4], [2, 2, 8, 30], [9, 0, 9.5, 9], [20, 20, 30, 30]], np.float32)
    assert geometry.clip(given, 10, 10).tolist() == [[0, 0, 4, 4], [2, 2, 8, 10]]


@given(st.integers(0, 60), st.integers(1, 4000), st.integers(1, 4000))
def test_grid_has_the_requested_number_of_different_boxes_inside_the_image(count: int, width: int, height: int) -> None:
    found = geometry.grid(width, height, count)
    assert found.shape == (count, 4)
    assert (found[:, :2] < found[:, 2:]).all()
    assert (found >= 0).all()
    assert (found <= np.array([width, height, width, height], np.float32) * (1 + 1e-6)).all()
    assert len(np.unique(found, axis=0)) == count
