"""The unary term of the MRF, from the scores of words and regions.

This module does not depend on the kind of model.

By v_i . s_t alone, the best region of a word is a part of the object: for "dog", the muzzle, its most typical patch.
A box that contains many regions with high scores, and few with low ones, is a better choice. So the unary term can be
summed over the regions that a box contains:

    psi_t(i) = (1 - omega) a_i^(-gamma) sum_j c_ij (y_tj + tau) + omega y_ti
    c_ij     = area(box_i ∩ box_j) / area(box_j)
    y_ti     = (z(v_i . s_t) + z(v_i . s'_t)) / 2 + lambda x_ti

where z subtracts the mean over the regions and divides by the standard deviation of all such differences in the
sentence; s'_t encodes the word alone, and x_ti says how surely region i shows the thing that word t mentions
(`word_scores`); a_i is the share of the photograph that box i covers; tau (`region_prior`) is the evidence that each
region adds regardless of its score; gamma (`area_exponent`) is the penalty on the area of a box; omega
(`own_weight`) and lambda (`name_weight`) are weights. No human annotation of boxes is used.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core import boxes as geometry
from vsa_cli.core.alignment.word_scores import WordScores
from vsa_cli.core.boxes import Boxes
from vsa_cli.core.config import AlignConfig

_FLAT = 1e-6  # scores that differ by less do not distinguish regions

UnaryTerm = Callable[[WordScores], NDArray[np.float32]]
"""From the scores of a sentence's K words to (K, R) psi."""


def unary_term(boxes: Boxes, config: AlignConfig) -> UnaryTerm:
    """The unary term for the sentences of one image.

    Args:
        boxes: (R, 4) in pixels; region 0 is the whole image.
        config: `own` evidence, or `contained` with its `region_prior` (tau), `area_exponent` (gamma), `own_weight`
            (omega) and `name_weight` (lambda).
    """
    if config.evidence == "own":
        return lambda scores: scores.in_sentence.astype(np.float32)
    own = config.own_weight
    areas = np.maximum(geometry.area(boxes), _FLAT).astype(np.float64)
    spread = geometry.containment(boxes).T / (areas / areas[0]) ** config.area_exponent  # [j, i]: from j to i

    def gathered(scores: WordScores) -> NDArray[np.float32]:
        y = (_standardised(scores.in_sentence) + _standardised(scores.alone)) / 2 + config.name_weight * scores.named
        inside = (y + config.region_prior) @ spread
        psi: NDArray[np.float32] = ((1 - own) * inside + own * y).astype(np.float32)
        return psi

    return gathered


def _standardised(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    centred = scores.astype(np.float64) - scores.mean(1, keepdims=True, dtype=np.float64)
    z: NDArray[np.float64] = centred / max(float(centred.std()), _FLAT)
    return z
