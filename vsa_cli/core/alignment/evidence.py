"""What a region has to say for a word when the regions inside it speak too. Knows no model: scores in, scores out.

A word's best region by v_i . s_t alone is a part: "dog" finds the muzzle, the most typical patch of it. A box that
holds many regions which the word likes, and few that it dislikes, is the better answer. So the unary term of the
MRF may be gathered over the regions that a box contains:

    psi_t(i) = a_i^(-gamma) sum_j c_ij (z_tj + tau),    c_ij = |box_i n box_j| / |box_j|

where z_tj is v_j . s_t minus its mean over the regions, in standard deviations over the sentence, a_i the share of
the photograph that box i covers, tau what a region counts for by itself, and gamma what a box pays for its size.
No box drawn by a human takes part.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core import boxes as geometry
from vsa_cli.core.boxes import Boxes
from vsa_cli.core.config import AlignConfig

_FLAT = 1e-6  # scores that differ by less say nothing about place

Weigh = Callable[[NDArray[np.floating]], NDArray[np.float32]]
"""(K, R) v_i . s_t of a sentence's K words to (K, R) psi."""


def evidence_of(boxes: Boxes, config: AlignConfig) -> Weigh:
    """What the regions of an image say for the words of each of its sentences.

    Args:
        boxes: (R, 4) in pixels; region 0 is the whole image.
        config: `own` evidence, or `contained` with its `lift` (tau) and `size_cost` (gamma).
    """
    if config.evidence == "own":
        return lambda scores: scores.astype(np.float32)
    areas = np.maximum(geometry.area(boxes), _FLAT).astype(np.float64)
    spread = geometry.containment(boxes).T / (areas / areas[0]) ** config.area_exponent  # [j, i]: from j to i

    def gathered(scores: NDArray[np.floating]) -> NDArray[np.float32]:
        centred = scores.astype(np.float64) - scores.mean(1, keepdims=True)
        z = centred / max(float(centred.std()), _FLAT)
        psi: NDArray[np.float32] = ((z + config.region_prior) @ spread).astype(np.float32)
        return psi

    return gathered
