"""Box geometry against counting pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsa_cli.core.regions import boxes as geometry
from vsa_cli.core.regions.boxes import Boxes

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
def test_iou_counts_pixels(a: Boxes, b: Boxes) -> None:
    computed = geometry.iou(a, b)
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            shared, union = pixels(one) & pixels(other), pixels(one) | pixels(other)
            assert computed[i, j] == pytest.approx(shared.sum() / union.sum(), abs=1e-6)


@given(boxes())
def test_area_counts_pixels(a: Boxes) -> None:
    assert geometry.area(a).tolist() == [pixels(box).sum() for box in a]


def test_clip_cuts_and_drops() -> None:
    given = np.array([[-5, -5, 4, 4], [2, 2, 8, 30], [9, 0, 9.5, 9], [20, 20, 30, 30]], np.float32)
    assert geometry.clip(given, 10, 10).tolist() == [[0, 0, 4, 4], [2, 2, 8, 10]]


@given(st.integers(0, 60), st.integers(1, 4000), st.integers(1, 4000))
def test_a_grid_has_as_many_boxes_as_asked_all_inside(count: int, width: int, height: int) -> None:
    found = geometry.grid(width, height, count)
    assert found.shape == (count, 4)
    assert (found[:, :2] < found[:, 2:]).all()
    assert (found >= 0).all()
    assert (found <= np.array([width, height, width, height], np.float32) * (1 + 1e-6)).all()
    assert len(np.unique(found, axis=0)) == count
