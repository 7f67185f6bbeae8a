"""Captions of the regions of a photograph: each is worded for itself, and the sure and different ones are kept.

A region is shown to the model as what it has learnt from. A model of snippets (`vsa train-gen --snippets`) has
learnt from regions, each with its whole image beside it if it looks at several. Any other has learnt from whole
images, so a region is given as if it were one: alone, or followed by the regions that lie in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core import boxes as geometry
from vsa_cli.core.config import RegionCaptionConfig
from vsa_cli.core.generation.results import Candidate, CaptionModel, RegionCaption
from vsa_cli.core.regions.store import ImageRegions, pad

_INSIDE = 0.8  # of a region's area
_AT_ONCE = 512  # regions shown to the model


class RegionCaptioner:
    """Words the regions of photographs.

    Args:
        speaker: whose first candidate is taken.
        config: what is kept.
        learnt_regions: whether the model was trained on regions, not on whole images.
    """

    def __init__(self, caption_model: CaptionModel, config: RegionCaptionConfig, *, learnt_regions: bool) -> None:
        self._speaker, self._config, self._learnt_regions = caption_model, config, learnt_regions

    def caption(
        self, images: Sequence[ImageRegions], said: Sequence[tuple[Candidate, ...]]
    ) -> list[tuple[RegionCaption, ...]]:
        """Captions of the boxes of each image, surest first; region 0, the whole image, is not among them.

        Args:
            images: with all their regions.
            said: the candidates for each as a whole; a region that only says the same is dropped.
        """
        kept = []
        for image, candidates, worded in zip(images, said, self.word(images), strict=True):
            boxes = image.boxes[1:].tolist()
            captions = [
                RegionCaption((box[0], box[1], box[2], box[3]), of_box[0].caption, of_box[0].logprob or 0.0)
                for box, of_box in zip(boxes, worded, strict=True)
                if of_box
            ]
            kept.append(choose(captions, candidates[0].caption if candidates else "", self._config))
        return kept

    def word(self, images: Sequence[ImageRegions]) -> list[list[tuple[Candidate, ...]]]:
        """What is said of each box of each image, with nothing dropped."""
        views = [view for image in images for view in self._views(image)]
        keys = [f"{image.image_id}#{region}" for image in images for region in range(1, len(image.boxes))]
        found: list[tuple[Candidate, ...]] = []
        for first in range(0, len(views), _AT_ONCE):
            some = slice(first, first + _AT_ONCE)
            shown = pad(views[some]) if self._speaker.uses_regions else np.concatenate(views[some])
            found += self._speaker.caption(shown, keys[some])
        coming = iter(found)
        return [[next(coming) for _ in image.boxes[1:]] for image in images]

    def _views(self, image: ImageRegions) -> list[NDArray[np.float16]]:
        """For each region but the whole image (R', D): what the model is shown, the region itself first."""
        d = image.descriptors
        if not self._speaker.uses_regions:
            return [d[i : i + 1] for i in range(1, len(d))]
        if self._learnt_regions:
            return [d[[i, 0]] for i in range(1, len(d))]
        inside = geometry.containment(image.boxes) >= _INSIDE
        inside[:, 0] = False
        np.fill_diagonal(inside, False)
        return [np.concatenate([d[i : i + 1], d[inside[i]]]) for i in range(1, len(d))]


def choose(worded: Sequence[RegionCaption], caption: str, config: RegionCaptionConfig) -> tuple[RegionCaption, ...]:
    """The captions to keep, surest first.

    Args:
        worded: a caption for each box.
        caption: of the whole image, which no region need repeat.
        config: how sure and how different they must be, and how many.
    """
    said = set(caption.split())
    sure = [one for one in worded if one.confidence >= config.min_logprob and not _stutters(one.caption.split())]
    kept: list[RegionCaption] = []
    for one in sorted(sure, key=lambda one: -one.confidence):
        words = set(one.caption.split())
        repeats = _overlap(words, said) >= config.same or any(_same(one, other, config) for other in kept)
        if not repeats and len(kept) < config.top:
            kept.append(one)
    return tuple(kept)


def _stutters(words: Sequence[str]) -> bool:
    """Whether nothing is said, or the same twice in a row, as models do of what they have never seen the like of."""
    runs = ((start, size) for size in range(1, len(words) // 2 + 1) for start in range(len(words) - 2 * size + 1))
    return not words or any(words[s : s + n] == words[s + n : s + 2 * n] for s, n in runs)


def _same(one: RegionCaption, other: RegionCaption, config: RegionCaptionConfig) -> bool:
    """Whether two boxes are one place, or two captions say one thing of boxes that touch."""
    iou = float(geometry.iou(np.array([one.box], np.float32), np.array([other.box], np.float32))[0, 0])
    shared = _overlap(set(one.caption.split()), set(other.caption.split()))
    return iou >= config.same_place or (iou > 0 and iou + shared >= config.same)


def _overlap(words: set[str], others: set[str]) -> float:
    return len(words & others) / max(1, len(words | others))
