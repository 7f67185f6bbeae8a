from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsa_cli.core.corpus.corpus import Image
from vsa_cli.core.corpus.records import Record
from vsa_cli.core.corpus.split_names import split_in_file_name
from vsa_cli.core.corpus.splits import SplitList, draw, lists_beside, named_lists, place, resolve_splits, set_aside
from vsa_cli.core.errors import ConfigError, DataError


def images(count: int, split: str = "train") -> list[Image]:
    return [Image(number, f"{number}.jpg", 1, 1, "0" * 64, split, ()) for number in range(count)]


def write_list(path: Path, *names: str) -> SplitList:
    path.write_text("\n".join(names))
    split = split_in_file_name(path.stem)
    assert split is not None
    return SplitList(split, path)


def test_named_lists_give_their_split_or_raise() -> None:
    found = named_lists(["a/devImages.txt", "test=a/x=y.txt", "a=b/train.txt"])
    assert [(one.split, one.path) for one in found] == [
        ("val", Path("a/devImages.txt")), ("test", Path("a/x=y.txt")), ("train", Path("a=b/train.txt"))
    ]  # fmt: skip
    with pytest.raises(ConfigError, match=r"train=names\.txt"):
        named_lists(["names.txt"])


def test_lists_are_found_beside_flickr_files_only(tmp_path: Path) -> None:
    for name in ("Flickr_8k.trainImages.txt", "Flickr_8k.devImages.txt", "other.txt"):
        (tmp_path / name).write_text("a.jpg\n")
    captions = [tmp_path / "a.token", tmp_path / "b.token"]
    assert [one.split for one in lists_beside(captions, ["flickr", "flickr"])] == ["train", "val"]
    assert lists_beside(captions, ["csv", "coco"]) == []


def test_place_follows_lists_and_excludes_the_rest(tmp_path: Path) -> None:
    records = [Record(1, "x/a.jpg"), Record("b", "b.jpg"), Record("c.jpg", "c.jpg", split="test"), Record("d", "d.jpg")]
    lists = [
        write_list(tmp_path / "train.txt", "c.jpg", "", "a.jpg\r", "a.jpg"),
        write_list(tmp_path / "val.txt", "b.jpg", "new.jpg"),
    ]
    placed, problems = place(records, lists)
    assert [(record.key, record.split) for record in placed] == [
        ("1", "train"), ("b", "val"), ("c.jpg", "train")
    ]  # fmt: skip
    assert placed[2].rank < placed[0].rank
    assert [(problem.kind, problem.name) for problem in problems] == [
        ("missing", "val.txt, line 2"), ("unlisted", "d")
    ]  # fmt: skip


def test_place_reports_clashes_and_invalid_lines(tmp_path: Path) -> None:
    lists = [
        write_list(tmp_path / "train.txt", "a.jpg", "b.jpg", "../c"),
        write_list(tmp_path / "test.txt", "a.jpg", "b"),
    ]
    with lists[0].path.open("ab") as file:
        file.write(b"\n\xff\n")
    placed, problems = place([Record("a.jpg", "a.jpg"), Record("b.jpg", "b.jpg")], lists)
    assert placed == []
    assert sorted(problem.kind for problem in problems) == ["clash", "clash", "malformed", "unsafe"]
    with pytest.raises(DataError, match="absent"):
        place([], [SplitList("train", tmp_path / "absent")])


def test_file_name_of_two_images_places_neither(tmp_path: Path) -> None:
    placed, problems = place(
        [Record(1, "x/a.jpg"), Record(2, "y/a.jpg")], [write_list(tmp_path / "train.txt", "a.jpg")]
    )
    assert placed == []
    assert [problem.kind for problem in problems] == ["missing", "unlisted", "unlisted"]


def test_restval_joins_train_or_is_dropped() -> None:
    def splits(restval: str) -> list[str | None]:
        records = [Record(1, "1", split="restval"), Record(2, "2"), Record(3, "3", split="val")]
        return [record.split for record in resolve_splits(records, restval)]  # type: ignore[arg-type]

    assert splits("train") == ["train", "train", "val"]
    assert splits("drop") == ["train", "val"]


@given(st.integers(2, 40), st.data())
def test_draw_has_the_given_size_and_does_not_depend_on_order(count: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, count - 1))
    drawn = draw(images(count), "val", size, seed=3)
    chosen = {image.key for image in drawn if image.split == "val"}
    assert len(chosen) == size
    assert [image.key for image in drawn] == [image.key for image in images(count)]
    shuffled = random.Random(0).sample(images(count), count)
    assert {image.key for image in draw(shuffled, "val", size, seed=3) if image.split == "val"} == chosen


def test_draws_differ_by_seed_and_split() -> None:
    chosen = {
        tuple(image.key for image in draw(images(100), split, 10, seed) if image.split == split)
        for split in ("val", "test")
        for seed in range(3)
    }
    assert len(chosen) == 6


def test_set_aside_takes_the_last_of_the_list() -> None:
    ranks = {"0": 5, "1": 1, "2": 9, "3": 0}
    assert [image.split for image in set_aside(images(4), 2, ranks)] == ["tune", "train", "tune", "train"]
    assert set_aside(images(4), 0, ranks) == images(4)


def test_too_few_images_or_an_existing_split_raise() -> None:
    with pytest.raises(ConfigError, match="only 3 train images"):
        set_aside(images(3), 3, dict.fromkeys("012", 0))
    with pytest.raises(ConfigError, match="already"):
        draw([*images(3), *images(1, "test")], "test", 1, 0)
