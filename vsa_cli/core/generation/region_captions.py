"""Captions of the regions of a photograph: each is captioned alone, and sure, distinct captions are kept.

A region is given to the model in the form used in training. For a model trained on snippets, this is the region,
followed by the whole image if the model uses regions. For any other model, the region takes the place of the whole
image, followed by the regions inside it if the model uses regions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vsa_cli.core import boxes as geometry
from vsa_cli.core.config import RegionCaptionConfig
from vsa_cli.core.generation.results import Candidate, CaptionModel, RegionCaption
from vsa_cli.core.regions.image_regions import ImageRegions

_INSIDE = 0.8  # share of a region's area
_BATCH = 512  # regions captioned together


class RegionCaptioner:
    """Captions the regions of photographs.

    Args:
        model: the caption model; its first candidate is taken.
        config: which captions are kept.
        trained_on_regions: whether the model was trained on regions.
        style: the style of captions of regions; None if the model has no such style.
    """

    def __init__(
        self, model: CaptionModel, config: RegionCaptionConfig, *, trained_on_regions: bool, style: str | None = None
    ) -> None:
        self._model, self._config, self._style = model, config, style
        self._trained_on_regions = trained_on_regions

    def caption(
        self, images: Sequence[ImageRegions], captions: Sequence[tuple[Candidate, ...]]
    ) -> list[tuple[RegionCaption, ...]]:
        """Captions of the boxes of each image, the surest first; without region 0, the whole image.

        Args:
            images: the images, with all their regions.
            captions: the candidates for each whole image; a region caption that repeats the first is dropped.
        """
        kept = []
        for image, candidates, of_boxes in zip(images, captions, self.caption_all(images), strict=True):
            boxes = image.boxes[1:].tolist()
            found = [
                RegionCaption((box[0], box[1], box[2], box[3]), first.caption, first.logprob or 0.0, first.confidence)
                for box, of_box in zip(boxes, of_boxes, strict=True)
                for first in of_box[:1]
            ]
            kept.append(choose(found, candidates[0].caption if candidates else "", self._config))
        return kept

    def caption_all(self, images: Sequence[ImageRegions]) -> list[list[tuple[Candidate, ...]]]:
        """All candidates for each box of each image."""
        views = [view for image in images for view in self._views(image)]
        keys = [f"{image.image_id}#{region}" for image in images for region in range(1, len(image.boxes))]
        found: list[tuple[Candidate, ...]] = []
        for first in range(0, len(views), _BATCH):
            part = slice(first, first + _BATCH)
            found += self._model.caption(views[part], keys[part], self._style)
        in_order = iter(found)
        return [[next(in_order) for _ in image.boxes[1:]] for image in images]

    def _views(self, image: ImageRegions) -> list[ImageRegions]:
        """For each region except the whole image, the regions given to the model, its own first."""
        regions = range(1, len(image.boxes))
        if not self._model.uses_regions:
            return [image.take([region]) for region in regions]
        if self._trained_on_regions:
            return [image.take([region, 0]) for region in regions]
        inside = geometry.containment(image.boxes) >= _INSIDE
        inside[:, 0] = False
        np.fill_diagonal(inside, False)
        return [image.take([region, *inside[region].nonzero()[0].tolist()]) for region in regions]


def choose(captions: Sequence[RegionCaption], whole: str, config: RegionCaptionConfig) -> tuple[RegionCaption, ...]:
    """The captions to keep, those of the highest confidence first; without confidences, the likeliest.

    Args:
        captions: a caption for each box.
        whole: the caption of the whole image, which no region caption should repeat.
        config: how likely and how distinct they must be, and how many are kept.
    """
    whole_words = set(whole.split())
    sure = [one for one in captions if _is_sure(one, config) and not _stutters(one.caption.split())]
    kept: list[RegionCaption] = []
    for one in sorted(sure, key=lambda one: (-(one.confidence or 0.0), -one.mean_logprob)):
        words = set(one.caption.split())
        repeats = _overlap(words, whole_words) >= config.same or any(_same(one, other, config) for other in kept)
        if not repeats and len(kept) < config.top:
            kept.append(one)
    return tuple(kept)


def _is_sure(one: RegionCaption, config: RegionCaptionConfig) -> bool:
    is_likely = one.mean_logprob >= config.min_logprob
    return is_likely and (one.confidence is None or one.confidence >= config.min_confidence)


def _stutters(words: Sequence[str]) -> bool:
    """Whether a caption is empty or repeats a phrase, as models do on unfamiliar inputs."""
    runs = ((start, size) for size in range(1, len(words) // 2 + 1) for start in range(len(words) - 2 * size + 1))
    return not words or any(words[s : s + n] == words[s + n : s + 2 * n] for s, n in runs)


def _same(one: RegionCaption, other: RegionCaption, config: RegionCaptionConfig) -> bool:
    """Whether two region captions have boxes in one place, or overlapping boxes and similar words."""
    iou = float(geometry.iou(np.array([one.box], np.float32), np.array([other.box], np.float32))[0, 0])
    shared = _overlap(set(one.caption.split()), set(other.caption.split()))
    return iou >= config.same_place or (iou > 0 and iou + shared >= config.same)


def _overlap(words: set[str], others: set[str]) -> float:
    return len(words & others) / max(1, len(words | others))
