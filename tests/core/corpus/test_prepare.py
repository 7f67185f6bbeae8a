from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from vsa_cli.core.config import PrepConfig
from vsa_cli.core.corpus.corpus import write_corpus
from vsa_cli.core.corpus.prepare import Prepared, prepare
from vsa_cli.core.errors import ConfigError, DataError

CONFIG = PrepConfig(min_count=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten photographs, and a Flickr token file with two sentences for each but the last."""
    (tmp_path / "photos").mkdir()
    for number in range(10):
        Pillow.new("RGB", (8, 6), (number, 0, 0)).save(tmp_path / "photos" / f"{number}.png")
    lines = [f"{number}.png#{k}\tA word{number} of {k}!" for number in range(9) for k in range(2)]
    (tmp_path / "x.token.txt").write_text("\n".join(lines))
    return tmp_path


def run(folder: Path, config: PrepConfig = CONFIG, **options: Any) -> Prepared:
    return prepare([folder / "x.token.txt"], folder / "photos", config, **options)


def keys(prepared: Prepared, split: str) -> list[str]:
    return [image.key.removesuffix(".png") for image in prepared.corpus.images if image.split == split]


def test_without_splits_all_images_are_train(folder: Path) -> None:
    prepared = run(folder)
    assert keys(prepared, "train") == list("012345678")
    assert prepared.problems == ()
    assert prepared.corpus.vocabulary is not None
    assert prepared.corpus.vocabulary.words[:2] == ("a", "of")
    assert prepared.summary() == {
        "images": 9, "sentences": 18, "splits": {"train": 9}, "vocabulary_size": 14, "words_dropped": 0, "problems": {},
        "notes": {},
    }  # fmt: skip


def test_lists_beside_a_flickr_file_are_used_and_tune_follows_their_order(folder: Path) -> None:
    (folder / "trainImages.txt").write_text("5.png\n9.png\n0.png\n3.png\n")
    (folder / "testImages.txt").write_text("1.png\n")
    prepared = run(folder, PrepConfig(min_count=1, tune=2))
    assert (keys(prepared, "train"), keys(prepared, "tune"), keys(prepared, "test")) == (["5"], ["0", "3"], ["1"])
    assert [problem.kind for problem in prepared.notes] == ["unlisted"] * 5
    assert [(problem.kind, problem.name) for problem in prepared.failures] == [("missing", "trainImages.txt, line 2")]


def test_vocabulary_is_counted_in_train_without_tune(folder: Path) -> None:
    prepared = run(folder, PrepConfig(min_count=2, tune=1, val=1, test=1), seed=1)
    train = keys(prepared, "train")
    assert (len(train), keys(prepared, "tune"), len(keys(prepared, "val")), len(keys(prepared, "test"))) == (
        6, [max(set("012345678") - set(keys(prepared, "val")) - set(keys(prepared, "test")))], 1, 1
    )  # fmt: skip
    assert prepared.corpus.vocabulary is not None
    assert set(prepared.corpus.vocabulary.words) == {"a", "of", "0", "1", *(f"word{key}" for key in train)}


def test_named_lists_replace_those_beside_the_captions(folder: Path) -> None:
    (folder / "trainImages.txt").write_text("5.png\n")
    (folder / "mine.txt").write_text("6.png\n")
    prepared = run(folder, splits=[f"val={folder / 'mine.txt'}"])
    assert [(image.key, image.split) for image in prepared.corpus.images] == [("6.png", "val")]
    assert prepared.corpus.vocabulary is None
    assert set(prepared.corpus.envelope.parents) == {"captions[0]", "splits[0]"}


def test_invalid_inputs_are_left_out_and_reported(folder: Path) -> None:
    (folder / "photos" / "2.png").unlink()
    (folder / "photos" / "3.png").write_bytes(b"")
    with (folder / "x.token.txt").open("a") as file:
        file.write("\nnonsense\n/etc/x.png#0\tA b\n../4.png#0\tA b\n4.png#7\t...\n")
    prepared = run(folder)
    assert keys(prepared, "train") == list("0145678")
    assert [(problem.kind, problem.name) for problem in prepared.failures] == [
        ("malformed", "x.token.txt, line 19"), ("unsafe", "/etc/x.png"), ("unsafe", "../4.png"), ("missing", "2.png"),
        ("unreadable", "3.png"),
    ]  # fmt: skip
    assert [(problem.kind, problem.name) for problem in prepared.notes] == [("no-words", "4.png#7")]
    prepared.check(strict=False)
    with pytest.raises(DataError, match="5 inputs failed"):
        prepared.check(strict=True)


def test_corpus_without_images_raises_and_keeps_the_failures(folder: Path) -> None:
    (folder / "empty").mkdir()
    prepared = prepare([folder / "x.token.txt"], folder / "empty", PrepConfig(tune=3))
    assert [problem.kind for problem in prepared.failures] == ["missing"] * 9
    with pytest.raises(DataError, match="no images are left"):
        prepared.check(strict=False)


def test_same_input_gives_the_same_bytes(folder: Path) -> None:
    config = PrepConfig(min_count=1, tune=1, val=2)
    for name, threads in (("a.json", 1), ("b.json", 5)):
        write_corpus(folder / name, run(folder, config, threads=threads, seed=4).corpus)
        os.utime(folder / "photos" / "1.png", (1, 1))
    assert (folder / "a.json").read_bytes() == (folder / "b.json").read_bytes()


def test_invalid_settings_raise(folder: Path) -> None:
    with pytest.raises(ConfigError, match="`split` other"):
        run(folder, split="other")
    with pytest.raises(ConfigError, match="`tune` 9"):
        run(folder, PrepConfig(tune=9))
    with pytest.raises(DataError, match="no such folder"):
        prepare([folder / "x.token.txt"], folder / "absent", CONFIG)
    assert keys(run(folder, split="dev"), "val") == list("012345678")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.jsonl", '{"file_name": "a.jpg", "prompt": "a dog"}\n'),
        ("captions.json", '{"images": [{"filename": "a.jpg", "captions": ["a dog"], "split": "train"}]}'),
        ("captions.csv", "image,caption\na.jpg,\na.jpg,N/A\n"),
        ("coco.json", '{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}'),
    ],
)
def test_a_file_without_any_sentence_is_a_failure(tmp_path: Path, name: str, content: str) -> None:
    Pillow.new("RGB", (32, 32)).save(tmp_path / "a.jpg")
    (tmp_path / name).write_text(content)
    prepared = prepare([tmp_path / name], tmp_path, PrepConfig(min_count=1))
    assert [failure.kind for failure in prepared.failures] == ["malformed"]
    assert "no sentence" in prepared.failures[0].message
    with pytest.raises(DataError, match="`strict`"):
        prepared.check(strict=True)


def test_text_that_is_not_utf8_is_named_as_such(tmp_path: Path) -> None:
    Pillow.new("RGB", (32, 32)).save(tmp_path / "a.jpg")
    (tmp_path / "captions.csv").write_bytes(b"image,caption\na.jpg,un caf\xe9\n")
    with pytest.raises(DataError, match="line 2: is not UTF-8 text"):
        prepare([tmp_path / "captions.csv"], tmp_path, PrepConfig())
