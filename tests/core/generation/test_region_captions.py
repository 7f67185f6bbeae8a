"""Captions of regions: those kept are confident and distinct, and regions are given to the model as in training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsa_cli.core import boxes as geometry
from vsa_cli.core.config import RegionCaptionConfig
from vsa_cli.core.generation.region_captions import RegionCaptioner, choose
from vsa_cli.core.generation.results import Box, Candidate, RegionCaption
from vsa_cli.core.regions.image_regions import ImageRegions

CONFIG = RegionCaptionConfig(min_logprob=-1.0, top=3, same_place=0.6, same=0.75)
corners = st.tuples(*(st.integers(0, 8) for _ in range(4)))
boxes = corners.map(lambda c: (float(c[0]), float(c[1]), float(c[0] + c[2] + 1), float(c[1] + c[3] + 1)))
sentences = st.lists(st.sampled_from(["a", "dog", "runs", "red", "fast"]), max_size=5).map(" ".join)
confidences = st.none() | st.floats(0, 1)
found_captions = confidences.flatmap(  # of all captions, or of none
    lambda one: st.lists(
        st.builds(RegionCaption, boxes, sentences, st.floats(-12, 0), st.none() if one is None else st.floats(0, 1)),
        max_size=8,
    )
)


def iou(a: RegionCaption, b: RegionCaption) -> float:
    return float(geometry.iou(np.array([a.box], np.float32), np.array([b.box], np.float32))[0, 0])


def shared(a: str, b: str) -> float:
    words, others = set(a.split()), set(b.split())
    return len(words & others) / max(1, len(words | others))


def alike(a: RegionCaption, b: RegionCaption) -> bool:
    place = iou(a, b)
    return place >= CONFIG.same_place or (place > 0 and place + shared(a.caption, b.caption) >= CONFIG.same)


def stutters(caption: str) -> bool:
    words = caption.split()
    return any(words[i:j] == words[j : 2 * j - i] for i in range(len(words)) for j in range(i + 1, len(words)))


def sureness(one: RegionCaption) -> tuple[float, float]:
    return one.confidence or 0.0, one.mean_logprob


def is_unsure(one: RegionCaption) -> bool:
    unsure = one.confidence is not None and one.confidence < CONFIG.min_confidence
    return unsure or one.mean_logprob < CONFIG.min_logprob


@given(found_captions, sentences)
def test_kept_captions_are_confident_distinct_and_complete(found: list[RegionCaption], caption: str) -> None:
    kept = choose(found, caption, CONFIG)
    assert [sureness(one) for one in kept] == sorted((sureness(one) for one in kept), reverse=True)
    assert len(kept) <= CONFIG.top
    for place, one in enumerate(kept):
        assert one in found
        assert not is_unsure(one)
        assert shared(one.caption, caption) < CONFIG.same
        assert not any(alike(one, other) for other in kept[:place])
    if len(kept) < CONFIG.top:
        for one in found:
            assert (
                one in kept
                or is_unsure(one)
                or not one.caption
                or stutters(one.caption)
                or shared(one.caption, caption) >= CONFIG.same
                or any(alike(one, other) and sureness(other) >= sureness(one) for other in kept)
            )


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [
        (((0, 0, 10, 10), "a dog"), ((0, 0, 10, 9), "a red fence"), 1),  # one place
        (((0, 0, 10, 10), "a dog"), ((9, 9, 20, 20), "a dog"), 1),  # one thing, touching
        (((0, 0, 10, 10), "a dog"), ((10, 10, 20, 20), "a dog"), 2),  # two dogs, apart
        (((0, 0, 10, 10), "a dog"), ((5, 0, 15, 10), "a red fence"), 2),
        (((0, 0, 10, 10), "a dog"), ((20, 0, 30, 10), "a dog dog"), 1),  # repeats a phrase
        (((0, 0, 10, 10), "a dog"), ((20, 0, 30, 10), "the whole thing"), 1),  # repeats the whole image's
    ],
)
def test_near_duplicates_are_dropped(first: tuple[Box, str], second: tuple[Box, str], count: int) -> None:
    found = [RegionCaption(box, caption, -0.5 * (len(caption.split()) + 1)) for box, caption in (first, second)]
    assert choose(found, "the whole thing", CONFIG) == tuple(found[:count])


class Listener:
    """Captions an image with its key, and records the regions that it was given."""

    def __init__(self, *, uses_regions: bool) -> None:
        self.uses_regions = uses_regions
        self.given: list[ImageRegions] = []

    def caption(
        self, images: Sequence[ImageRegions], keys: Sequence[str], style: str | None = None
    ) -> list[tuple[Candidate, ...]]:
        assert len(images) == len(keys)
        self.given += images
        return [(Candidate(f"region {key}", -0.5),) for key in keys]


NESTED = ImageRegions(
    "a", "", 100, 100,
    np.array([[0, 0, 100, 100], [0, 0, 50, 50], [10, 10, 30, 30], [60, 60, 90, 90]], np.float32),
    np.ones(4, np.float32),
    np.arange(4, dtype=np.float16)[:, None],
)  # fmt: skip


@pytest.mark.parametrize(
    ("uses_regions", "trained_on_regions", "given"),
    [
        (False, False, [[1], [2], [3]]),
        (False, True, [[1], [2], [3]]),
        (True, True, [[1, 0], [2, 0], [3, 0]]),
        (True, False, [[1, 2], [2], [3]]),  # with the regions inside it
    ],
)
def test_region_is_given_to_the_model_as_in_training(
    uses_regions: bool, trained_on_regions: bool, given: list[list[int]]
) -> None:
    listener = Listener(uses_regions=uses_regions)
    caption_model = RegionCaptioner(listener, RegionCaptionConfig(), trained_on_regions=trained_on_regions)
    (kept,) = caption_model.caption([NESTED], [(Candidate("something else", -1.0),)])
    assert [view.descriptors.flatten().tolist() for view in listener.given] == given
    found = {one.caption: one.box for one in kept}
    assert set(found) <= {"region a#1", "region a#2", "region a#3"}
    assert found["region a#3"] == (60.0, 60.0, 90.0, 90.0)


def test_images_without_boxes_have_no_region_captions() -> None:
    bare = ImageRegions("b", "", 9, 9, NESTED.boxes[:1], np.ones(1, np.float32), NESTED.descriptors[:1])
    caption_model = RegionCaptioner(Listener(uses_regions=False), RegionCaptionConfig(), trained_on_regions=False)
    captions = [(Candidate("x", -1.0),), (), (Candidate("x", -1.0),)]
    assert [len(kept) for kept in caption_model.caption([bare, NESTED, bare], captions)] == [0, 3, 0]
    assert caption_model.caption([bare], [()]) == [()]
