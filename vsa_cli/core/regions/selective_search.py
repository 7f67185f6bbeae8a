"""Selective search: boxes around segments merged bottom-up, whatever they show. The only door to OpenCV."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.pictures import resize
from vsa_cli.core.regions.boxes import Boxes

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
