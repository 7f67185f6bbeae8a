"""Corpora of sentences without photographs: every caption format, plain or gzipped, and the corpus file."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vsa_cli.core.config import PrepConfig
from vsa_cli.core.corpus.corpus import read_corpus, write_corpus
from vsa_cli.core.corpus.prepare import Prepared, prepare
from vsa_cli.core.errors import ArtifactError, ConfigError, DataError, VsaError

CONFIG = PrepConfig(min_count=1)
LINES = [{"image_id": 25, "captions": ["A dog.", "One dog."]}, {"image_id": "x/7", "captions": ["Two cats."]}]
EXPECTED = {"25": ["A dog.", "One dog."], "x/7": ["Two cats."]}
COCO = {
    "images": [{"id": 25, "file_name": "25.jpg"}, {"id": 7, "file_name": "7.jpg"}],
    "annotations": [{"image_id": 25, "id": 1, "caption": "A dog."}, {"image_id": 7, "id": 2, "caption": "Two cats."}],
}
KARPATHY = {
    "images": [{"filename": "a.jpg", "imgid": 4, "split": "restval", "sentences": [{"raw": "A dog.", "sentid": 1}]}]
}


def check_one_line(error: VsaError) -> None:
    assert "\n" not in str(error)


def write(path: Path, content: object) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def alone(*paths: Path, config: PrepConfig = CONFIG, **options: Any) -> Prepared:
    return prepare(paths, None, config, **options)


def found(prepared: Prepared) -> dict[str, list[str]]:
    return {image.key: [sentence.raw for sentence in image.sentences] for image in prepared.corpus.images}


def json_lines(values: list[Any]) -> str:
    return "".join(f"{json.dumps(value)}\n" for value in values)


@pytest.mark.parametrize(
    ("name", "content", "kind", "expected"),
    [
        ("a.jsonl", json_lines(LINES), "imagefolder", EXPECTED),
        ("a.jsonl.gz", json_lines(LINES), "imagefolder", EXPECTED),
        ("captions.json.gz", COCO, "coco", {"25": ["A dog."], "7": ["Two cats."]}),
        ("k.json", KARPATHY, "karpathy", {"4": ["A dog."]}),
        ("l.json", {"a.jpg": ["A dog."], "b": "Two cats."}, "list", {"a.jpg": ["A dog."], "b": ["Two cats."]}),
        ("x.token.txt.gz", "a.jpg#0\tA dog.\na.jpg#1\tOne dog.\n", "flickr", {"a.jpg": ["A dog.", "One dog."]}),
        ("a.csv", "image,caption\n/home/me/a.jpg,A dog.\nC:\\b.jpg,A cat.\n", "csv",
         {"home/me/a.jpg": ["A dog."], "b.jpg": ["A cat."]}),
        ("a.txt", "a.jpg\tA dog.\n", "text", {"a.jpg": ["A dog."]}),
        ("s.txt", "A dog, here.\n\n  Two cats. \r\n", "plain", {"s.txt:1": ["A dog, here."], "s.txt:3": ["Two cats."]}),
        ("s.txt.gz", "A dog.\n", "plain", {"s.txt.gz:1": ["A dog."]}),
    ],
)  # fmt: skip
def test_every_format_is_read_without_photographs(
    tmp_path: Path, name: str, content: object, kind: str, expected: dict[str, list[str]]
) -> None:
    prepared = alone(write(tmp_path / name, content))
    assert prepared.corpus.envelope.parents["captions[0]"]["format"] == kind
    assert found(prepared) == expected
    assert prepared.corpus.split_sizes() == {"train": len(expected)}
    assert prepared.problems == ()
    assert {(image.width, image.height, image.sha256) for image in prepared.corpus.images} == {(0, 0, "")}
    corpus = write_corpus(tmp_path / "corpus.json", prepared.corpus)
    assert read_corpus(tmp_path / "corpus.json", needs_photographs=False) == corpus
    assert not corpus.has_photographs


def test_the_file_is_the_name_if_there_is_one_and_else_the_id(tmp_path: Path) -> None:
    (of_coco, _) = alone(write(tmp_path / "c.json", COCO)).corpus.images
    assert (of_coco.image_id, of_coco.file) == (25, "25.jpg")
    (of_lines, _) = alone(write(tmp_path / "l.jsonl", json_lines(LINES))).corpus.images
    assert (of_lines.image_id, of_lines.file) == ("25", "25")


def test_sidecars_and_tars_are_read_without_photographs(tmp_path: Path) -> None:
    (tmp_path / "texts" / "sub").mkdir(parents=True)
    write(tmp_path / "texts" / "a.txt", "A dog.\nOne dog.\n")
    write(tmp_path / "texts" / "sub" / "b.caption", "Two cats.\n")
    prepared = alone(tmp_path / "texts")
    assert found(prepared) == {"a": ["A dog.", "One dog."], "sub/b": ["Two cats."]}
    with tarfile.open(tmp_path / "t.tar", "w") as tar:
        for name, data in (("1.jpg", b"not read"), ("1.txt", b"A dog."), ("2.json", b'{"caption": "Two cats."}')):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    assert found(alone(tmp_path / "t.tar")) == {"t/1.jpg": ["A dog."], "t/2": ["Two cats."]}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.tar", "texts"], "nothing is unpacked"


def test_photographs_beside_the_captions_are_not_searched_for(tmp_path: Path) -> None:
    (tmp_path / "A.JPG").write_bytes(b"not a photograph")
    assert found(alone(write(tmp_path / "x.csv", "image,caption\na.jpg,A dog.\n"))) == {"a.jpg": ["A dog."]}


def test_splits_are_drawn_listed_or_named(tmp_path: Path) -> None:
    path = write(tmp_path / "s.txt", "".join(f"Dog {number}.\n" for number in range(9)))
    config = PrepConfig(min_count=1, tune=2, val=3)
    assert alone(path, config=config).corpus.split_sizes() == {"train": 4, "tune": 2, "val": 3}
    assert alone(path, split="val").corpus.split_sizes() == {"val": 9}
    listed = write(tmp_path / "names", "s.txt:2\ns.txt:3\n")
    assert alone(path, splits=[f"test={listed}"]).corpus.split_sizes() == {"test": 2}


def test_files_of_sentences_with_the_same_name_raise(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "s.txt", "A dog.\n")
    with pytest.raises(DataError, match="same name"):
        alone(tmp_path / "a" / "s.txt", tmp_path / "b" / "s.txt")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "one;two\nx;A dog.\n"),
        ("a.txt", "one\ttwo\nx\tA dog.\n"),
        ("names.txt", "a.jpg\nb.png\n"),
        ("a.pdf", "%PDF\nA dog.\n"),
        ("empty.txt", "\n"),
        ("bytes.txt", "\0\0\0\n\0A dog.\n"),
    ],
)
def test_other_files_are_not_taken_for_sentences(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(DataError, match=rf"^{tmp_path / name}: (not a caption file .*plain|is empty)"):
        alone(write(tmp_path / name, content))


def test_plain_sentences_with_a_folder_of_photographs_raise(tmp_path: Path) -> None:
    path = write(tmp_path / "s.txt", "A dog.\n")
    with pytest.raises(ConfigError, match="leave out `images`"):
        prepare([path], tmp_path, PrepConfig(), captions_format="plain")
    with pytest.raises(DataError, match="not a caption file"):
        prepare([path], tmp_path, PrepConfig())


def test_lines_that_are_not_text_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_bytes(b"A dog.\n\xff\xfe?\nTwo cats.\n")
    prepared = alone(tmp_path / "s.txt", captions_format="plain")
    assert list(found(prepared)) == ["s.txt:1", "s.txt:3"]
    assert [problem.name for problem in prepared.failures] == ["s.txt, line 2"]


@pytest.mark.parametrize("style", ["coco", "Flickr30k-clean_2", "x" * 40, "", "Region"])
def test_style_is_recorded(tmp_path: Path, style: str) -> None:
    config = PrepConfig(min_count=1, style=style)
    prepared = alone(write(tmp_path / "s.txt", "A dog.\n"), config=config)
    write_corpus(tmp_path / "c.json", prepared.corpus)
    assert read_corpus(tmp_path / "c.json", needs_photographs=False).envelope.config["style"] == style


@pytest.mark.parametrize("style", ["region", "two words", "x" * 41, "é", "a\n", "a.b", "../a", " "])
def test_invalid_styles_raise(tmp_path: Path, style: str) -> None:
    path = write(tmp_path / "s.txt", "A dog.\n")
    with pytest.raises(ConfigError, match=r"^`style`"):
        alone(path, config=PrepConfig(style=style))
    corpus = write_corpus(tmp_path / "c.json", alone(path).corpus)
    data = json.loads((tmp_path / "c.json").read_text())
    data["config"]["style"] = style
    write(tmp_path / "c.json", data)
    with pytest.raises(ArtifactError, match=r"c\.json: damaged \(style\)"):
        read_corpus(tmp_path / "c.json", needs_photographs=False)
    assert corpus.envelope.config["style"] == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [("width", 1), ("height", 3), ("width", False), ("width", None), ("width", 0.0), ("sha256", "0" * 64),
     ("sha256", None), ("sha256", 0), ("file", "../a"), ("file", "")],
)  # fmt: skip
def test_root_null_with_facts_of_a_photograph_is_damage(tmp_path: Path, name: str, value: object) -> None:
    write_corpus(tmp_path / "c.json", alone(write(tmp_path / "s.txt", "A dog.\n")).corpus)
    data = json.loads((tmp_path / "c.json").read_text())
    assert data["root"] is None
    data["images"][0][name] = value
    write(tmp_path / "c.json", data)
    with pytest.raises(ArtifactError, match=rf"c\.json: images\[0\]: damaged \({name}"):
        read_corpus(tmp_path / "c.json", needs_photographs=False)


def test_a_folder_of_photographs_and_sentences_alone_is_damage(tmp_path: Path) -> None:
    write_corpus(tmp_path / "c.json", alone(write(tmp_path / "s.txt", "A dog.\n")).corpus)
    data = json.loads((tmp_path / "c.json").read_text())
    write(tmp_path / "c.json", {**data, "root": "photos"})
    with pytest.raises(ArtifactError, match=r"damaged \(width\)"):
        read_corpus(tmp_path / "c.json", needs_photographs=False)


def test_photographs_are_required_unless_a_caller_needs_none(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "c.json", alone(write(tmp_path / "s.txt", "A dog.\n")).corpus)
    for images in (None, tmp_path):
        with pytest.raises(DataError, match=r"c\.json: has sentences without photographs; .*`text` of `vsa train-gen`"):
            read_corpus(tmp_path / "c.json", images)
    with pytest.raises(DataError, match=r"^the corpus: has sentences without photographs"):
        corpus.path(corpus.images[0])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode), st.booleans(), st.sampled_from(["auto", "plain"]))
def test_any_bytes_are_sentences_or_one_clear_line(tmp_path: Path, data: bytes, packed: bool, kind: str) -> None:
    (tmp_path / "s.txt").write_bytes(gzip.compress(data) if packed else data)
    try:
        prepared = alone(tmp_path / "s.txt", captions_format=kind)
    except VsaError as error:
        check_one_line(error)
        return
    write_corpus(tmp_path / "c.json", prepared.corpus)
    read_corpus(tmp_path / "c.json", needs_photographs=False)
