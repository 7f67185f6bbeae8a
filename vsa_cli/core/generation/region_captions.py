"""Captions of the regions of a photograph: each is worded for itself, and the sure and different ones are kept.

A region is shown to the model as what it has learnt from. A model of snippets (`vsa train-gen --snippets`) has
learnt from regions, each with its whole image beside it if it looks at several. Any other has learnt from whole
images, so a region is given as if it were one: alone, or followed by the regions that lie in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.config import RegionCaptionConfig
from vsa_cli.core.generation.captioned import Candidate, RegionCaption
from vsa_cli.core.generation.captioner import Captioner
from vsa_cli.core.generation.streams import pad
from vsa_cli.core.regions import boxes as geometry
from vsa_cli.core.regions.boxes import Boxes
from vsa_cli.core.regions.store import ImageRegions

_INSIDE = 0.8  # of a region's area
_AT_ONCE = 512  # regions shown to the model


class RegionCaptioner:
    """Words the regions of photographs.

    Args:
        captioner: whose first candidate is taken.
        config: what is kept.
        learnt_regions: whether the model was trained on regions, not on whole images.
    """

    def __init__(self, captioner: Captioner, config: RegionCaptionConfig, *, learnt_regions: bool) -> None:
        self._captioner, self._config, self._learnt_regions = captioner, config, learnt_regions

    def caption(
        self, images: Sequence[ImageRegions], said: Sequence[tuple[Candidate, ...]]
    ) -> list[tuple[RegionCaption, ...]]:
        """Captions of the boxes of each image, surest first; region 0, the whole image, is not among them.

        Args:
            images: with all their regions.
            said: the candidates for each as a whole; a region that only says the same is dropped.
        """
        views = [view for image in images for view in self._views(image)]
        keys = [f"{image.image_id}#{region}" for image in images for region in range(1, len(image.boxes))]
        found: list[tuple[Candidate, ...]] = []
        for first in range(0, len(views), _AT_ONCE):
            some = slice(first, first + _AT_ONCE)
            shown = pad(views[some]) if self._captioner.looks_at_regions else np.concatenate(views[some])
            found += self._captioner.caption(shown, keys[some])
        coming = iter(found)
        kept = []
        for image, candidates in zip(images, said, strict=True):
            boxes = image.boxes[1:].tolist()
            worded = [
                RegionCaption((box[0], box[1], box[2], box[3]), of_box[0].caption, of_box[0].logprob or 0.0)
                for box in boxes
                if (of_box := next(coming))
            ]
            kept.append(choose(worded, candidates[0].caption if candidates else "", _whole(image), self._config))
        return kept

    def _views(self, image: ImageRegions) -> list[NDArray[np.float16]]:
        """For each region but the whole image (R', D): what the model is shown, the region itself first."""
        d = image.descriptors
        if not self._captioner.looks_at_regions:
            return [d[i : i + 1] for i in range(1, len(d))]
        if self._learnt_regions:
            return [d[[i, 0]] for i in range(1, len(d))]
        inside = _share_inside(image.boxes) >= _INSIDE
        inside[0] = False
        np.fill_diagonal(inside, False)
        return [np.concatenate([d[i : i + 1], d[inside[:, i]]]) for i in range(1, len(d))]


def choose(
    worded: Sequence[RegionCaption], caption: str, whole: tuple[float, float, float, float], config: RegionCaptionConfig
) -> tuple[RegionCaption, ...]:
    """The captions to keep, surest first.

    Args:
        worded: a caption for each box.
        caption: of the whole image, which no region need repeat.
        whole: the box of the whole image.
        config: how sure and how different they must be, and how many.
    """
    sure = [one for one in worded if one.confidence >= config.min_logprob and not _stutters(one.caption.split())]
    sure.sort(key=lambda one: -one.confidence)
    kept: list[RegionCaption] = []
    told = [(whole, set(caption.split()))]
    for one in sure:
        words = set(one.caption.split())
        if len(kept) < config.top and not any(_same(one.box, words, *other, config) for other in told):
            kept.append(one)
            told.append((one.box, words))
    return tuple(kept)


def _stutters(words: Sequence[str]) -> bool:
    """Whether nothing is said, or the same twice in a row, as models do of what they have never seen the like of."""
    runs = ((start, size) for size in range(1, len(words) // 2 + 1) for start in range(len(words) - 2 * size + 1))
    return not words or any(words[s : s + n] == words[s + n : s + 2 * n] for s, n in runs)


def _same(
    box: tuple[float, float, float, float],
    words: set[str],
    other_box: tuple[float, float, float, float],
    other_words: set[str],
    config: RegionCaptionConfig,
) -> bool:
    """Whether two boxes are one place, or two captions say one thing of places that touch."""
    iou = float(geometry.iou(_array(box), _array(other_box))[0, 0])
    overlap = len(words & other_words) / max(1, len(words | other_words))
    return iou >= config.same_place or (iou > 0 and iou + overlap >= config.same)


def _array(box: tuple[float, float, float, float]) -> Boxes:
    return np.array([box], np.float32)


def _whole(image: ImageRegions) -> tuple[float, float, float, float]:
    return 0.0, 0.0, float(image.width), float(image.height)


def _share_inside(boxes: Boxes) -> NDArray[np.float32]:
    """(R, R): of the area of each box, the share that lies in each other."""
    sides = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    shared: NDArray[np.float32] = np.clip(sides, 0, None).prod(-1) / np.maximum(geometry.area(boxes), 1e-9)[:, None]
    return shared
