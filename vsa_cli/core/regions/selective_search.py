"""Selective search: boxes around segments merged bottom-up, whatever they show. The only door to dlib.

Needs pixels alone, so it can run in a process that never imports torch.
"""

from __future__ import annotations

import dlib
import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.regions.boxes import Boxes

_MIN_PIXELS = 200  # segments below this many pixels are not proposed


def propose(rgb: NDArray[np.uint8]) -> Boxes:
    """(P, 4) boxes in pixels of `rgb`, (h, w, 3) uint8, in no order of merit; P may be 0."""
    found: list[dlib.rectangle] = []
    dlib.find_candidate_object_locations(rgb, found, min_size=_MIN_PIXELS)
    # dlib's right and bottom are the last pixels inside
    boxes = [(r.left(), r.top(), r.right() + 1, r.bottom() + 1) for r in found]
    return np.array(boxes, np.float32).reshape(-1, 4)
