"""Webdataset shards: their captions are read, and damage raises one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.shards import picture, write, write_samples
from vsa_cli.core.config import PrepConfig
from vsa_cli.core.corpus.prepare import Prepared, prepare
from vsa_cli.core.corpus.readers.detect import Reading, read_captions
from vsa_cli.core.errors import DataError, VsaError

CONFIG = PrepConfig(min_count=1)


def sentences(reading: Reading) -> dict[int | str, list[str]]:
    return {record.image_id: list(record.sentences.values()) for record in reading.records}


def kinds(problems: Sequence[object]) -> list[str]:
    return sorted(problem.kind for problem in problems)  # type: ignore[attr-defined]


def check_one_line(error: VsaError) -> None:
    assert "\n" not in str(error)


def run(*shards: Path, images: Path, dry_run: bool = False) -> Prepared:
    return prepare(shards, images, CONFIG, dry_run=dry_run)


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    return write_samples(tmp_path / "set-000000.tar")


def test_samples_are_joined_by_key(shard: Path) -> None:
    reading = read_captions([shard], shard.parent)
    assert reading.formats == ("webdataset",)
    assert sentences(reading) == {
        "set-000000/0001.png": ["A dog.", "Two dogs.", "One dog."],
        "set-000000/x/0002.PNG": ["A cat."],
        "set-000000/0003.png": [],
    }
    assert [record.split for record in reading.records] == ["val", None, None]
    assert kinds(reading.problems) == ["no-sentence"]
    assert not (shard.parent / "set-000000").exists()  # `evaluate` reads references this way: nothing is unpacked


def test_keys_without_photograph_duplicates_and_invalid_texts_exclude_only_themselves(tmp_path: Path) -> None:
    shard = write(tmp_path / "a.tar", [
        ("1.txt", b"of nothing"), ("2.png", picture(2)), ("2.png", picture(7)), ("2.jpg", picture(8)),
        ("2.json", b"[1]"), ("3.png", picture(3)), ("3.txt", b"x" * 70_000), ("4.png", picture(4)),
        ("4.json", b'{"caption": 4, "split": "never"}'), ("n" * 300 + ".png", picture(5)), ("2.png/5.png", picture(6)),
    ])  # fmt: skip
    prepared = run(shard, images=tmp_path / "out")
    assert [image.file for image in prepared.corpus.images] == ["a/2.png", "a/3.png"]
    assert (tmp_path / "out" / "a" / "2.png").read_bytes() == picture(2)
    assert kinds(prepared.failures) == [
        "clash", "clash", "malformed", "malformed", "missing", "unknown-split", "unreadable", "unreadable"
    ]  # fmt: skip


def test_two_shards_of_one_name_raise(shard: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    other = write(tmp_path / "b" / shard.name, [("1.png", picture())])
    with pytest.raises(DataError, match="rename one"):
        read_captions([shard, other], tmp_path)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 4_000), st.binary(min_size=1, max_size=12)), min_size=1, max_size=4))
def test_any_damage_is_read_or_raises_one_line(shard: Path, edits: list[tuple[int, bytes]]) -> None:
    data = bytearray(shard.read_bytes())
    for place, patch in edits:
        data[place : place + len(patch)] = patch
    path = shard.with_name("damaged.tar")
    path.write_bytes(bytes(data))
    try:
        reading = read_captions([path], path.parent)
    except VsaError as error:
        check_one_line(error)
    else:
        assert reading.records or reading.problems


def test_captions_in_tars_are_read_and_system_files_are_not(tmp_path: Path) -> None:
    shard = write(tmp_path / "a.tar", [
        ("1.jfif", picture(1)), ("1.TXT", b"One"), ("1.caption", b"One\nTwo"), ("._1.jfif", b"x"), ("._1.txt", b"x"),
        ("__MACOSX/1.jpg", b"x"), ("__MACOSX/1.txt", b"x"), ("2.png", picture(2)),
        ("2.json", b'{"caption_0": "Three", "caption_1": "nan", "split": NaN}'),
    ])  # fmt: skip
    reading = read_captions([shard], tmp_path)
    assert sentences(reading) == {"a/1.jfif": ["One", "Two"], "a/2.png": ["Three"]}
    assert reading.problems == []
