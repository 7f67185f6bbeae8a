"""Which proposals to keep: those that together stand for the most."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from vsa_cli.core.pictures import Picture
from vsa_cli.core.regions import boxes as geometry
from vsa_cli.core.regions.boxes import Boxes
from vsa_cli.core.regions.describe import Describer


@torch.inference_mode()
def class_confidence(
    describer: Describer, feature_map: torch.Tensor, picture: Picture, boxes: Boxes
) -> NDArray[np.float32]:
    """(P,) the ImageNet classifier's largest probability in each box."""
    descriptors = describer.pool(feature_map, picture, boxes)
    return describer.cnn.logits(descriptors).softmax(-1).amax(-1).cpu().numpy()


def select(
    boxes: Boxes, confidence: NDArray[np.float32], width: int, height: int, count: int
) -> tuple[Boxes, NDArray[np.float32]]:
    """Greedy maximum coverage."""
    if len(boxes) == 0:
        return boxes, np.zeros(0, np.float32)
    weight = confidence * np.sqrt(geometry.area(boxes))
    similar = np.clip((geometry.iou(boxes, boxes) - 0.3) / 0.4, 0, 1)
    covered = np.clip((geometry.iou(geometry.whole(width, height), boxes)[0] - 0.3) / 0.4, 0, 1)
    chosen: list[int] = []
    scores = []
    for _ in range(min(count, len(boxes))):
        gains = (np.maximum(similar - covered, 0) * weight).sum(1)
        gains[chosen] = -1
        best = int(gains.argmax())
        chosen.append(best)
        scores.append(gains[best])
        covered = np.maximum(covered, similar[best])
    return boxes[chosen], np.array(scores, np.float32)
