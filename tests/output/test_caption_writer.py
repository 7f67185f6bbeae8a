"""The outputs of a captioning run: formats, conflicts, sidecars and copies, and how they end after an exception."""

from __future__ import annotations

import csv
import json
import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Drawn
from tests.page_reader import Element, read_page, with_class
from vsa_cli.core.errors import ArtifactError, ConfigError, DataError
from vsa_cli.core.evaluation.hypotheses import read_hypotheses
from vsa_cli.core.evaluation.inputs import open_input
from vsa_cli.core.generation.results import Candidate, CaptionResult, RegionCaption, SeenObject
from vsa_cli.core.io.image_formats import find_pictures
from vsa_cli.core.io.sources import Photo
from vsa_cli.output.caption_writer import CaptionWriter

REGION = RegionCaption((1.004, 2.0, 30.5, 40.0), "a box", -2.0)


def open_writer(kind: Any = "text", output: Path | None = None, **changed: Any) -> CaptionWriter:
    settings: dict[str, Any] = {
        "sidecar": None, "annotate": None, "nbest": 1, "regions": False, "withholds": False, "alone": False,
        "source": "beam 7",
        "force": False, "resume": False, "workers": 1, "batch_size": 1, "warn": pytest.fail,
    }  # fmt: skip
    return CaptionWriter.open(kind, output, **{**settings, **changed})


def result(photo: Photo, *captions: str, error: str | None = None, **more: Any) -> CaptionResult:
    candidates = tuple(Candidate(caption, -1.5 - place) for place, caption in enumerate(captions))
    return CaptionResult(photo, candidates, error, **more)


def named(path: str) -> Photo:
    return Photo(path, path, Path(path))


GOOD, BAD = result(named("a.jpg"), "a dog", "the dog"), result(named("b\tb.jpg"), error="b: broken")


@pytest.fixture
def photo(tmp_path: Path, drawn: Drawn) -> Photo:
    file = tmp_path / "photos" / "p.png"
    file.parent.mkdir()
    shutil.copy(drawn.photos / "000.png", file)
    return Photo(str(file), "p.png", file)


def written(writer: CaptionWriter, *results: CaptionResult) -> list[CaptionResult]:
    with writer:
        return [written for one in results if (written := writer.write(one)) is not None]


def test_text_has_a_line_for_each_candidate_and_region(capsys: pytest.CaptureFixture[str]) -> None:
    with_regions = result(named("c.jpg"), "a cat", regions=(REGION,))
    written(open_writer(), GOOD, BAD, with_regions)
    assert capsys.readouterr().out.splitlines() == [
        "a.jpg\ta dog", "a.jpg\tthe dog", "c.jpg\ta cat", "c.jpg\ta box\t1,2,30.5,40",
    ]  # fmt: skip
    written(open_writer(alone=True), with_regions)
    assert capsys.readouterr().out.splitlines() == ["a cat", "a box\t1,2,30.5,40"]


def test_records_have_candidates_and_regions_only_if_requested(tmp_path: Path) -> None:
    written(open_writer("json", tmp_path / "c.json"), GOOD, BAD)
    assert json.loads((tmp_path / "c.json").read_text()) == [
        {"path": "a.jpg", "image_id": "a.jpg", "caption": "a dog", "logprob": -1.5, "confidence": None, "error": None},
        {
            "path": "b\tb.jpg",
            "image_id": "b\tb.jpg",
            "caption": None,
            "logprob": None,
            "confidence": None,
            "error": "b: broken",
        },
    ]
    one = result(named("a.jpg"), "a dog", "the dog", regions=(REGION,))
    written(open_writer("jsonl", tmp_path / "c.jsonl", nbest=2, regions=True), one)
    assert json.loads((tmp_path / "c.jsonl").read_text()) == {
        "path": "a.jpg", "image_id": "a.jpg", "caption": "a dog", "logprob": -1.5, "confidence": None,
        "candidates": [{"caption": "a dog", "logprob": -1.5}, {"caption": "the dog", "logprob": -2.5}],
        "regions": [{"box": [1.0, 2.0, 30.5, 40.0], "caption": "a box", "logprob": -2.0, "confidence": None}],
        "error": None,
    }  # fmt: skip


def test_csv_has_boxes_only_if_regions_are_requested(tmp_path: Path) -> None:
    written(open_writer("csv", tmp_path / "c.csv"), GOOD, BAD)
    rows = list(csv.reader((tmp_path / "c.csv").read_text().splitlines()))
    assert rows[0] == ["path", "image_id", "caption", "logprob", "confidence", "error"]
    assert [row[2:] for row in rows[1:]] == [
        ["a dog", "-1.5", "", ""],
        ["the dog", "-2.5", "", ""],
        ["", "", "", "b: broken"],
    ]
    written(open_writer("csv", tmp_path / "r.csv", regions=True), result(named("a"), "a dog", regions=(REGION,)))
    rows = list(csv.reader((tmp_path / "r.csv").read_text().splitlines()))
    assert [row[5:9] for row in rows] == [["x1", "y1", "x2", "y2"], [""] * 4, ["1.0", "2.0", "30.5", "40.0"]]


WITHHELD = result(named("w.jpg"), confidence=0.31, withheld="confidence 0.31 is below 0.5", size=(4, 3))
SURE = result(named("s.jpg"), "a dog", confidence=0.7251, size=(4, 3))


def test_withheld_captions_are_null_with_a_reason_or_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    regions = replace(WITHHELD, regions=(REGION,))
    for kind in ("json", "jsonl", "coco", "text"):
        written(open_writer(kind, tmp_path / kind, withholds=True), WITHHELD, SURE)
    expected = [
        {
            "path": "w.jpg", "image_id": "w.jpg", "caption": None, "logprob": None, "confidence": 0.31,
            "withheld": "confidence 0.31 is below 0.5", "error": None,
        },
        {
            "path": "s.jpg", "image_id": "s.jpg", "caption": "a dog", "logprob": -1.5, "confidence": 0.7251,
            "withheld": None, "error": None,
        },
    ]  # fmt: skip
    assert json.loads((tmp_path / "json").read_text()) == expected
    assert [json.loads(line) for line in (tmp_path / "jsonl").read_text().splitlines()] == expected
    assert json.loads((tmp_path / "coco").read_text()) == [{"image_id": "s.jpg", "caption": "a dog"}]
    assert (tmp_path / "text").read_text() == "s.jpg\ta dog\n"
    written(open_writer("csv", tmp_path / "csv", withholds=True, regions=True, nbest=2), regions)
    rows = list(csv.DictReader((tmp_path / "csv").read_text().splitlines()))
    assert [(row["caption"], row["confidence"], row["x1"], row["withheld"]) for row in rows] == [
        ("", "0.31", "", "confidence 0.31 is below 0.5"), ("a box", "", "1.0", "confidence 0.31 is below 0.5"),
    ]  # fmt: skip
    written(open_writer(alone=True, withholds=True), WITHHELD)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv"])
def test_withheld_captions_are_not_scored(kind: str, tmp_path: Path) -> None:
    written(
        open_writer(kind, tmp_path / "out", withholds=True, regions=True), replace(WITHHELD, regions=(REGION,)), SURE
    )
    found = read_hypotheses(open_input(tmp_path / "out"))
    assert found.captions == {"s.jpg": "a dog"}
    assert [note.message for note in found.notes] == ["1 images whose captions were withheld (left out)"]


def test_withheld_captions_have_no_sidecar_and_no_copy(photo: Photo, tmp_path: Path) -> None:
    sidecar, copies = photo.file.with_suffix(".txt"), tmp_path / "copies"
    withheld = replace(WITHHELD, photo=photo, size=(128, 96))
    (kept,) = written(open_writer(sidecar=".txt", annotate=copies, withholds=True), withheld)
    assert kept == withheld
    assert not sidecar.exists()
    assert not copies.exists()
    sidecar.write_text("old")
    (conflict,) = written(open_writer(sidecar=".txt", withholds=True), withheld)
    assert "exists already" in (conflict.error or "")
    assert (conflict.withheld, sidecar.read_text()) == (None, "old")
    written(open_writer(sidecar=".txt", force=True, withholds=True), withheld)
    assert not sidecar.exists(), "the old caption would pass for one of this run"
    assert not open_writer(sidecar=".txt", resume=True, withholds=True).skips(photo)


def test_sidecar_that_cannot_be_deleted_is_a_failure(photo: Photo) -> None:
    photo.file.with_suffix(".txt").mkdir()
    (failed,) = written(open_writer(sidecar=".txt", force=True, withholds=True), replace(WITHHELD, photo=photo))
    assert "p.txt: cannot delete: " in (failed.error or "")


def test_page_shows_the_confidence_or_why_a_caption_is_withheld(photo: Photo, tmp_path: Path) -> None:
    seen = (SeenObject("dog", 0.924, (0, 0, 1, 1)), SeenObject("<b>", 0.5, (0, 0, 1, 1)))
    more = {"photo": photo, "size": (128, 96), "objects": seen}
    page = tmp_path / "page.html"
    writer = open_writer("html", page, withholds=True, nbest=2)
    written(writer, replace(WITHHELD, **more), replace(SURE, candidates=GOOD.candidates, **more), BAD)
    elements = read_page(page.read_text())
    first, second = (element for element in elements if element.tag == "article")
    assert [note.text for note in with_class(first_to_last(first), "note")] == [
        "caption withheld: confidence 0.31 is below 0.5", "objects: dog 0.92, <b> 0.50",
    ]  # fmt: skip
    assert [note.text for note in with_class(first_to_last(second), "note")] == [
        "right with probability 73 %", "objects: dog 0.92, <b> 0.50",
    ]  # fmt: skip
    assert [e.attributes["alt"] for e in elements if e.tag == "img"] == ["p.png", "a dog"]
    (facts,) = with_class(elements, "facts")
    assert facts.text.startswith("2 photographs 1 of their captions withheld 1 more could not be captioned")
    (reading,) = with_class(elements, "reading")
    assert "A caption is right if " in reading.text
    written(open_writer("html", tmp_path / "plain.html"), replace(GOOD, photo=photo, size=(128, 96)))
    assert not with_class(read_page((tmp_path / "plain.html").read_text()), "note")


def first_to_last(element: Element) -> list[Element]:
    """An element and all that are in it."""
    return [element, *(inner for child in element.children for inner in first_to_last(child))]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("json", "[]\n"), ("coco", "[]\n"), ("jsonl", ""), ("text", ""),
        ("csv", "path,image_id,caption,logprob,confidence,error\n"),
    ],
)  # fmt: skip
def test_output_without_photographs_is_complete(kind: str, content: str, tmp_path: Path) -> None:
    written(open_writer(kind, tmp_path / "out"))
    assert (tmp_path / "out").read_text() == content


@pytest.mark.parametrize(("kind", "left"), [("json", []), ("text", []), ("csv", []), ("jsonl", ["out.part"])])
def test_exception_leaves_no_output_but_a_part_to_resume(kind: str, left: list[str], tmp_path: Path) -> None:
    writer = open_writer(kind, tmp_path / "out")

    def interrupted() -> None:
        with writer:
            writer.write(GOOD)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.name for path in tmp_path.iterdir()] == left


@pytest.mark.parametrize("kind", ["text", "json", "jsonl", "coco", "csv", "html"])
def test_existing_output_is_refused_before_any_work(kind: str, tmp_path: Path) -> None:
    output = tmp_path / "out.html"
    output.write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        open_writer(kind, output)
    assert output.read_text() == "mine"


def test_sidecar_conflicts_of_named_photographs_are_found_before_any_work(photo: Photo) -> None:
    photo.file.with_suffix(".txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"p\.txt: exists already; --force replaces"):
        open_writer(sidecar=".txt").check([photo])
    for allowed in ({"force": True}, {"resume": True}):
        open_writer(sidecar=".txt", **allowed).check([photo])


def test_sidecar_conflict_of_a_listed_photograph_becomes_its_error(photo: Photo) -> None:
    sidecar = photo.file.with_suffix(".txt")
    sidecar.write_text("mine")
    (refused,) = written(open_writer(sidecar=".txt"), result(photo, "a dog", regions=(REGION,)))
    assert refused.error is not None
    assert refused.error.startswith(f"{sidecar}: exists already")
    assert (refused.caption, refused.regions) == (None, ())
    assert sidecar.read_text() == "mine"
    (replaced,) = written(open_writer(sidecar=".txt", force=True), result(photo, "a dog", "the dog"))
    assert replaced.error is None
    assert sidecar.read_text() == "a dog\nthe dog\n"


def test_sidecars_of_an_earlier_run_are_skipped_and_counted(photo: Photo) -> None:
    writer = open_writer(sidecar=".txt", resume=True)
    assert not writer.skips(photo)
    written(writer, result(photo, "a dog"))
    assert not writer.skips(photo), "its sidecar is of this run"
    again = open_writer(sidecar=".txt", resume=True)
    assert again.skips(photo)
    assert (writer.skipped, again.skipped) == (0, 1)


def test_lines_of_an_earlier_run_are_skipped_and_counted(tmp_path: Path) -> None:
    written(open_writer("jsonl", tmp_path / "c.jsonl"), result(named("a.jpg"), "a dog"), BAD)
    writer = open_writer("jsonl", tmp_path / "c.jsonl", resume=True)
    assert [writer.skips(one.photo) for one in (GOOD, BAD)] == [True, False]
    assert writer.skipped == 1


def test_copy_is_written_before_the_sidecar_that_marks_it_done(photo: Photo, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    one = result(photo, "a dog", size=(128, 96))
    (good,) = written(open_writer(sidecar=".txt", annotate=copies), one)
    assert good.error is None
    assert sorted(path.name for path in copies.iterdir()) == [".vsa-annotated", "p.png.jpg"]
    photo.file.with_suffix(".txt").unlink()
    photo.file.write_bytes(b"no longer a picture")
    (failed,) = written(open_writer(sidecar=".txt", annotate=copies, force=True), one)
    assert failed.error is not None
    assert failed.caption == "a dog"
    assert not photo.file.with_suffix(".txt").exists()


def test_photographs_in_the_folder_of_copies_are_refused(photo: Photo) -> None:
    writer = open_writer(annotate=photo.file.parent, force=True)
    with pytest.raises(ConfigError, match="name another folder"):
        writer.check([photo])
    (refused,) = written(writer, result(photo, "a dog", size=(128, 96)))
    assert refused.error is not None
    assert [path.name for path in photo.file.parent.iterdir()] == ["p.png"]


def test_page_counts_photographs_without_picture(photo: Photo, tmp_path: Path) -> None:
    warned: list[str] = []
    for output in (tmp_path / "page.html", tmp_path / "pages"):
        writer = open_writer("html", output, warn=warned.append)
        missing = Photo("gone.png", "gone.png", photo.file.with_name("gone.png"))
        written(writer, result(photo, "a dog", size=(128, 96)), result(missing, "a cat", size=(128, 96)), BAD)
        assert writer.missing_pictures == 1
    assert len(warned) == 2
    assert all("gone.png" in line for line in warned)
    assert "1 more could not be captioned" in (tmp_path / "page.html").read_text()
    assert (tmp_path / "pages" / "index.html").is_file()


def test_page_limit_is_checked_before_and_while_writing(photo: Photo, tmp_path: Path) -> None:
    writer = open_writer("html")
    writer.check_count(1)
    with pytest.raises(ConfigError, match="-o DIR"):
        writer.check_count(10_000)
    with pytest.raises(ConfigError, match="-o DIR"):
        written(writer, *10_000 * [result(photo, "a dog", size=(128, 96))])
    open_writer("html", tmp_path / "folder").check_count(10_000)


def test_sidecar_that_another_run_writes_meanwhile_is_skipped_when_resuming(
    photo: Photo, capsys: pytest.CaptureFixture[str]
) -> None:
    sidecar = photo.file.with_suffix(".txt")
    writer = open_writer(sidecar=".txt", resume=True)
    writer.check([photo])
    assert not writer.skips(photo)
    sidecar.write_text("theirs")
    assert written(writer, result(photo, "a dog")) == []
    assert (writer.skipped, sidecar.read_text(), capsys.readouterr().out) == (1, "theirs", "")


def test_sidecar_that_another_run_writes_at_the_same_time_is_not_a_failure(
    photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(path: Path, text: str) -> None:
        path.write_text("theirs")
        raise DataError(f"{path}: cannot write: No such file or directory")

    monkeypatch.setattr("vsa_cli.output.sidecars.write_text", lose)
    (good,) = written(open_writer(sidecar=".txt", resume=True), result(photo, "a dog"))
    assert good.error is None
    photo.file.with_suffix(".txt").unlink()
    (bad,) = written(open_writer(sidecar=".txt"), result(photo, "a dog"))
    assert bad.error is not None


@pytest.mark.parametrize("allowed", [{}, {"force": True}, {"resume": True}])
@pytest.mark.parametrize("name", ["p.jpg", "p.PNG", "p.jpeg"])
def test_photographs_with_one_sidecar_are_refused_before_any_work(
    photo: Photo, name: str, allowed: dict[str, bool]
) -> None:
    other = Photo(name, name, photo.file.with_name(name))
    with pytest.raises(ConfigError, match=rf"p\.png, {name}: both have the sidecar .*p\.txt; rename one of them"):
        open_writer(sidecar=".txt", **allowed).check([photo, other])
    first, second = written(open_writer(sidecar=".txt"), result(photo, "a dog"), result(other, "a cat"))
    assert first.error is None
    assert second.error == f"{name}: p.txt is the sidecar of {photo.path}"


def test_sidecars_are_resumed_with_the_same_settings_only(photo: Photo) -> None:
    settings, other = {"beam": 7}, {"beam": 1}
    written(open_writer(sidecar=".txt", settings=settings), result(photo, "a dog"))
    record = photo.file.with_name(".vsa.txt.settings.json")
    assert json.loads(record.read_text()) == settings
    open_writer(sidecar=".txt", settings=settings, resume=True).check([photo])
    with pytest.raises(ArtifactError, match=r"\*\.txt: cannot resume: made with `beam` 7, not 1 \(--force"):
        open_writer(sidecar=".txt", settings=other, resume=True).check([photo])
    listed = open_writer(sidecar=".txt", settings=other, resume=True)
    assert not listed.skips(photo)
    (refused,) = written(listed, result(photo, "a cat"))
    assert refused.error is not None
    assert "made with `beam` 7, not 1" in refused.error
    open_writer(sidecar=".caption", settings=other, resume=True).check([photo])
    written(open_writer(sidecar=".txt", settings=other, force=True), result(photo, "a cat"))
    assert json.loads(record.read_text()) == other


def test_folder_of_copies_is_skipped_later_unless_it_has_photographs_of_its_own(photo: Photo, tmp_path: Path) -> None:
    folder = photo.file.parent
    written(open_writer(annotate=folder / "drawn"), result(photo, "a dog", size=(128, 96)))
    assert find_pictures(folder).paths == [photo.file]
    assert len(find_pictures(folder / "drawn").paths) == 1, "unless it is named"
    (folder / "mixed").mkdir()
    shutil.copy(photo.file, folder / "mixed" / "own.png")
    written(open_writer(annotate=folder / "mixed", force=True), result(photo, "a dog", size=(128, 96)))
    assert folder / "mixed" / "own.png" in find_pictures(folder).paths


def test_sidecars_left_by_an_interrupted_replacement_are_replaced_when_resuming(photo: Photo) -> None:
    folder = photo.file.parent
    photos = [Photo(name, name, folder / name) for name in ("a.png", "b.png", "c.png", "sub/d.png")]
    (folder / "sub").mkdir()
    for one in photos:
        one.file.with_suffix(".txt").write_text("old")
    (folder / "other.txt").write_text("by hand")

    def texts() -> list[str]:
        return [one.file.with_suffix(".txt").read_text().strip() for one in photos]

    writer = open_writer(sidecar=".txt", force=True, settings={"beam": 7})
    writer.check(photos)
    with suppress(KeyboardInterrupt), writer:
        writer.write(result(photos[0], "new"))
        raise KeyboardInterrupt
    assert texts() == ["new", "old", "old", "old"]
    photos[2].file.with_suffix(".txt").write_text("by hand")  # changed since: kept
    os.utime(photos[2].file.with_suffix(".txt"), (1, 1))
    again = open_writer(sidecar=".txt", resume=True, settings={"beam": 7})
    again.check([*photos, Photo("other.png", "other.png", folder / "other.png")])
    assert [again.skips(one) for one in photos] == [True, False, True, False]
    assert again.skips(Photo("other.png", "other.png", folder / "other.png")), "it was not to be replaced"
    assert all(one.error is None for one in written(again, result(photos[1], "newer"), result(photos[3], "newer")))
    assert texts() == ["new", "newer", "by hand", "newer"]
    last = open_writer(sidecar=".txt", resume=True, settings={"beam": 7})
    assert all(last.skips(one) for one in photos)
