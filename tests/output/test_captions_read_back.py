"""Captions in every format that `vsa caption` and others write are read by prep, and by evaluate on both sides."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from vsa_cli.core.corpus.readers.detect import read_captions
from vsa_cli.core.evaluation.captions import join_references
from vsa_cli.core.evaluation.hypotheses import read_hypotheses
from vsa_cli.core.evaluation.inputs import open_input
from vsa_cli.core.evaluation.references import read_references
from vsa_cli.core.generation.results import Candidate, CaptionResult, RegionCaption
from vsa_cli.core.io.sources import Photo
from vsa_cli.output.captions import CaptionFormatter

FILES = {"a.jpg": ["a dog", "the dog, 2"], "sub/tab\tb.PNG": ["a cat", 'a "cat"']}
REGION = RegionCaption((1.004, 2.0, 30.5, 1e6), "a box", -2.0)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def write(path: Path, kind: Any, photos: Path, *, nbest: int = 1, regions: bool = False) -> None:
    formatter = CaptionFormatter(kind, nbest=nbest, regions=regions, alone=False)
    lines = list(formatter.header())
    for name, captions in FILES.items():
        candidates = tuple(Candidate(caption, -1.5 - place) for place, caption in enumerate(captions[:nbest]))
        photo = Photo(str(photos / name), name, photos / name)
        lines += formatter.lines(CaptionResult(photo, candidates, None, (REGION,) if regions else None))
    failed = Photo(str(photos / "bad.jpg"), "bad.jpg", photos / "bad.jpg")
    lines += formatter.lines(CaptionResult(failed, (), "bad.jpg: broken", () if regions else None))
    path.write_text("\n".join([*lines, *formatter.footer()]) + "\n", encoding="utf-8")


@pytest.mark.parametrize("windows", [False, True])
@pytest.mark.parametrize(
    ("kind", "nbest", "regions"),
    [*itertools.product(["text", "csv", "json", "jsonl"], [1, 2], [False, True]), ("coco", 1, False)],
)
def test_captions_of_vsa(tmp_path: Path, photos: Path, kind: str, nbest: int, regions: bool, windows: bool) -> None:
    path = tmp_path / "captions.any"
    write(path, kind, photos, nbest=nbest, regions=regions)
    if windows:
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    reading = read_captions([path], photos)
    read = {record.key: list(record.sentences.values()) for record in reading.records if record.sentences}
    assert read == {name: captions[:nbest] for name, captions in FILES.items()}
    assert not [problem for problem in reading.problems if not problem.is_note]

    hypotheses = read_hypotheses(open_input(path))
    assert list(hypotheses.captions.values()) == ["a dog", "a cat"]
    kinds = {note.message.partition(" ")[2].partition(" (")[0]: note.kind for note in hypotheses.notes}
    failed = {} if kind in ("text", "coco") else {"images whose captioning failed": "problem"}
    several = {"further candidates": "info"} if kind in ("text", "csv") and nbest > 1 else {}
    assert kinds == failed | several

    references = read_references(path)
    assert [image.sentences for image in references.images.values()] == list(read.values())
    assert references.malformed == 0
    joined = join_references(hypotheses, references, None)
    assert joined.captions == ["a dog", "a cat"]
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({name: ["a thing"] for name in FILES}))
    assert join_references(hypotheses, read_references(truth), None).notes == []


OTHERS = {
    "blip-caption": '[\n{"path": "photos/a.jpg", "caption": "a dog"}\n]\n',
    "blip-caption, two": '[{"path": "photos/a.jpg", "caption": "a dog"},\n {"path": "gone.jpg", "caption": "x"}]\n',
    "BLIP's train list": '[{"image": "photos/a.jpg", "caption": "a dog", "image_id": "coco_391895"}]',
    "BLIP's val list": '[{"image": "photos/a.jpg", "caption": ["a dog", "the dog"]}]',
    "BLIP's lines": '{"image": "a.jpg", "text": "a dog"}\n',
    "COCO results, by file": '[{"image_id": "a.jpg", "caption": "a dog", "id": 7}]',
    "an object": '{"a.jpg": "a dog"}',
    "an object of lists": '{"./photos/a.jpg": ["a dog"]}\n',
    "an indented object": '{\n  "a.jpg": "a dog",\n  "gone.jpg": ["x"]\n}\n',
    "semicolons": "File Name;Caption\na.jpg;a dog\n",
    "Excel": 'sep=;\n"image";"caption";"";""\n"a.jpg";"a dog";"";""\n;;;\n',
    "tabs": "image_path\ttext\r\nphotos\\a.jpg\ta dog\r\n",
    "bars": "image_name| comment_number| comment\na.jpg| 0| a dog\n",
    "pandas": ",image_id,caption,error\n0,a.jpg,a dog,nan\n1,gone.jpg,nan,nan\n",
    "numbered columns": "image,caption_0,caption_1\na.jpg,a dog,the dog\n",
    "a name repeated": "image,caption,caption\na.jpg,a dog,the dog\n",
    "spaces after commas": 'image, caption\na.jpg, "a dog"\n',
    "short rows after it": "image,caption\na.jpg,a dog\nb.jpg\n",
    "a stem": "image,caption\na,a dog\n",
    "names in camel case": "imageID,FileName,captionText,Caption\n7,a.jpg,x,a dog\n",
    "notes above the header": "# from a survey\n#\n# file_name,caption\na.jpg,a dog\n",
    "a capital suffix": "image,caption\na.JPG,a dog\n",
    "a name in capitals": "image,caption\nA.JPG,a dog\n",
    "an absolute path of Windows": 'image,caption\n"C:\\data\\photos\\a.jpg",a dog\n',
    "JSON names in capitals": '{"Image": "a.jpg", "Caption": "a dog", "split": NaN}\n',
    "an indented JSON list": '[\n {\n  "image": "a.jpg",\n  "caption": "a dog"\n }\n]',
    "COCO over several lines": '{"images": [\n{"id": 1, "file_name": "a.jpg"}\n],\n"annotations": [\n'
    '{"image_id": "1", "id": 5, "caption": "a dog"}\n]}\n',
}


@pytest.mark.parametrize("name", OTHERS)
def test_captions_of_others(tmp_path: Path, photos: Path, name: str) -> None:
    path = tmp_path / "captions.any"
    path.write_text(OTHERS[name], encoding="utf-8", newline="")
    records = {record.file: list(record.sentences.values()) for record in read_captions([path], photos).records}
    assert records["a.jpg"][0] == "a dog"

    truth = tmp_path / "truth.json"
    truth.write_text('{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1, "caption": "x"}]}')
    hypotheses = read_hypotheses(open_input(path))
    joined = join_references(hypotheses, read_references(truth), None)
    assert joined.captions == ["a dog"]
    image = read_references(path).names().find("a.jpg")
    assert image is not None
    assert image.sentences[0] == "a dog"


@pytest.mark.parametrize(
    "written", ['{"image_id": 1.0, "caption": "a dog"}', "image_id,caption\n1.0,a dog", "1\ta dog", '{"1.0": "a dog"}']
)
@pytest.mark.parametrize("key", ["1", '"1"', "1.0", '"1.0"'])
def test_numbers_are_one_id_in_every_format(tmp_path: Path, written: str, key: str) -> None:
    (tmp_path / "c").write_text(written)
    (tmp_path / "r").write_text(f'{{"images": [], "annotations": [{{"image_id": {key}, "caption": "x"}}]}}')
    joined = join_references(read_hypotheses(open_input(tmp_path / "c")), read_references(tmp_path / "r"), None)
    assert joined.captions == ["a dog"]
    assert joined.notes == []


@pytest.mark.parametrize(
    "name",
    [
        "./a.jpg", "photos/a.jpg", r"photos\a.jpg", "/data/photos/a.jpg", r"C:\photos\a.JPG", "a", ".//a.jpg",
        "../a.jpg", "photos/a",
    ],
)  # fmt: skip
def test_captions_are_matched_whatever_the_spelling_and_never_twice(tmp_path: Path, name: str) -> None:
    (tmp_path / "r.json").write_text('{"a.jpg": ["x"], "sub/b.jpg": ["x"], "other/b.jpg": ["x"], "val/c.jpg": ["x"]}')
    captions = [
        {"image_id": name, "caption": "a dog"}, {"image_id": "a.jpg", "caption": "again"},
        {"image_id": "b.jpg", "caption": "which"}, {"image_id": "test/c.jpg", "caption": "another"},
    ]  # fmt: skip
    (tmp_path / "c.json").write_text(json.dumps(captions))
    joined = join_references(
        read_hypotheses(open_input(tmp_path / "c.json")), read_references(tmp_path / "r.json"), None
    )
    assert joined.captions == ["a dog"]
    assert [(note.message[:40], note.names, note.kind) for note in joined.notes[:2]] == [
        ("2 captions of images that are not in the", ("b.jpg", "test/c.jpg"), "problem"),
        ("1 further captions of images that were c", ("a.jpg",), "problem"),
    ]
