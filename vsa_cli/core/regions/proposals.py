"""Box proposals by selective search, and the choice of a few that represent as many of them as possible.

A proposal is a place where an object may be. A chosen box represents the proposals that overlap it: wholly from an IoU
of 0.7, not at all below 0.3. A proposal is weighted by the confidence of the ImageNet classifier that one of its
classes is inside; by its area, since people name large objects before small ones; and by how near it is to the vertical
middle line, since people photograph what interests them there. Boxes are chosen greedily, by what each adds to the
whole image and the boxes chosen before: a new place, or a new size.
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

SIDE = 72
"""Shorter side, in pixels, to which a photograph is reduced for the search; its time grows with the square."""

COARSENESSES = (64.0, 128.0, 256.0)
"""The parameter k of the initial graph-based segmentations (Felzenszwalb): a larger k gives larger segments."""

SMALLEST, LARGEST = 0.005, 0.97
"""Minimum and maximum area of a proposal, as shares of the photograph's area."""

_SMOOTHING, _MIN_PIXELS = 0.7, 41  # sigma and smallest segment of a graph segmentation
_NONE, _ALL = 0.3, 0.7  # IoU up to which a box does not represent another, and from which it does wholly
_AREA_EXPONENT = 0.8
_CENTRE_DEVIATION = 0.35  # of the middle of a box from that of the image, in widths of the image

cv2.setNumThreads(1)  # photographs run in parallel, not the parts of one


def propose(rgb: NDArray[np.uint8]) -> Boxes:
    """(P, 4) distinct boxes in pixels of `rgb`, (h, w, 3) uint8, unordered; P may be 0.

    Segments of three coarsenesses in two colour spaces, merged by the similarity in colour, the size and the fit of two
    neighbours. Without OpenCV's texture histograms and second pass this takes two thirds of the time of its "fast"
    mode, at the same recall.
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
    similarity = module.createSelectiveSearchSegmentationStrategyMultiple()
    for part in (
        module.createSelectiveSearchSegmentationStrategyColor(),
        module.createSelectiveSearchSegmentationStrategySize(),
        module.createSelectiveSearchSegmentationStrategyFill(),
    ):
        similarity.addStrategy(part, 1 / 3)
    search.addStrategy(similarity)
    return search


@torch.inference_mode()
def class_confidence(
    features: FeatureExtractor, feature_map: Tensor, picture: Picture, boxes: Boxes
) -> NDArray[np.float32]:
    """(P,) largest ImageNet probability of each box, pooled from the map of the whole photograph."""
    logits = features.logits(feature_map, picture, boxes)
    confidence: NDArray[np.float32] = logits.softmax(-1).amax(-1).cpu().numpy()
    return confidence


def plausible(boxes: Boxes, width: int, height: int) -> Boxes:
    """The boxes that are neither too small nor almost the whole image."""
    share = geometry.area(boxes) / (width * height)
    return boxes[(share > SMALLEST) & (share < LARGEST)]


def select(
    boxes: Boxes,
    confidence: NDArray[np.float32],
    width: int,
    height: int,
    count: int,
    taken: Boxes | None = None,
) -> tuple[Boxes, NDArray[np.float32]]:
    """Greedy maximum coverage, which reaches at least 1 - 1/e of the best coverage.

    The weight of box i is w_i = r_i a_i^0.8 exp(-x_i^2 / (2 s^2)), up to a factor: r_i is the rank of its confidence,
    the least confident having 1, a_i its area, x_i the horizontal distance of its middle from that of the image, in
    widths of the image, and s = 0.35.

    Args:
        boxes: (P, 4) candidates, in pixels.
        confidence: (P,) confidence that an object is in each; only their order matters.
        width: width of the photograph, in pixels.
        height: height of the photograph, in pixels.
        count: the maximum number of boxes to choose.
        taken: (T, 4) boxes that are regions already, besides the whole image.

    Returns:
        (R, 4) boxes, R <= count, in the order of choice, and (R,) the share of the total weight that each added.
    """
    if len(boxes) == 0:
        return boxes, np.zeros(0, np.float32)
    order = confidence.argsort(kind="stable").argsort(kind="stable") + 1.0
    off_centre = (boxes[:, 0] + boxes[:, 2]) / (2 * width) - 0.5
    weight = order * geometry.area(boxes) ** _AREA_EXPONENT * np.exp(-0.5 * (off_centre / _CENTRE_DEVIATION) ** 2)
    weight = (weight / weight.sum()).astype(np.float32)  # else every step converts `represents` to float64
    represents = _ramp(geometry.iou(boxes, boxes))
    whole = geometry.whole(width, height)
    given = whole if taken is None else np.concatenate([whole, taken])
    covered = _ramp(geometry.iou(given, boxes)).max(0)
    chosen: list[int] = []
    gains: list[float] = []
    for _ in range(min(count, len(boxes))):
        added = np.maximum(represents - covered, 0) @ weight
        added[chosen] = -1  # not twice; once everything is covered, the likeliest of the rest follow
        best = int(added.argmax())
        chosen.append(best)
        gains.append(float(added[best]))
        covered = np.maximum(covered, represents[best])
    return boxes[chosen], np.array(gains, np.float32)


def _ramp(iou: NDArray[np.float32]) -> NDArray[np.float32]:
    share: NDArray[np.float32] = np.clip((iou - _NONE) / (_ALL - _NONE), 0, 1)
    return share
