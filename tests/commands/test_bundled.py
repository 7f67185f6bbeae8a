"""The commands with the bundled models: no model is named and there is no corpus."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import Result

from tests.conftest import Drawn
from tests.page_reader import read_page
from vsa_cli.core.learning import model_dir as pack

Run = Callable[..., Result]
pytestmark = pytest.mark.usefixtures("bundled")


@pytest.fixture
def place(drawn: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a photograph, and a folder of three."""
    monkeypatch.chdir(tmp_path)
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("000", "001", "002"):
        with Image.open(drawn.photos / f"{name}.png") as picture:
            picture.save(photos / f"{name}.jpg", quality=95)
    (tmp_path / "photo.jpg").write_bytes((photos / "001.jpg").read_bytes())
    return tmp_path


def test_caption_of_a_photograph(vsa: Run, place: Path) -> None:
    result = vsa("caption", "photo.jpg")
    assert result.exit_code == 0, result.output
    assert 3 <= len(result.stdout.split()) <= 12
    assert result.stderr == ""


def test_captions_of_a_folder_as_json_lines(vsa: Run, place: Path) -> None:
    result = vsa("caption", "photos/", "--format", "jsonl")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["path"] for record in records] == ["photos/000.jpg", "photos/001.jpg", "photos/002.jpg"]
    assert all(record["caption"] and record["error"] is None for record in records)
    assert records[1]["caption"] == vsa("caption", "photo.jpg").stdout.strip()


def test_sidecars_are_resumed(vsa: Run, place: Path) -> None:
    assert vsa("caption", "photos/", "--sidecar", ".txt", "--resume").exit_code == 0
    texts = {path.name: path.read_text() for path in place.glob("photos/*.txt")}
    assert sorted(texts) == ["000.txt", "001.txt", "002.txt"]
    (place / "photos" / "001.txt").unlink()
    again = vsa("caption", "photos/", "--sidecar", ".txt", "--resume")
    assert (again.exit_code, len(again.stdout.splitlines())) == (0, 1)
    assert (place / "photos" / "001.txt").read_text() == texts["001.txt"]


def test_page_of_captions(vsa: Run, place: Path) -> None:
    result = vsa("caption", "photos/", "--format", "html", "-o", "album.html")
    assert result.exit_code == 0, result.output
    page = read_page((place / "album.html").read_text(encoding="utf-8"))
    said = [line.split("\t")[1] for line in vsa("caption", "photos/").stdout.splitlines()]
    assert [element.attributes["alt"] for element in page if element.tag == "img"] == said


def test_page_of_too_many_photographs_is_refused_before_any_work(
    vsa: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsa_cli.output.html.document.MAX_PHOTOGRAPHS", 2)
    result = vsa("caption", "photos/", "--format", "html", "-o", "album.html", "--model", "nowhere")
    assert result.exit_code == 2, "before the model is read"
    assert "-o DIR" in result.stderr
    assert not (place / "album.html").exists()


def test_search_of_a_folder(vsa: Run, place: Path) -> None:
    result = vsa("retrieve", "a red circle", "photos/")
    assert result.exit_code == 0, result.output
    assert sorted(line.split("\t")[1] for line in result.stdout.splitlines()) == [
        "photos/000.jpg", "photos/001.jpg", "photos/002.jpg",
    ]  # fmt: skip


def test_alignment_of_a_sentence(vsa: Run, place: Path) -> None:
    result = vsa("align", "photo.jpg", "a red circle", "--html", "out/")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("a red circle\t") or len(result.stdout.splitlines()) > 1
    assert (place / "out" / "index.html").is_file()


@pytest.mark.parametrize(
    "command",
    [("caption", "photo.jpg"), ("retrieve", "a dog", "photos/"), ("align", "photo.jpg", "a dog")],
    ids=lambda command: command[0],
)
def test_missing_bundled_models_are_reported(
    vsa: Run, place: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr(pack, "BUNDLE", place / "nowhere")
    result = vsa(*command)
    assert result.exit_code == 4
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "bundled model is missing" in result.stderr
    assert "--model" in result.stderr
