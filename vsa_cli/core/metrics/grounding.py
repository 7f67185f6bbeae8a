"""Phrase grounding: accuracy at IoU 0.5 and in the pointing game.

Boxes are `[x1, y1, x2, y2]` in pixels. A phrase has one ground-truth box: if several were annotated, the rectangle that
encloses them. The prediction is a region. Without the MRF it is the region with the largest score, summed over the
words of the phrase; with the MRF it is the region that was chosen for most of the words (ties go to the larger summed
score, then to the lower index). A phrase with no known word has no prediction and counts as wrong. This module does
not use files or sentences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.boxes import area, iou

Array = NDArray[np.float64]

MEASURES = ("pointing", "iou@0.5")
SOURCES = ("", "mrf_", "whole_", "random_", "largest_", "ceiling_")
"""Prefixes of the predictors: independent words; the MRF; the whole image (region 0); a random region (the expected
accuracy over all regions); the largest region other than the whole image; the best of all regions (an upper bound)."""
COLUMNS = tuple(source + measure for source in SOURCES for measure in MEASURES)
_IOU_THRESHOLD = 0.5


@dataclass(frozen=True)
class Phrase:
    """A phrase with its ground-truth box.

    Attributes:
        truth: the ground-truth box (4,), in the same pixels as `regions`.
        regions: boxes (R, 4); region 0 is the whole image.
        scores: score of each known word of the phrase for each region (K, R); K may be 0.
        choice: the region that the MRF chose for each known word (K,).
    """

    truth: Array
    regions: Array
    scores: Array
    choice: NDArray[np.int64]


def enclosing_box(boxes: Array) -> Array:
    """The smallest rectangle (4,) around boxes (M, 4)."""
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def contains_centres(box: Array, boxes: Array) -> NDArray[np.bool_]:
    """(R,) whether the centre of each of boxes (R, 4) lies in a box (4,), edges included: the pointing game."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside: NDArray[np.bool_] = np.all((centres >= box[:2]) & (centres <= box[2:]), axis=1)
    return inside


def choose_by_score(scores: Array) -> int:
    """The region with the largest summed score; `scores` is (K, R), K > 0. Ties go to the lower index."""
    return int(np.argmax(scores.sum(axis=0)))


def choose_by_votes(scores: Array, choice: NDArray[np.int64]) -> int:
    """The region chosen for most words. Ties go to the larger summed score, then to the lower index."""
    votes = np.bincount(choice, minlength=scores.shape[1])
    summed = scores.sum(axis=0)
    leaders = np.flatnonzero(votes == votes.max())
    return int(leaders[np.argmax(summed[leaders])])


def grounding_accuracy(phrase: Phrase) -> Array:
    """Accuracy of each predictor on one phrase, by each measure: (len(COLUMNS),), from 0 (wrong) to 1 (right)."""
    truth, regions = phrase.truth, phrase.regions
    right = np.stack([contains_centres(truth, regions), iou(truth[None], regions)[0] >= _IOU_THRESHOLD]).astype(
        np.float64
    )  # (2, R)
    no_prediction = np.zeros(2)
    known = len(phrase.scores) > 0
    areas = area(regions)
    largest = 1 + int(np.argmax(areas[1:])) if len(areas) > 1 else 0
    return np.concatenate(
        [
            right[:, choose_by_score(phrase.scores)] if known else no_prediction,
            right[:, choose_by_votes(phrase.scores, phrase.choice)] if known else no_prediction,
            right[:, 0],
            right.mean(axis=1),
            right[:, largest],
            right.max(axis=1),
        ]
    )
