"""Folders of sidecars: photo.jpg with photo.txt."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from vsa_cli.core.corpus.readers.detect import Reading, read_captions
from vsa_cli.core.errors import DataError


def draw(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path)


def sentences(reading: Reading) -> dict[int | str, list[str]]:
    return {record.image_id: list(record.sentences.values()) for record in reading.records}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path /= "photos"  # pytest's name for the folder may contain the name of a split
    for name in ("a.png", "train/b.jpg", "val/c.jpg", "val/d.jpg"):
        draw(tmp_path / name)
    (tmp_path / "a.txt").write_bytes("\ufeffA dog.\r\n\r\n  Two dogs. \n".encode())
    (tmp_path / "train" / "b.txt").write_text("A cat")
    (tmp_path / "val" / "c.txt").write_text("\n \n")
    return tmp_path


def test_each_line_is_a_sentence_and_folders_are_splits(folder: Path) -> None:
    reading = read_captions([folder], folder)
    assert reading.formats == ("sidecar",)
    assert sentences(reading) == {
        "a.png": ["A dog.", "Two dogs."], "train/b.jpg": ["A cat"], "val/c.jpg": [], "val/d.jpg": []
    }  # fmt: skip
    assert [record.split for record in reading.records] == [None, "train", "val", "val"]
    assert [(problem.kind, problem.name) for problem in reading.problems] == [
        ("no-sentence", "val/c.jpg"), ("no-sentence", "val/d.jpg")
    ]  # fmt: skip
    assert all(problem.is_note for problem in reading.problems)


def test_subfolder_of_the_images_folder_names_files_relative_to_that(folder: Path) -> None:
    reading = read_captions([folder / "train"], folder)
    assert sentences(reading) == {"train/b.jpg": ["A cat"]}
    assert reading.records[0].split == "train"


def test_texts_in_a_separate_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    texts = tmp_path_factory.mktemp("texts")
    (texts / "val").mkdir()
    (texts / "val" / "d.txt").write_text("Far away")
    assert sentences(read_captions([texts], folder))["val/d.jpg"] == ["Far away"]


def test_texts_without_photograph_and_invalid_texts_are_reported(folder: Path) -> None:
    (folder / "gone.txt").write_text("of nothing")
    (folder / "val" / "c.txt").write_bytes(b"caf\xe9\nfine")
    (folder / "val" / "d.txt").write_bytes(b"x" * 70_000)
    (folder / "a.txt").write_bytes("A dog".encode("utf-16"))
    os.mkfifo(folder / "train" / "pipe.txt")  # must not be opened
    reading = read_captions([folder], folder)
    assert sentences(reading) == {"a.png": ["A dog"], "train/b.jpg": ["A cat"], "val/c.jpg": ["fine"], "val/d.jpg": []}
    assert sorted((problem.kind, problem.name) for problem in reading.problems) == sorted([
        ("malformed", f"{folder.name}, val/c.txt"),
        ("malformed", f"{folder.name}, val/d.txt"), ("missing", "gone.txt"),
        ("no-sentence", "val/d.jpg"),
    ])  # fmt: skip


def test_folder_without_texts_of_photographs_raises(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    (tmp_path / "b.txt").write_text("x")
    with pytest.raises(DataError, match="has the name of a photograph"):
        read_captions([tmp_path], tmp_path)
    with pytest.raises(DataError, match="not a folder"):
        read_captions([tmp_path / "b.txt"], tmp_path, "sidecar")


def test_hash_covers_names_and_texts(folder: Path) -> None:
    def parent() -> str:
        return read_captions([folder], folder).parents["captions[0]"]["sha256"]

    first = parent()
    assert parent() == first
    (folder / "a.txt").write_text("Another dog.")
    second = parent()
    (folder / "a.txt").rename(folder / "val" / "d.txt")
    assert len({first, second, parent()}) == 3


def test_captions_and_texts_in_capitals_are_read_and_system_files_are_not(tmp_path: Path) -> None:
    tmp_path /= "photos"
    for name in ("A.JPG", "b.jfif", "c.png", "u\u0308.png", "e.f.webp", "__MACOSX/A.JPG"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    texts = {
        "A.TXT": "One", "b.caption": "Two", "c.txt": "Three", "c.Caption": "Three\nFour", "\u00fc.txt": "Five",
        "e.f.txt": "Six", "._A.txt": "\0", "__MACOSX/A.txt": "\0", ".txt": "",
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    reading = read_captions([tmp_path], tmp_path)
    assert sentences(reading) == {
        "A.JPG": ["One"], "b.jfif": ["Two"], "c.png": ["Three", "Four"], "e.f.webp": ["Six"], "u\u0308.png": ["Five"]
    }  # fmt: skip
    assert reading.problems == []


def test_a_text_of_two_photographs_is_a_clash(folder: Path) -> None:
    draw(folder / "a.jpg")
    draw(folder / "val" / "d.png")
    reading = read_captions([folder], folder)
    assert list(sentences(reading)) == ["train/b.jpg", "val/c.jpg", "val/d.jpg", "val/d.png"]
    (clash,) = [problem for problem in reading.problems if problem.kind == "clash"]
    assert (clash.name, clash.message) == ("a.txt", "is the text of a.jpg and of a.png: rename one")
