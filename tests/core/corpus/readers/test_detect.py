from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vsa_cli.core.corpus.readers.detect import Reading, read_captions
from vsa_cli.core.errors import ConfigError, DataError, VsaError

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["images", "annotations", "filename", "file_name", "id", "image_id", "caption", "sentences", "raw", "imgid",
             "tokens", "sentid", "split", "filepath", "text", "captions"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


def check_one_line(error: VsaError) -> None:
    assert "\n" not in str(error)


def read(path: Path, content: object, **options: Any) -> Reading:
    data = content if isinstance(content, bytes) else (content if isinstance(content, str) else json.dumps(content))
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_captions([path], path.parent, **options)


def sentences(reading: Reading) -> dict[int | str, list[str]]:
    return {record.image_id: list(record.sentences.values()) for record in reading.records}


def kinds(reading: Reading) -> list[str]:
    return [problem.kind for problem in reading.problems]


def test_karpathy_ids_splits_folders_and_sentences(tmp_path: Path) -> None:
    images = [
        {"filename": "1.jpg", "imgid": 0, "cocoid": 77, "filepath": "val2014", "split": "restval", "sentences": [
            {"raw": "A dog.", "tokens": ["a", "dog"], "sentid": 5}, {"tokens": ["two", "cats"], "sentid": 6}
        ]},
        {"filename": "2.jpg", "imgid": 1, "split": "test", "sentences": []},
        {"filename": "3.jpg", "filepath": "x/3.jpg", "split": "val"},
    ]  # fmt: skip
    reading = read(tmp_path / "dataset.json", {"images": images, "dataset": "mine"})
    assert reading.formats == ("karpathy",)
    assert sentences(reading) == {77: ["A dog.", "two cats"], 1: [], "3.jpg": []}
    assert [record.split for record in reading.records] == ["restval", "test", "val"]
    assert [record.place for record in reading.records] == ["val2014/1.jpg", "2.jpg", "x/3.jpg"]
    assert list(reading.records[0].sentences) == ["5", "6"]
    assert [(problem.kind, problem.name) for problem in reading.problems] == [
        ("no-sentence", "1"), ("no-sentence", "3.jpg")
    ]  # fmt: skip


def test_karpathy_invalid_entries_exclude_only_themselves(tmp_path: Path) -> None:
    images: list[object] = [
        3,
        {"filename": 5, "imgid": 1},
        {"filename": "../x.jpg", "imgid": 2},
        {"filename": "a.jpg", "imgid": 3, "filepath": "/etc"},
        {"filename": "b.jpg", "imgid": 4, "sentences": "no"},
        {"filename": "c.jpg", "imgid": 5, "sentences": [None, {"raw": 3}, {"raw": "\ud800"}, {"raw": "yes"}]},
        {"filename": "d.jpg", "imgid": 6, "split": "weird"},
    ]
    reading = read(tmp_path / "d.json", {"images": images})
    assert sentences(reading) == {4: [], 5: ["yes"]}
    assert sorted(kinds(reading)) == sorted(["malformed"] * 6 + ["unsafe"] * 2 + ["unknown-split", "no-sentence"])
    assert "d.json, images[0]" in [problem.name for problem in reading.problems]


def test_coco_files_are_joined_and_their_names_give_the_split(tmp_path: Path) -> None:
    paths = []
    for split, number in (("train", 1), ("val", 2)):
        path = tmp_path / f"captions_{split}2014.json"
        annotations = [{"id": 10 * number + k, "image_id": number, "caption": f"{split} {k}"} for k in range(2)]
        annotations.append({"id": 99, "image_id": 12345, "caption": "of no image"})
        path.write_text(
            json.dumps({"images": [{"id": number, "file_name": f"{number}.jpg"}], "annotations": annotations})
        )
        paths.append(path)
    reading = read_captions(paths, tmp_path)
    assert reading.formats == ("coco", "coco")
    assert sentences(reading) == {1: ["train 0", "train 1"], 2: ["val 0", "val 1"]}
    assert [(record.split, record.folder) for record in reading.records] == [("train", "train2014"), ("val", "val2014")]
    assert kinds(reading) == ["malformed", "malformed"]
    assert [record.split for record in read_captions(paths, tmp_path, split="test").records] == ["test", "test"]


def test_coco_without_annotations_lists_images(tmp_path: Path) -> None:
    reading = read(tmp_path / "image_info_test2014.json", {"images": [{"id": 4, "file_name": "4.jpg"}]})
    assert [(record.image_id, record.split, record.sentences) for record in reading.records] == [(4, "test", {})]


def test_flickr_lines_are_read_and_invalid_ones_reported(tmp_path: Path) -> None:
    content = (
        "\ufeffa.jpg#0\tA dog .\r\na.jpg#1\tTwo\tdogs\r\n\r\nb c.jpg#0\tA cat\nnonsense\nb c.jpg#1\tA \0 cat\n".encode()
    )
    reading = read(tmp_path / "x.token", content + b"b c.jpg#2\tcaf\xe9\n" + "b c.jpg#3\tcafé\n".encode())
    assert reading.formats == ("flickr",)
    assert sentences(reading) == {"a.jpg": ["A dog .", "Two\tdogs"], "b c.jpg": ["A cat", "café"]}
    assert list(reading.records[1].sentences) == ["b c.jpg#0", "b c.jpg#3"]
    assert [problem.name for problem in reading.problems] == [f"x.token, line {n}" for n in (5, 6, 7)]


def test_imagefolder_has_one_or_several_sentences_and_folders_as_splits(tmp_path: Path) -> None:
    lines = [
        {"file_name": "train/a.jpg", "text": "one"},
        {"file_name": "validation/b.jpg", "captions": ["two", "three", 4]},
        {"file_name": "test/c.jpg", "caption": "four", "split": "train"},
        {"file_name": "d.jpg"},
    ]
    content = "\n".join(map(json.dumps, lines)) + '\n{"file_name": 3}\n[1]\n{broken\n' + "[" * 100_000
    reading = read(tmp_path / "metadata.jsonl", content)
    assert sentences(reading) == {
        "train/a.jpg": ["one"], "validation/b.jpg": ["two", "three"], "test/c.jpg": ["four"], "d.jpg": []
    }  # fmt: skip
    assert [record.split for record in reading.records] == ["train", "val", "train", None]
    assert kinds(reading) == ["malformed"] * 5 + ["no-sentence"]


def test_imagefolder_in_a_subfolder_names_files_relative_to_itself(tmp_path: Path) -> None:
    paths = []
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        path = tmp_path / split / "metadata.jsonl"
        path.write_text('{"file_name": "1.jpg", "text": "x"}\n{"file_name": "/etc/1.jpg", "text": "x"}\n')
        paths.append(path)
    reading = read_captions(paths, tmp_path)
    assert [(record.image_id, record.split) for record in reading.records] == [
        ("train/1.jpg", "train"), ("test/1.jpg", "test")
    ]  # fmt: skip
    assert set(kinds(reading)) == {"unsafe"}


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", b"hello\nworld\n", b"\x00\x01\x02" * 50, b"{", b"[]", b"{}", b'{"images": 3}', b'{"images": []}',
     b"[" * 200_000, b'{"a":' * 100_000, '{"images": []}'.encode("utf-16"), b"\xff\xd8\xff\xe0JFIF", b'"text"', b"NaN",
     b'{"images": [1, 2]}', b'{"images": [{"id": 1, "file_name": "a"}], "annotations": 4}',
     b'{"images": [{"id": 9e99}]}',
     b'{"images": [{"filename": "a", "imgid": ' + b"9" * 5000 + b"}]}"],
)  # fmt: skip
def test_file_of_unknown_format_raises_one_line(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path / "wrong", content)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "wrong"))


@pytest.mark.parametrize("kind", ["karpathy", "coco", "flickr", "imagefolder", "csv"])
def test_wrong_captions_format_raises(tmp_path: Path, kind: Any) -> None:
    with pytest.raises(DataError):
        read(tmp_path / "wrong.txt", b"one line\nanother\n", captions_format=kind)


def test_missing_files_folders_and_unknown_formats_raise(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.json", tmp_path):
        with pytest.raises(DataError):
            read_captions([path], tmp_path)
    with pytest.raises(ConfigError, match="karpathy"):
        read_captions([tmp_path], tmp_path, "other")  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON_VALUES, st.sampled_from(["auto", "karpathy", "coco", "imagefolder"]))
def test_any_json_is_read_or_raises_one_line(tmp_path: Path, value: object, kind: Any) -> None:
    try:
        reading = read(tmp_path / "x.json", value, captions_format=kind)
    except VsaError as error:
        check_one_line(error)
    else:
        assert reading.records or reading.problems


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.text(st.sampled_from('a,"#0\t\n\r|{}:;')).map(str.encode))
def test_any_bytes_are_read_or_raise_one_line(tmp_path: Path, content: bytes) -> None:
    for prefix, kind in ((b"", "auto"), (b"image,caption\n", "csv"), (b"a#0\tx\n", "flickr")):
        try:
            read(tmp_path / "x.txt", prefix + content, captions_format=kind)
        except VsaError as error:
            check_one_line(error)
