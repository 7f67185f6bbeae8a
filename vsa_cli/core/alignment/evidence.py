"""The unary term of the MRF, from the scores of words and regions.

This module does not depend on the kind of model.

By v_i . s_t alone, the best region of a word is a part of the object: for "dog", the muzzle, its most typical patch.
A box that contains many regions with high scores, and few with low ones, is a better choice. So the unary term can be
summed over the regions that a box contains:

    psi_t(i) = a_i^(-gamma) sum_j c_ij (z_tj + tau),    c_ij = area(box_i ∩ box_j) / area(box_j)

where z_tj is v_j . s_t minus its mean over the regions, divided by the standard deviation of all such differences in
the sentence; a_i is the share of the photograph that box i covers; tau (`region_prior`) is the evidence that each
region adds regardless of its score; and gamma (`area_exponent`) is the penalty on the area of a box. No human
annotation of boxes is used.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core import boxes as geometry
from vsa_cli.core.boxes import Boxes
from vsa_cli.core.config import AlignConfig

_FLAT = 1e-6  # scores that differ by less do not distinguish regions

UnaryTerm = Callable[[NDArray[np.floating]], NDArray[np.float32]]
"""From (K, R) v_i . s_t of a sentence's K words to (K, R) psi."""


def unary_term(boxes: Boxes, config: AlignConfig) -> UnaryTerm:
    """The unary term for the sentences of one image.

    Args:
        boxes: (R, 4) in pixels; region 0 is the whole image.
        config: `own` evidence, or `contained` with its `region_prior` (tau) and `area_exponent` (gamma).
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
