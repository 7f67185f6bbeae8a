"""Box proposals by selective search, and which of them to keep: a small set that represents as many as possible.

Every proposal is a place where something may be. A chosen box stands for those that overlap it (wholly from IoU
0.7, not at all below 0.3); each counts by how surely the ImageNet classifier sees one of its classes in it, and
by its size, since people name large things before small ones. Choosing greedily, a box earns its place by what it
adds to the whole image and to those chosen before: a new place, or a new size.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core import boxes as geometry
from vsa_cli.core.boxes import Boxes
from vsa_cli.core.io.images import Picture, resize
from vsa_cli.core.regions.features import FeatureExtractor

SIDE = 112
"""Shorter side, in pixels, at which segments are sought: half the time of 150 at the same recall."""

COARSENESSES = (100.0, 200.0, 400.0)
"""k of the graph segmentations that merging starts from: larger k, larger segments."""

_SMOOTHING, _MIN_PIXELS = 0.8, 100  # of a graph segmentation

cv2.setNumThreads(1)  # photographs run in parallel, not the parts of one


def propose(rgb: NDArray[np.uint8]) -> Boxes:
    """(P, 4) boxes in pixels of `rgb`, (h, w, 3) uint8, in no order of merit, none twice; P may be 0.

    Segments of three coarsenesses in two colour spaces, each merged by how alike in colour, how small and how
    well fitting two neighbours are. Without OpenCV's texture histograms and second pass this takes two thirds of
    the time of its "fast" mode, and its boxes cover as much.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, SIDE / min(height, width))
    small = resize(rgb, max(8, round(width * scale)), max(8, round(height * scale)))
    search = _search(np.ascontiguousarray(small))
    corners_and_sides = np.asarray(search.process(), np.float32).reshape(-1, 4)
    boxes = np.unique(corners_and_sides, axis=0)
    boxes[:, 2:] += boxes[:, :2]
    back = np.array([width / small.shape[1], height / small.shape[0]] * 2, np.float32)
    return boxes * back


def _search(rgb: NDArray[np.uint8]) -> Any:
    module = cv2.ximgproc.segmentation
    search = module.createSelectiveSearchSegmentation()
    search.setBaseImage(rgb)
    search.clearImages()
    search.clearGraphSegmentations()
    search.clearStrategies()
    for space in (cv2.COLOR_RGB2Lab, cv2.COLOR_RGB2HSV):
        search.addImage(cv2.cvtColor(rgb, space))
    for coarseness in COARSENESSES:
        search.addGraphSegmentation(module.createGraphSegmentation(_SMOOTHING, coarseness, _MIN_PIXELS))
    alike = module.createSelectiveSearchSegmentationStrategyMultiple()
    for part in (
        module.createSelectiveSearchSegmentationStrategyColor(),
        module.createSelectiveSearchSegmentationStrategySize(),
        module.createSelectiveSearchSegmentationStrategyFill(),
    ):
        alike.addStrategy(part, 1 / 3)
    search.addStrategy(alike)
    return search


SMALLEST, LARGEST = 0.005, 0.97
"""Shares of the photograph's area outside which a proposal is a speck, or the whole image again."""

_NONE, _ALL = 0.3, 0.7  # IoU from which, and up to which, a box begins to stand for another
_SIZE = 0.8  # exponent of the area


@torch.inference_mode()
def class_confidence(
    feature_extractor: FeatureExtractor, feature_map: Tensor, picture: Picture, boxes: Boxes
) -> NDArray[np.float32]:
    """(P,) the largest ImageNet probability in each box, by the map of the whole photograph."""
    descriptors = feature_extractor.pool(feature_map, picture, boxes)
    confidence: NDArray[np.float32] = feature_extractor.cnn.logits(descriptors).softmax(-1).amax(-1).cpu().numpy()
    return confidence


def plausible(boxes: Boxes, width: int, height: int) -> Boxes:
    """The boxes that are neither specks nor the whole image again."""
    share = geometry.area(boxes) / (width * height)
    return boxes[(share > SMALLEST) & (share < LARGEST)]


def select(
    boxes: Boxes, confidence: NDArray[np.float32], width: int, height: int, count: int
) -> tuple[Boxes, NDArray[np.float32]]:
    """Greedy maximum coverage (within 1 - 1/e of the best set there is).

    Args:
        boxes: (P, 4) candidates, in pixels.
        confidence: (P,) how surely something is there; only their order matters.
        width: of the photograph, in pixels.
        height: likewise.
        count: how many to choose, at most.

    Returns:
        (R, 4) boxes, R <= count, in the order of choice, and (R,) the share of all weight that each added.
    """
    if len(boxes) == 0:
        return boxes, np.zeros(0, np.float32)
    order = confidence.argsort(kind="stable").argsort(kind="stable") + 1.0
    weight = order / len(boxes) * geometry.area(boxes) ** _SIZE
    weight /= weight.sum()
    stands_for = _ramp(geometry.iou(boxes, boxes))
    covered = _ramp(geometry.iou(geometry.whole(width, height), boxes)[0])
    chosen: list[int] = []
    gains: list[float] = []
    for _ in range(min(count, len(boxes))):
        added = np.maximum(stands_for - covered, 0) @ weight
        added[chosen] = -1  # once all is covered, the likeliest of the rest follow
        best = int(added.argmax())
        chosen.append(best)
        gains.append(float(added[best]))
        covered = np.maximum(covered, stands_for[best])
    return boxes[chosen], np.array(gains, np.float32)


def _ramp(iou: NDArray[np.float32]) -> NDArray[np.float32]:
    share: NDArray[np.float32] = np.clip((iou - _NONE) / (_ALL - _NONE), 0, 1)
    return share
