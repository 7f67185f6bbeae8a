"""Which proposals to keep: a small set that stands for as many of them as possible.

Every proposal is a place where something may be. A chosen box stands for those that overlap it (wholly from IoU
0.7, not at all below 0.3); each counts by how surely the ImageNet classifier sees one of its classes in it, and
by its size, since people name large things before small ones. Choosing greedily, a box earns its place by what it
adds to the whole image and to those chosen before: a new place, or a new size.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core.pictures import Picture
from vsa_cli.core.regions import boxes as geometry
from vsa_cli.core.regions.boxes import Boxes
from vsa_cli.core.regions.describe import Describer

SMALLEST, LARGEST = 0.005, 0.97
"""Shares of the photograph's area outside which a proposal is a speck, or the whole image again."""

_NONE, _ALL = 0.3, 0.7  # IoU from which, and up to which, a box begins to stand for another
_SIZE = 0.8  # exponent of the area


@torch.inference_mode()
def class_confidence(describer: Describer, feature_map: Tensor, picture: Picture, boxes: Boxes) -> NDArray[np.float32]:
    """(P,) the largest ImageNet probability in each box, by the map of the whole photograph."""
    descriptors = describer.pool(feature_map, picture, boxes)
    confidence: NDArray[np.float32] = describer.cnn.logits(descriptors).softmax(-1).amax(-1).cpu().numpy()
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
