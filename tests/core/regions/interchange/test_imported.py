"""Regions of other programs, imported into a regions file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.foreign_files import HEIGHT, WIDTH, boxes, corpus, descriptors, image
from vsa_cli.core.errors import DataError
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.interchange.imported import (
    Converted,
    ImportedRegions,
    MalformedEntry,
    import_regions,
    take,
)
from vsa_cli.core.regions.store import RegionStore

WHOLE = np.array([[0, 0, WIDTH, HEIGHT]], np.float32)


def entry(name: str = "1", **other: Any) -> ImportedRegions:
    fields = {
        "where": "x, line 1",
        "name": name,
        "size": (WIDTH, HEIGHT),
        "boxes": boxes(3),
        "descriptors": descriptors(3),
    }
    return ImportedRegions(**{**fields, **other})


def test_a_missing_whole_image_is_described_by_the_mean_of_the_regions() -> None:
    taken = take(entry(), image("1"))
    assert np.array_equal(taken.boxes, np.concatenate([WHOLE, boxes(3)]))
    assert np.allclose(taken.descriptors[0], descriptors(3).mean(0), atol=1e-2)
    assert np.array_equal(taken.descriptors[1:], descriptors(3))
    assert taken.scores.tolist() == [1, 0, 0, 0]
    assert (taken.image_id, taken.sha256, taken.width, taken.height) == ("1", "0" * 64, WIDTH, HEIGHT)


def test_a_first_box_that_is_the_whole_image_is_region_0() -> None:
    taken = take(entry(boxes=np.concatenate([WHOLE, boxes(2)])), image("1"))
    assert np.array_equal(taken.boxes, np.concatenate([WHOLE, boxes(2)]))
    assert np.array_equal(taken.descriptors, descriptors(3))


def test_missing_boxes_become_the_whole_image() -> None:
    taken = take(entry(boxes=None, size=None), image("1"))
    assert np.array_equal(taken.boxes, WHOLE.repeat(4, 0))
    assert np.array_equal(taken.descriptors[1:], descriptors(3))
    alone = take(entry(boxes=None, descriptors=descriptors(1)), image("1"))
    assert (len(alone.boxes), alone.descriptors.tolist()) == (1, descriptors(1).tolist())


def test_boxes_are_clipped_and_slivers_are_dropped_with_their_descriptors() -> None:
    places = np.array([[-9, -9, 50, 50], [0, 0, 0, 0], [99.5, 0, 150, 40], [60, 60, 500, 500]], np.float32)
    taken = take(entry(boxes=places, descriptors=descriptors(4)), image("1"))
    assert taken.boxes[1:].tolist() == [[0, 0, 50, 50], [60, 60, WIDTH, HEIGHT]]
    assert np.array_equal(taken.descriptors[1:], descriptors(4)[[0, 3]])


def test_numbers_beyond_float16_become_its_largest() -> None:
    assert take(entry(descriptors=descriptors(3) + 1e9), image("1")).descriptors.max() == np.finfo(np.float16).max


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"size": (HEIGHT, WIDTH)}, "80x100 pixels in the file and 100x80"),
        ({"descriptors": descriptors(3) + np.inf}, "finite"),
        ({"boxes": boxes(3) + np.nan}, "a box is not"),
        ({"boxes": boxes(3)[:, [2, 3, 0, 1]]}, "a box is not"),
        ({"boxes": boxes(3) + 500}, "no region lies inside"),
    ],
)
def test_an_inconsistent_entry_is_refused(other: dict[str, Any], message: str) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(DataError, match=message):
        take(entry(**other), image("1"))


def gather(
    out: Path, found: Iterable[ImportedRegions | MalformedEntry], **options: Any
) -> tuple[RegionStore, Converted]:
    made = Converted()
    images = corpus(image(1), image("a/2"), image("3", split="val"), image("lost"))
    import_regions(out, found, images, options.pop("split", "all"), "imported:x", {}, made)
    return RegionStore(out), made


def test_names_are_ids_paths_or_stems_and_the_rest_is_counted(tmp_path: Path) -> None:
    found = [entry("1"), MalformedEntry("x, line 2: broken"), entry("2.jpg"), entry("1"), entry("other"),
             entry("3.jpg"), entry("lost", descriptors=descriptors(3, 7))]  # fmt: skip
    store, made = gather(tmp_path / "r.h5", found)
    assert store.ids == ["1", "a/2", "3"]
    assert made.summary() == {"images": 3, "regions": 12, "descriptor_size": 6, "failed": 3, "not_in_corpus": 1}
    assert made.failures == [
        "x, line 2: broken", "x, line 1: duplicate of 1; the first is kept",
        "x, line 1: descriptors of 7 numbers, after descriptors of 6",
    ]  # fmt: skip
    assert made.notes == ["1 of 4 photographs of the corpus have no regions"]
    feature_spec = FeatureSpec.of(store.envelope, "r.h5")
    assert (feature_spec.config.cnn, feature_spec.descriptor_size) == ("imported:x", 6)


def test_a_single_split_can_be_imported(tmp_path: Path) -> None:
    store, made = gather(tmp_path / "r.h5", [entry("1"), entry("3")], split="dev")
    assert (store.ids, made.unmatched) == (["3"], 1)


@pytest.mark.parametrize(
    ("found", "why"), [([], "no name in it"), ([entry("z")], "no name in it"), ([MalformedEntry("bad")], "bad")]
)
def test_nothing_to_import_is_a_failure_and_leaves_no_file(
    tmp_path: Path, found: list[ImportedRegions | MalformedEntry], why: str
) -> None:
    with pytest.raises(DataError, match=f"nothing to convert: {why}"):
        gather(tmp_path / "r.h5", found)
    assert list(tmp_path.iterdir()) == []


def test_many_failures_are_counted_and_the_first_are_kept(tmp_path: Path) -> None:
    _, made = gather(tmp_path / "r.h5", [MalformedEntry("bad")] * 99 + [entry()])
    assert (made.failed, len(made.failures)) == (99, 20)


def test_photographs_are_written_as_they_are_read(tmp_path: Path) -> None:
    alive: list[int] = []
    images = corpus(*(image(number) for number in range(400)))

    def found() -> Iterable[ImportedRegions]:
        for number in range(400):
            alive.append(number)
            yield entry(str(number), boxes=boxes(9), descriptors=descriptors(9))

    made = Converted()
    written: list[int] = []
    made.tick = lambda: written.append(len(alive))
    import_regions(tmp_path / "r.h5", found(), images, "all", "imported:x", {}, made)
    assert written == list(range(1, 401))  # each is taken as soon as it is read
    assert len(RegionStore(tmp_path / "r.h5")) == 400
