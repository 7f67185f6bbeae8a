"""The choice of proposals: against the greedy definition, against exhaustive search, and in edge cases."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsa_cli.core import boxes as geometry
from vsa_cli.core.boxes import Boxes
from vsa_cli.core.regions.proposals import plausible, propose, select

SIDE = 100


def random_boxes(seed: int, count: int) -> Boxes:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 60, (count, 2))
    return np.hstack([corner, corner + rng.uniform(5, 39, (count, 2))]).astype(np.float32)


def coverage(chosen: tuple[int, ...], boxes: Boxes, weight: np.ndarray) -> float:
    """The weight that a set of boxes represents, with the whole image; without vectorisation."""
    total = 0.0
    for j, target in enumerate(boxes):
        chosen_boxes = [geometry.whole(SIDE, SIDE)[0], *boxes[list(chosen)]]
        best = max(float(geometry.iou(one[None], target[None])[0, 0]) for one in chosen_boxes)
        total += weight[j] * min(max((best - 0.3) / 0.4, 0.0), 1.0)
    return total


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 3))
def test_the_choice_is_near_the_best_set(seed: int, count: int) -> None:
    boxes = random_boxes(seed, 8)
    confidence = np.random.default_rng(seed + 1).random(8).astype(np.float32)
    weight = (confidence.argsort().argsort() + 1) * geometry.area(boxes) ** 0.8
    middle = (boxes[:, 0] + boxes[:, 2]) / 2 / SIDE
    weight = weight * np.exp(-((middle - 0.5) ** 2) / (2 * 0.35**2))
    weight = weight / weight.sum()
    chosen, gains = select(boxes, confidence, SIDE, SIDE, count)
    indices = tuple(int(np.flatnonzero((boxes == box).all(1))[0]) for box in chosen)
    best = max(coverage(some, boxes, weight) for some in itertools.combinations(range(8), count))
    start = coverage((), boxes, weight)
    assert coverage(indices, boxes, weight) - start == pytest.approx(float(gains.sum()), abs=1e-5)
    assert gains.sum() >= (1 - 1 / math.e) * (best - start) - 1e-6
    assert (np.diff(gains) <= 1e-6).all()


@given(st.integers(0, 40), st.integers(0, 30))
def test_no_box_is_chosen_twice(candidates: int, count: int) -> None:
    boxes = random_boxes(3, candidates)
    chosen, gains = select(boxes, np.ones(candidates, np.float32), SIDE, SIDE, count)
    assert len(chosen) == len(gains) == min(candidates, count)
    assert len(np.unique(chosen, axis=0)) == len(chosen)


def test_a_box_in_a_new_place_is_preferred_to_a_similar_box() -> None:
    boxes = np.array([[5, 5, 45, 45], [6, 6, 46, 46], [70, 70, 90, 90]], np.float32)
    chosen, _ = select(boxes, np.array([0.9, 0.8, 0.1], np.float32), SIDE, SIDE, 2)
    assert [70, 70, 90, 90] in chosen.tolist()


@given(st.integers(0, 10**6), st.integers(0, 6))
def test_boxes_that_are_regions_already_represent_proposals(seed: int, taken: int) -> None:
    """The choice goes on as if the boxes taken had been chosen first."""
    boxes, confidence = random_boxes(seed, 20), np.random.default_rng(seed).random(20).astype(np.float32)
    chosen, gains = select(boxes, confidence, SIDE, SIDE, 9)
    rest, rest_gains = select(boxes, confidence, SIDE, SIDE, 9 - taken, chosen[:taken])
    positive = gains[taken:] > 1e-6  # once everything is represented, any box may follow
    assert np.array_equal(rest[positive], chosen[taken:][positive])
    assert rest_gains[positive] == pytest.approx(gains[taken:][positive], abs=1e-6)


def test_of_two_equal_boxes_the_one_in_the_middle_is_preferred() -> None:
    boxes = np.array([[0, 40, 20, 60], [40, 40, 60, 60], [80, 40, 100, 60]], np.float32)
    chosen, _ = select(boxes, np.array([0.3, 0.3, 0.3], np.float32), SIDE, SIDE, 1)
    assert chosen.tolist() == [[40, 40, 60, 60]]


def test_objects_on_a_plain_ground_are_proposed() -> None:
    rgb = np.full((224, 300, 3), 230, np.uint8)
    objects = np.array([[30, 60, 120, 160], [180, 90, 260, 200]], np.float32)
    for (x1, y1, x2, y2), colour in zip(objects.astype(int).tolist(), ([200, 30, 30], [20, 60, 180]), strict=True):
        rgb[y1:y2, x1:x2] = colour
    assert (geometry.iou(objects, propose(rgb)).max(1) > 0.8).all()


def test_tiny_boxes_and_the_whole_image_are_not_candidates() -> None:
    boxes = np.array([[0, 0, 3, 3], [0, 0, 100, 99], [10, 10, 60, 60]], np.float32)
    assert plausible(boxes, SIDE, SIDE).tolist() == [[10, 10, 60, 60]]


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (7, 9), (64, 64)])
def test_proposals_of_empty_pictures_lie_inside(shape: tuple[int, int]) -> None:
    height, width = shape
    found = propose(np.full((height, width, 3), 200, np.uint8))
    assert found.shape[1] == 4
    assert (found >= 0).all()
    assert (found[:, 2:] <= np.array([width, height]) * (1 + 1e-5) + 1e-3).all()


def test_proposals_are_deterministic() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    assert np.array_equal(propose(rgb), propose(rgb))
