"""Every format of references, their splits, and the names of their images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Drawn
from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.core.evaluation.references import read_references

COCO = {
    "images": [{"id": 1}, {"id": 2}],
    "annotations": [
        {"image_id": 1, "id": 1, "caption": "a dog"}, {"image_id": 1, "id": 2, "caption": "a dog"},
        {"image_id": 2, "id": 3, "caption": "a cat"}, {"image_id": 2, "id": 4, "caption": " "}, {"id": 5}, 3,
    ],
}  # fmt: skip


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def sentences_of(path: Path) -> dict[str, list[str]]:
    return {key: image.sentences for key, image in read_references(path).images.items()}


def test_coco_without_file_names(tmp_path: Path) -> None:
    found = read_references(write(tmp_path / "c.json", json.dumps(COCO)))
    assert {key: image.sentences for key, image in found.images.items()} == {"1": ["a dog", "a dog"], "2": ["a cat"]}
    assert found.malformed == 3
    assert found.training is None


def test_coco_images_are_found_by_their_file_names(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "COCO_val2014_000001.jpg"}, {"id": 2, "file_name": 7}, 3]
    names = read_references(write(tmp_path / "c.json", json.dumps({**COCO, "images": images}))).names()
    first, second = names.find(1), names.find(2)
    assert first is not None
    assert second is not None
    assert (first.key, second.key) == ("1", "2")
    for name in ("COCO_val2014_000001.jpg", "val2014/COCO_val2014_000001.jpg", "COCO_val2014_000001", "1.0"):
        assert names.find(name) is first


def test_all_formats_give_the_same_sentences(tmp_path: Path) -> None:
    wanted = {"1.jpg": ["a dog", "some dog"], "2.jpg": ["a cat"]}
    lines = "1.jpg#0\ta dog\n1.jpg#1\tsome dog\n2.jpg#0\ta cat\n"
    assert sentences_of(write(tmp_path / "token.txt", lines)) == wanted
    assert (
        sentences_of(write(tmp_path / "c.csv", "image,caption\n1.jpg,a dog\n1.jpg,some dog\n2.jpg,a cat\n")) == wanted
    )
    assert (
        sentences_of(write(tmp_path / "c.tsv", "filepath\ttitle\n1.jpg\ta dog\n1.jpg\tsome dog\n2.jpg\ta cat\n"))
        == wanted
    )
    assert sentences_of(write(tmp_path / "o.json", json.dumps(wanted))) == wanted
    folder = '{"file_name": "1.jpg", "captions": ["a dog", "some dog"]}\n{"file_name": "2.jpg", "text": "a cat"}\n'
    assert sentences_of(write(tmp_path / "metadata.jsonl", folder)) == wanted
    own = '{"image_id": "1.jpg", "references": ["a dog", "some dog"]}\n{"image_id": "2.jpg", "caption": "a cat"}\n'
    assert sentences_of(write(tmp_path / "r.jsonl", own)) == wanted
    karpathy = {
        "images": [
            {"filename": name, "imgid": name, "split": "val", "sentences": [{"raw": raw} for raw in sentences]}
            for name, sentences in wanted.items()
        ]
    }
    assert sentences_of(write(tmp_path / "k.json", json.dumps(karpathy))) == wanted


def test_flickr_token_file_uses_the_split_lists_in_its_folder(tmp_path: Path) -> None:
    tokens = write(tmp_path / "x.token.txt", "1.jpg#0\ta dog\n2.jpg#0\ta cat\n3.jpg#0\ta bird\n")
    write(tmp_path / "Flickr_8k.trainImages.txt", "1.jpg\n")
    write(tmp_path / "Flickr_8k.devImages.txt", "2.jpg\n3.jpg\n")
    references = read_references(tokens)
    assert [image.key for image in references.split("dev")] == ["2.jpg", "3.jpg"]
    assert len(references.split("all")) == 3
    assert references.training == {("a", "dog")}
    with pytest.raises(DataError, match="no image in the split test"):
        references.split("test")
    for name in ("restval", "holdout"):
        with pytest.raises(ConfigError, match="choose from"):
            references.split(name)


def test_corpus_provides_splits_and_training_sentences(drawn: Drawn) -> None:
    references = read_references(drawn.corpus)
    corpus = json.loads(drawn.corpus.read_text())
    assert len(references.split("all")) == len(corpus["images"])
    assert {image.split for image in references.split("val")} == {"val"}
    train = {tuple(s["tokens"]) for i in corpus["images"] if i["split"] == "train" for s in i["sentences"]}
    assert references.training == train


def test_split_of_references_without_splits_is_rejected(tmp_path: Path) -> None:
    references = read_references(write(tmp_path / "o.json", '{"1": ["a dog"]}'))
    with pytest.raises(ConfigError, match="have no splits"):
        references.split("val")


def test_images_are_found_by_unique_file_names(tmp_path: Path) -> None:
    names = {"a/1.jpg": ["x"], "b/1.jpg": ["x"], "b/2.jpg": ["x"]}
    index = read_references(write(tmp_path / "o.json", json.dumps(names))).names()
    for name in ("2.jpg", "2", "b/2.jpg", r"photos\b\2.JPG", "/data/photos/./b//2.jpg"):
        found = index.find(name)
        assert found is not None
        assert found.key == "b/2.jpg"
    for name in ("1.jpg", "1", "c/1.jpg", "a/2.jpg", "3.jpg"):
        assert index.find(name) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", "[[1]]", '{"images": 3}', '{"1": []}', "nonsense", "{", "[" * 99_999])
def test_file_without_references_is_a_one_line_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError) as error:
        read_references(write(tmp_path / "r", text))
    assert "\n" not in str(error.value)
    with pytest.raises(DataError):
        read_references(tmp_path / "nowhere")
