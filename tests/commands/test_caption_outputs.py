"""Further outputs of `vsa caption`: region captions, pages, copies, sidecars, resumed runs, the baseline."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from tests.conftest import Drawn
from tests.page_reader import read_page, with_class
from tests.processes import interrupt_when
from tests.survival.fork_server import ForkServer
from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.generation.baseline import by_consensus
from vsa_cli.core.generation.decoder import Decoder
from vsa_cli.core.generation.results import Candidate
from vsa_cli.core.io.sources import Photo
from vsa_cli.core.learning.model_dir import pack_model
from vsa_cli.core.regions import ssd
from vsa_cli.core.regions.encoder import PhotoEncoder
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.store import RegionStore

Run = Callable[..., Result]
ALL = ("--region-captions", "--min-logprob", -100, "--top-regions", 100)


@pytest.fixture
def photos(tmp_path: Path, drawn: Drawn) -> Path:
    """Four photographs, the third of which is broken."""
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for name, source in (("a.png", "000.png"), ("b.png", "004.png"), ("deep/d.png", "010.png")):
        shutil.copy(drawn.photos / source, folder / name)
    (folder / "c.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut short")
    return folder


def stored(vsa: Run, drawn: Drawn, *options: object, split: str = "all") -> Result:
    where = ("--corpus", drawn.corpus, "--regions-file", drawn.regions, "--split", split, "--model", drawn.model)
    result = vsa("caption", *where, "--threads", 1, *options)
    assert result.exit_code == 0, result.stderr
    return result


def test_region_captions_of_a_split_have_its_boxes(vsa: Run, drawn: Drawn) -> None:
    store = RegionStore(drawn.regions)
    plain = json.loads(stored(vsa, drawn, "--json").stdout)
    records = json.loads(stored(vsa, drawn, "--json", *ALL).stdout)
    assert len(records) == 48
    assert any(record["regions"] for record in records)
    for record, without in zip(records, plain, strict=True):
        boxes = store[str(record["image_id"])].boxes[1:].round(2).tolist()
        sure = []
        for region in record.pop("regions"):
            assert set(region) == {"box", "caption", "logprob", "confidence"}
            assert region["box"] in [pytest.approx(box, abs=0.01) for box in boxes]
            sure.append(region["logprob"] / (len(region["caption"].split()) + 1))
        assert sure == sorted(sure, reverse=True)
        assert record == {**without, "logprob": pytest.approx(without["logprob"], abs=1e-5)}


def test_photographs_and_stored_descriptors_have_the_same_region_captions(vsa: Run, drawn: Drawn) -> None:
    kept = ("--min-logprob", -0.6, "--top-regions", 2, "--region-captions", "--format", "jsonl")
    from_store = [json.loads(line) for line in stored(vsa, drawn, *kept).stdout.splitlines()]
    raw = vsa("caption", drawn.photos, "--model", drawn.model, *kept)
    for line, other in zip(raw.stdout.splitlines(), from_store, strict=True):
        record = json.loads(line)
        assert (record["image_id"], record["caption"]) == (other["image_id"], other["caption"])
        assert len(record["regions"]) == len(other["regions"]) <= 2
        for one, two in zip(record["regions"], other["regions"], strict=True):
            assert (one["caption"], one["box"]) == (two["caption"], two["box"])
            assert one["logprob"] == pytest.approx(two["logprob"], abs=1e-3)
            assert one["logprob"] / (len(one["caption"].split()) + 1) >= -0.6


def test_region_is_captioned_from_its_own_descriptor(vsa: Run, drawn: Drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[np.ndarray] = []
    caption = Decoder.caption

    def listen(self: Decoder, images: Sequence[ImageRegions], *rest: Any) -> list[tuple[Candidate, ...]]:
        given.append(np.concatenate([image.descriptors for image in images]))
        return caption(self, images, *rest)

    monkeypatch.setattr(Decoder, "caption", listen)
    stored(vsa, drawn, *ALL, "--batch-size", 48)
    store = RegionStore(drawn.regions)
    whole, regions = given
    assert (whole == np.concatenate([store[key].descriptors for key in store.ids])).all()
    assert (regions == np.concatenate([store[key].descriptors[1:] for key in store.ids])).all()


def test_without_region_captions_no_boxes_are_detected(vsa: Run, drawn: Drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsa_cli.core.regions.encoder.build_detector", lambda *_: pytest.fail("detected boxes"))
    assert vsa("caption", drawn.photos / "000.png", "--model", drawn.model).exit_code == 0


def test_text_has_regions_after_the_caption(vsa: Run, drawn: Drawn) -> None:
    records = json.loads(stored(vsa, drawn, "--json", *ALL).stdout)
    record = next(record for record in records if record["regions"])
    result = vsa("caption", drawn.photos / record["path"], "--model", drawn.model, *ALL)
    assert result.stdout.splitlines() == [
        record["caption"],
        *(f"{region['caption']}\t{','.join(f'{side:g}' for side in region['box'])}" for region in record["regions"]),
    ]


def test_csv_has_a_row_for_each_caption(vsa: Run, photos: Path, drawn: Drawn) -> None:
    result = vsa("caption", photos, "--model", drawn.model, *ALL, "--nbest", 2, "--format", "csv")
    assert result.exit_code == 3
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert list(rows[0]) == ["path", "image_id", "caption", "logprob", "confidence", "x1", "y1", "x2", "y2", "error"]
    of = {name: [row for row in rows if row["image_id"] == name] for name in ("a.png", "c.jpg", "deep/d.png")}
    assert [row["x1"] == "" for row in of["a.png"]][:2] == [True, True]
    assert all(float(row["x1"]) < float(row["x2"]) for row in of["a.png"][2:])
    assert [(row["caption"], row["logprob"]) for row in of["c.jpg"]] == [("", "")]
    assert "c.jpg" in of["c.jpg"][0]["error"]
    plain = vsa("caption", drawn.photos, "--model", drawn.model, "--format", "csv").stdout
    assert plain.splitlines()[0] == "path,image_id,caption,logprob,confidence,error"
    assert len(plain.splitlines()) == 49


def test_evaluate_reads_the_csv(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    stored(vsa, drawn, "--format", "csv", "-o", tmp_path / "c.csv", split="val")
    stored(vsa, drawn, "--format", "coco", "-o", tmp_path / "c.json", split="val")
    asked = ("--metric", "CIDEr", "--json")
    scores = [
        json.loads(vsa("evaluate", tmp_path / name, "--references", drawn.corpus, "--split", "val", *asked).stdout)
        for name in ("c.csv", "c.json")
    ]
    assert scores[0]["CIDEr"] == scores[1]["CIDEr"] > 0


def test_page_shows_captions_also_as_alternative_text(vsa: Run, photos: Path, drawn: Drawn) -> None:
    said = {
        record["image_id"]: record["caption"]
        for record in json.loads(vsa("caption", photos, "--model", drawn.model, "--json").stdout)
    }
    result = vsa("caption", photos, "--model", drawn.model, "--format", "html")
    assert result.exit_code == 3
    page = read_page(result.stdout)
    assert [e.text for e in with_class(page, "name")] == ["a.png", "b.png", "deep/d.png"]
    captions = [said[name] for name in ("a.png", "b.png", "deep/d.png")]
    assert [e.text for e in with_class(page, "line")] == captions
    assert [e.attributes["alt"] for e in page if e.tag == "img"] == captions
    assert "1 more could not be captioned" in next(e.text for e in with_class(page, "facts"))
    assert str(photos.parent) not in result.stdout


def test_page_sets_candidates_aside_and_draws_boxes_of_regions(
    vsa: Run, photos: Path, drawn: Drawn, tmp_path: Path
) -> None:
    options = ("--model", drawn.model, *ALL, "--nbest", 3)
    records = json.loads(vsa("caption", photos / "a.png", photos / "b.png", *options, "--json").stdout)
    out = tmp_path / "album"
    assert vsa("caption", photos / "a.png", photos / "b.png", *options, "--format", "html", "-o", out).exit_code == 0
    page = read_page((out / "index.html").read_text())
    assert len(with_class(page, "aside")) == 4
    lines = [e.children[-1].text for e in with_class(page, "line")]
    assert len(lines) == sum(3 + len(record["regions"]) for record in records)
    sentences = [e.text for e in with_class(page, "w")]
    assert sentences == [region["caption"] for record in records for region in record["regions"]]
    assert len(with_class(page, "box")) == len(sentences)
    alts = [e.attributes["alt"] for e in page if e.tag == "img"]
    assert alts == [record["caption"] for record in records]
    assert vsa("caption", photos / "a.png", *options, "--format", "html", "-o", out).exit_code == 2
    assert vsa("caption", photos / "a.png", *options, "--format", "html", "-o", out, "--force").exit_code == 0


def test_photographs_of_one_page_are_limited(vsa: Run, drawn: Drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsa_cli.output.html.document.MAX_PHOTOGRAPHS", 3)
    options = ("--corpus", drawn.corpus, "--regions-file", drawn.regions, "--model", drawn.model, "--format", "html")
    result = vsa("caption", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "-o DIR" in result.stderr


def test_pages_among_photographs_are_skipped(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes((drawn.photos / "000.png").read_bytes())
    page = ("--format", "html", "-o", tmp_path / "album", "--force")
    for _ in range(2):
        result = vsa("caption", tmp_path, "--model", drawn.model, *page)
        assert result.exit_code == 0
        assert "2 photographs captioned" in result.stderr
    named = vsa("caption", tmp_path / "album", "--model", drawn.model)
    assert len(named.stdout.splitlines()) == 2, "unless they are named"


def test_annotated_copies_have_the_paths_of_their_photographs(
    vsa: Run, photos: Path, drawn: Drawn, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = vsa("caption", photos, photos / "a.png", "--model", drawn.model, *ALL, "--annotate", out)
    assert result.exit_code == 3
    found = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*"))
    assert found == [".vsa-annotated", "a.png.jpg", "b.png.jpg", "deep/d.png.jpg"]
    with Image.open(out / "a.png.jpg") as copy, Image.open(photos / "a.png") as photo:
        assert copy.width == 1200
        assert copy.height > 900
        assert copy.getpixel((600, 1100 * 96 // 128))[:3] is not None
        assert photo.size == (128, 96), "the photograph itself is unchanged"


def test_annotated_copies_replace_nothing(vsa: Run, photos: Path, drawn: Drawn) -> None:
    before = {path: path.read_bytes() for path in photos.rglob("*.*")}
    for options in ((photos,), (photos, "--force"), (photos / "deep", "--force")):
        result = vsa("caption", photos, "--model", drawn.model, "--annotate", *options)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "another folder" in result.stderr or "--force" in result.stderr
    assert vsa("caption", photos, "--model", drawn.model, "--annotate", photos / "a.png").exit_code == 2
    assert {path: path.read_bytes() for path in photos.rglob("*.*")} == before


def test_sidecars_are_beside_their_photographs(vsa: Run, photos: Path, drawn: Drawn) -> None:
    options = ("caption", photos, "--model", drawn.model, "--sidecar", ".txt", "--nbest", 2)
    result = vsa(*options)
    assert result.exit_code == 3
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert (photos / "a.txt").read_text() == "".join(f"{text}\n" for path, text in lines if path.endswith("a.png"))
    assert sorted(path.name for path in photos.rglob("*.txt")) == ["a.txt", "b.txt", "d.txt"]
    (photos / "a.txt").write_text("mine\n")
    again = vsa(*options)
    assert (again.exit_code, again.stdout) == (2, "")
    assert "a.txt: exists already, as do 2 more" in again.stderr
    (photos / "b.txt").unlink()
    resumed = vsa(*options, "--resume")
    assert resumed.exit_code == 3
    assert [line.split("\t")[0] for line in resumed.stdout.splitlines()] == 2 * [str(photos / "b.png")]
    assert (photos / "a.txt").read_text() == "mine\n"
    assert vsa(*options, "--force").exit_code == 3
    assert (photos / "a.txt").read_text() != "mine\n"


def test_existing_sidecar_fails_its_photograph_of_a_list_only(
    vsa_process: Callable[..., subprocess.CompletedProcess[bytes]], photos: Path, drawn: Drawn
) -> None:
    (photos / "a.txt").write_text("mine\n")
    shutil.copy(photos / "b.png", photos / "b.jpg")
    done = vsa_process(
        "caption", "-", "--model", drawn.model, "--sidecar", ".txt", "--format", "jsonl",
        cwd=photos, input=b"a.png\nb.png\nb.jpg\n",
    )  # fmt: skip
    assert done.returncode == 3
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["error"] is None for record in records] == [False, True, False]
    assert "a.txt: exists already" in records[0]["error"]
    assert "b.txt is the sidecar of b.png" in records[2]["error"]
    assert (photos / "a.txt").read_text() == "mine\n"


def test_interrupted_run_is_resumed_to_the_same_lines(
    vsa: Run, server: ForkServer, drawn: Drawn, tmp_path: Path
) -> None:
    out, whole = tmp_path / "c.jsonl", tmp_path / "whole.jsonl"
    options = ("caption", str(drawn.photos), "--model", str(drawn.model), "--format", "jsonl", "--batch-size", "1")
    part = tmp_path / "c.jsonl.part"

    def two_lines() -> bool:
        return part.exists() and part.read_bytes().count(b"\n") >= 2

    assert interrupt_when(two_lines, server, *options, "--threads", "1", "-o", out).code == 130
    done = part.read_bytes().count(b"\n")
    assert 2 <= done < 48
    assert not out.exists()
    assert vsa(*options, "-o", out).exit_code == 2
    encoded: list[str] = []
    encode = PhotoEncoder.encode

    def count(self: PhotoEncoder, photo: Photo) -> object:
        encoded.append(photo.path)
        return encode(self, photo)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PhotoEncoder, "encode", count)
        assert vsa(*options, "-o", out, "--resume").exit_code == 0
    assert len(encoded) == 48 - done
    assert vsa(*options, "-o", whole).exit_code == 0
    lines = [[json.loads(line) for line in path.read_text().splitlines()] for path in (out, whole)]
    for one, other in zip(*lines, strict=True):
        assert one == {**other, "logprob": pytest.approx(other["logprob"], abs=1e-5)}
    assert vsa(*options, "-o", out, "--resume").exit_code == 0, "with nothing left to do"


def test_baseline_takes_the_neighbours_sentence(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    where = ("--baseline", "nearest-neighbour", "--corpus", drawn.corpus, "--regions-file", drawn.regions)
    corpus = read_corpus(drawn.corpus)
    train = {by_consensus(image.sentences)[0] for image in corpus.split("train")}
    records = json.loads(vsa("caption", *where, "--split", "val", "--json").stdout)
    assert len(records) == len(corpus.split("val"))
    for record in records:
        assert record["caption"] in train
        assert (record["logprob"], record["error"]) == (None, None)
    image = corpus.split("train")[0]
    own = vsa("caption", corpus.path(image), *where)
    assert own.stdout == by_consensus(image.sentences)[0] + "\n"
    page = read_page(vsa("caption", corpus.path(image), *where, "--nbest", 2, "--format", "html").stdout)
    assert not with_class(page, "score")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("x.jpg", "--min-logprob", -1), "require --region-captions"),
        (("x.jpg", "--top-regions", 3), "require --region-captions"),
        (("x.jpg", "--region-captions", "--format", "coco"), "no place"),
        (("x.jpg", "--min-logprob", 1, "--region-captions"), "--min-logprob"),
        (("x.jpg", "--baseline", "nearest-neighbour"), "--corpus"),
        (("x.jpg", "--baseline", "nearest-neighbour", "--corpus", "c"), "--regions-file"),
        (("--baseline", "nearest-neighbour", "--corpus", "c", "--regions-file", "r", "--region-captions"), "model"),
        (("--baseline", "nearest-neighbour", "--corpus", "c", "--regions-file", "r", "--beam", 3), "--nbest"),
        (("--corpus", "c", "--regions-file", "r", "--sidecar", ".txt"), "requires photographs"),
        (("x.jpg", "--split", "train"), "--split"),
        (("x.jpg", "--sidecar", "txt"), "with its dot"),
        (("x.jpg", "--sidecar", "./txt"), "with its dot"),
        (("x.jpg", "--sidecar", ".PNG"), "photograph's suffix"),
        (("x.jpg", "--resume"), "-o FILE"),
        (("x.jpg", "--resume", "--format", "jsonl"), "-o FILE"),
        (("x.jpg", "--resume", "-o", "x.json", "--format", "coco"), "jsonl"),
        (("x.jpg", "--resume", "-o", "x.jsonl", "--format", "jsonl", "--sidecar", ".txt"), "one of them"),
        (("x.jpg", "--resume", "--force", "-o", "x.jsonl", "--format", "jsonl"), "choose one"),
    ],
)
def test_usage_errors(vsa: Run, drawn: Drawn, options: tuple[str, ...], words: str) -> None:
    result = vsa("caption", *options, "--model", drawn.model)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def test_sidecar_name_too_long_fails_its_photograph_only(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    for name in ("a.png", "n" * 250 + ".png"):
        (tmp_path / name).write_bytes((drawn.photos / "000.png").read_bytes())
    result = vsa("caption", tmp_path, "--model", drawn.model, "--sidecar", ".caption", "--resume")
    assert result.exit_code == 3
    assert "File name too long" in result.stderr
    assert (tmp_path / "a.caption").exists()


def test_resumed_run_has_the_model_and_the_search_of_the_first(
    vsa: Run, drawn: Drawn, photos: Path, tmp_path: Path
) -> None:
    lines = ("caption", photos, "--format", "jsonl", "-o", tmp_path / "c.jsonl")
    texts = ("caption", photos, "--sidecar", ".txt")
    other = tmp_path / "other"
    pack_model(drawn.model, other)
    for run in (lines, texts):
        assert vsa(*run, "--model", drawn.model).exit_code == 3
        for changed, words in (
            (("--beam", 1, "--max-len", 3), "made with --beam 7, not 1; --max-len 20, not 3 (--force starts over)"),
            (("--nbest", 2), "made with --nbest 1, not 2"),
            (("--avoid", "circle"), "made with --avoid none, not circle"),
            (("--sample",), "made with --sample off, not on"),
            (("--region-captions",), "made with --region-captions off, not on"),
        ):
            result = vsa(*run, "--model", drawn.model, *changed, "--resume")
            assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
            assert words in result.stderr
        with pytest.MonkeyPatch.context() as patch:
            installed = ssd.is_installed()
            patch.setattr(ssd, "is_installed", lambda installed=installed: not installed)
            result = vsa(*run, "--model", drawn.model, "--resume")
            assert result.exit_code == 1
            assert re.search("made with --detector auto with(out)? ssd, not auto with(out)? ssd", result.stderr)
        result = vsa(*run, "--model", other, "--resume")
        assert f"made with another --model: {drawn.model}, not {other}" in result.stderr
        shutil.copy(drawn.photos / "020.png", photos / f"{run[2]}.png")
        resumed = vsa(*run, "--model", drawn.model, "--resume", "--batch-size", 3)
        assert resumed.exit_code == 3, "what failed is tried again"
        assert "captioned before" in resumed.stderr


def test_photograph_named_twice_has_one_line_and_one_sidecar(
    vsa_process: Callable[..., subprocess.CompletedProcess[bytes]], photos: Path, drawn: Drawn
) -> None:
    (photos / "c.jpg").unlink()
    names = b"a.png\n./a.png\n" + bytes(photos / "a.png") + b"\nb.png\na.png\n"
    for given, listed in ((("-",), names), ((".", "a.png", "./b.png", "deep/d.png"), b"")):
        options = ("--model", drawn.model, "--sidecar", ".txt", "--force", "--format", "jsonl")
        done = vsa_process("caption", *given, *options, cwd=photos, input=listed)
        assert done.returncode == 0, done.stderr
        found = [json.loads(line)["path"] for line in done.stdout.splitlines()]
        assert found == (["a.png", "b.png"] if listed else ["a.png", "b.png", "deep/d.png"])
