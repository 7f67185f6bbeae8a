"""Whether phrases were put where they belong: IoU of at least 0.5, and the pointing game.

Boxes are `[x1, y1, x2, y2]` in pixels. A phrase has a true box; where the ground truth gives several, their
enclosing rectangle. What is predicted is a region: the one with the largest summed score over the phrase's words,
and after the MRF the one that most of its words chose (ties: the larger summed score, then the lower index). A
phrase of which no word is known has no prediction, and is wrong. Knows no files and no sentences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MEASURES = ("pointing", "iou@0.5")
SOURCES = ("", "mrf_", "whole_", "random_", "largest_", "ceiling_")
"""Who predicts: the words one by one; the MRF; the whole image (region 0); a region drawn at random (its expected
value over all regions); the largest region beside the whole image; the best region that there is."""
COLUMNS = tuple(source + measure for source in SOURCES for measure in MEASURES)
_RIGHT = 0.5


@dataclass(frozen=True)
class Phrase:
    """A phrase with a true box.

    Attributes:
        truth: the true box (4,), in the pixels of `regions`.
        regions: boxes (R, 4); region 0 is the whole image.
        scores: of the phrase's known words over the regions (K, R); K is 0 where none is known.
        choice: the region of each known word after the MRF (K,).
    """

    truth: Array
    regions: Array
    scores: Array
    choice: NDArray[np.int64]


def enclosing_box(boxes: Array) -> Array:
    """The smallest rectangle (4,) around boxes (M, 4)."""
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def overlaps(box: Array, boxes: Array) -> Array:
    """Intersection over union of a box (4,) with each of boxes (R, 4): (R,), from 0 to 1."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.prod(np.clip(sides, 0, None), axis=1)
    union = _areas(box[None])[0] + _areas(boxes) - shared
    quotient: Array = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return quotient


def holds_centre(box: Array, boxes: Array) -> NDArray[np.bool_]:
    """Whether the centre of each of boxes (R, 4) lies in a box (4,), its edge included: the pointing game."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    held: NDArray[np.bool_] = np.all((centres >= box[:2]) & (centres <= box[2:]), axis=1)
    return held


def choose_by_score(scores: Array) -> int:
    """The region with the largest summed score, of scores (K, R) with K > 0; the lower index where equal."""
    return int(np.argmax(scores.sum(axis=0)))


def choose_by_votes(scores: Array, choice: NDArray[np.int64]) -> int:
    """The region that most words chose; of equals the larger summed score, then the lower index."""
    votes = np.bincount(choice, minlength=scores.shape[1])
    summed = scores.sum(axis=0)
    leaders = np.flatnonzero(votes == votes.max())
    return int(leaders[np.argmax(summed[leaders])])


def judge(phrase: Phrase) -> Array:
    """How right each source is about a phrase, in each measure: (len(COLUMNS),), from 0 (wrong) to 1."""
    right = np.stack(
        [holds_centre(phrase.truth, phrase.regions), overlaps(phrase.truth, phrase.regions) >= _RIGHT]
    ).astype(np.float64)  # (2, R)
    nothing = np.zeros(2)
    known = len(phrase.scores) > 0
    areas = _areas(phrase.regions)
    largest = 1 + int(np.argmax(areas[1:])) if len(areas) > 1 else 0
    return np.concatenate(
        [
            right[:, choose_by_score(phrase.scores)] if known else nothing,
            right[:, choose_by_votes(phrase.scores, phrase.choice)] if known else nothing,
            right[:, 0],
            right.mean(axis=1),
            right[:, largest],
            right.max(axis=1),
        ]
    )


def _areas(boxes: Array) -> Array:
    areas: Array = np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1)
    return areas
