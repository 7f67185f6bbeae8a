"""Whatever prep writes, every other command reads."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from vsa_cli.core.config import PrepConfig
from vsa_cli.core.corpus.corpus import read_corpus, write_corpus
from vsa_cli.core.corpus.prepare import prepare
from vsa_cli.core.errors import VsaError
from vsa_cli.core.evaluation.references import read_references

FILES = (
    "a.jpg",
    "b.png",
    "sub/b.png",
    "sub/C.JPG",
    "train/a.jpg",
    "ü.png",
    "1.jpg",
    "photos/d.png",
    "x y.jpg",
    "e.f.png",
)

SPELLINGS: list[Callable[[str], str]] = [
    str, str, str, lambda name: f"./{name}", lambda name: f"photos/{name}", lambda name: name.replace("/", "\\"),
    lambda name: f"photos\\{name}".replace("/", "\\"), lambda name: name.replace("/", "//"), lambda name: f"{name}/",
    lambda name: unicodedata.normalize("NFD", name), str.upper, lambda name: name.rpartition(".")[0],
    lambda name: f"C:\\data\\photos\\{name}", lambda name: f"/data/photos/{name}", lambda name: f"../{name}",
    lambda name: name.rpartition("/")[2], lambda name: f" {name} ", lambda name: f"{name}\0", lambda name: "/." + name,
]  # fmt: skip

names = st.builds(
    lambda file, spelling: spelling(file),
    st.sampled_from([*FILES, "gone.jpg", "", "nan", "."]),
    st.sampled_from(SPELLINGS),
)
ids = st.one_of(
    st.sampled_from([1, "1", 1.0, "1.0", 2, "2", True, None, " ", "", "nan", float("nan"), 10**30, -1, "a.jpg", 1.5]),
    names,
    st.text(max_size=3),
)
sentences = st.one_of(
    st.sampled_from([
        "a dog", "A cat!", "", "  ", "nan", "NaN", None, float("nan"), 3, "UNK", "a\nb", 'a "b', "\ud800", "\0",
        "1", "कुत्ता", "狗",
    ]),
    st.text(max_size=6),
)  # fmt: skip
splits = st.sampled_from([None, "", "train", "val", "dev", "TEST", "restval", "tune", "nan", 3, "never", float("nan")])
rows = st.lists(st.tuples(names, ids, sentences, splits), min_size=1, max_size=8)


def as_csv(entries: list[tuple[object, ...]]) -> str:
    table = io.StringIO()
    csv.writer(table).writerows([["file_name", "image_id", "caption", "split"], *entries])
    return table.getvalue()


def as_lines(entries: list[tuple[object, ...]]) -> str:
    return "".join(
        json.dumps(dict(zip(("file_name", "image_id", "caption", "split"), entry, strict=True))) + "\n"
        for entry in entries
    )


def as_list(entries: list[tuple[object, ...]]) -> str:
    return json.dumps([{"image": file, "image_id": key, "text": raw} for file, key, raw, _ in entries])


def as_coco(entries: list[tuple[object, ...]]) -> str:
    images = [{"file_name": file, "id": key} for file, key, _, _ in entries]
    annotations = [
        {"image_id": key, "id": number % 3, "caption": raw} for number, (_, key, raw, _) in enumerate(entries)
    ]
    return json.dumps({"images": images, "annotations": annotations})


def as_karpathy(entries: list[tuple[object, ...]]) -> str:
    images = [
        {"filename": file, "imgid": key, "split": split, "sentences": [{"raw": raw}, {"raw": raw, "sentid": key}]}
        for file, key, raw, split in entries
    ]
    return json.dumps({"images": images})


def as_tokens(entries: list[tuple[object, ...]]) -> str:
    return "".join(f"{file}#{number % 2}\t{raw}\n" for number, (file, _, raw, _) in enumerate(entries))


def as_text(entries: list[tuple[object, ...]]) -> str:
    return "".join(f"{file}\t{raw}\n" for file, _, raw, _ in entries)


FORMATS = {
    "csv": as_csv, "imagefolder": as_lines, "list": as_list, "coco": as_coco, "karpathy": as_karpathy,
    "flickr": as_tokens, "text": as_text,
}  # fmt: skip


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "photos"
    for number, file in enumerate(FILES):
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3 + number)).save(path)
    return folder


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([("coco", [("a.jpg", "1.0", "a dog", None)]), ("coco", [("b.png", 1, "a dog", None)])], [], False, "")
@given(
    st.lists(st.tuples(st.sampled_from(sorted(FORMATS)), rows), min_size=1, max_size=2),
    st.lists(names, max_size=6),
    st.booleans(),
    st.sampled_from(["", "sub", "train"]),
)
def test_whatever_prep_writes_is_read_and_every_photograph_exists(
    photos: Path, files: list[tuple[str, list[tuple[object, ...]]]], listed: list[str], detect: bool, folder: str
) -> None:
    paths = []
    for number, (kind, entries) in enumerate(files):
        path = photos / folder / f"captions{number}.any"
        path.write_bytes(FORMATS[kind](entries).encode("utf-8", "surrogatepass"))
        paths.append(path)
    lists = []
    if listed:
        (photos.parent / "list.txt").write_bytes("\n".join(listed).encode("utf-8", "surrogatepass"))
        lists = [f"train={photos.parent / 'list.txt'}"]
    kind = "auto" if detect or len(files) > 1 else files[0][0]
    try:
        prepared = prepare(paths, photos, PrepConfig(min_count=1), captions_format=kind, splits=lists, threads=1)  # type: ignore[arg-type]
        prepared.check(strict=False)
    except VsaError:
        return  # refused with a message
    finally:
        for path in paths:
            path.unlink()
    event("written")
    written = write_corpus(photos.parent / "corpus.json", prepared.corpus)
    read = read_corpus(photos.parent / "corpus.json")
    assert read == written
    assert all(read.path(image).is_file() for image in read.images)
    assert len({image.file for image in read.images}) == len(read.images)
    if any(sentence.raw.strip() for image in read.images for sentence in image.sentences):
        references = read_references(photos.parent / "corpus.json")
        index = references.names()
        assert all(index.find(image.key) is image for image in references.images.values())
