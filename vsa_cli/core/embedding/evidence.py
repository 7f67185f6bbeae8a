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

import numpy as np
from numpy.typing import NDArray

_FLAT = 1e-6  # scores that differ by less say nothing about place


def gather(
    scores: NDArray[np.floating], boxes: NDArray[np.floating], *, lift: float, size_cost: float
) -> NDArray[np.float32]:
    """The evidence of every region for every word of a sentence.

    Args:
        scores: (K, R) v_i . s_t of K words.
        boxes: (R, 4) in pixels; region 0 is the whole image.
        lift: tau, in standard deviations of the sentence's centred scores.
        size_cost: gamma, from 0 (large boxes are free) to 1 (the mean, rather than the sum, is what counts).

    Returns:
        (K, R) psi.
    """
    centred = scores.astype(np.float64) - scores.mean(1, keepdims=True)
    z = centred / max(float(centred.std()), _FLAT)
    covered = _shared(boxes.astype(np.float64))
    areas: NDArray[np.float64] = np.diag(covered)
    contained = covered / areas
    psi: NDArray[np.float64] = (z + lift) @ contained.T / (areas / areas[0]) ** size_cost
    gathered: NDArray[np.float32] = psi.astype(np.float32)
    return gathered


def _shared(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(R, R) area that two boxes share; the diagonal, their own, is at least a millionth of a pixel."""
    sides = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    shared: NDArray[np.float64] = np.prod(np.clip(sides, 0, None), axis=2)
    np.fill_diagonal(shared, np.maximum(np.diag(shared), 1e-6))
    return shared
