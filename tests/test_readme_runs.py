"""Every `vsa` line and the Python example of the README, run in a folder with generated files of the same names."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import Result

from tests.conftest import SMALL, SMALL_EMBED, Drawn
from tests.test_readme import COMMANDS, EXAMPLES, LINES
from vsa_cli.core.io.web_server import WebServer
from vsa_cli.core.learning.model_dir import pack_model

Run = Callable[..., Result]
SENTENCES = ("two dogs run in the snow", "a man in a red shirt climbs a rock")
SHORT = {"train-gen": ("--epochs", "1"), "train-embed": ("--epochs", "1"), "extract-regions": ("--top", "3")}
"""Options added to a command so that it takes seconds."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, vsa: Run, drawn: Drawn) -> Path:
    """All files that the README's lines name, made of drawn photographs."""
    place = tmp_path_factory.mktemp("readme")
    _write_flickr8k(place, drawn)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for step in (
            ("prep", "Flickr8k.token.txt", "--images", "Flicker8k_Dataset", "-o", "corpus.json"),
            ("extract-regions", "corpus.json", "-o", "regions.h5", "--detector", "grid", "--top", 3, "--side", 96),
            ("train-gen", "corpus.json", "regions.h5", "-o", "gen", *SMALL, "--epochs", 2),
            ("train-embed", "corpus.json", "regions.h5", "-o", "embed", *SMALL_EMBED, "--epochs", 2),
            ("retrieve", "--corpus", "corpus.json", "--regions-file", "regions.h5", "--model", "embed",
             "-o", "rankings.jsonl"),
            ("caption", "--corpus", "corpus.json", "--regions-file", "regions.h5", "--model", "gen",
             "--format", "coco", "--min-len", 3, "-o", "captions.json"),
        ):  # fmt: skip
            result = vsa(*step)
            assert result.exit_code == 0, (step, result.output)
        _write_references(place)
        scores = vsa("evaluate", "captions.json", "--references", "references.json", "--metric", "CIDEr", "--json")
        (place / "baseline.json").write_text(scores.stdout, encoding="utf-8")
        pack_model(place / "gen", place / "bundled" / "gen")
        pack_model(place / "embed", place / "bundled" / "embed")
        patch.setattr("vsa_cli.core.learning.model_dir.BUNDLE", place / "bundled")
        result = vsa("index", "photos/", "-o", "library", "--no-cache")
        assert result.exit_code == 0, result.output
    return place


def _write_flickr8k(place: Path, drawn: Drawn) -> None:
    photos = place / "Flicker8k_Dataset"
    photos.mkdir()
    (place / "photos").mkdir()
    sentences: dict[str, list[str]] = {}
    splits: dict[str, list[str]] = {"train": [], "val": []}
    with drawn.captions.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if int(row["image"][:3]) % 3:  # a third of the photographs, with all of the validation split
                continue
            name = row["image"].replace(".png", ".jpg")
            if name not in sentences:
                splits[row["split"]].append(name)
                with Image.open(drawn.photos / row["image"]) as picture:
                    picture.convert("RGB").save(photos / name, quality=95)
            sentences.setdefault(name, list(SENTENCES)).append(row["caption"])
    lines = [f"{name}#{number}\t{text}\n" for name, texts in sentences.items() for number, text in enumerate(texts)]
    (place / "Flickr8k.token.txt").write_text("".join(lines), encoding="utf-8")
    for split, names in (("train", splits["train"]), ("dev", splits["val"]), ("test", [])):
        (place / f"Flickr_8k.{split}Images.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    for name in list(sentences)[:3]:
        shutil.copy(photos / name, place / "photos")
    shutil.copy(photos / "003.jpg", place / "photo.jpg")
    (place / "tests" / "pictures").mkdir(parents=True)
    shutil.copy(photos / "006.jpg", place / "tests" / "pictures" / "astronaut.jpg")


def _write_references(place: Path) -> None:
    """COCO references for `captions.json`."""
    captions = json.loads((place / "captions.json").read_text(encoding="utf-8"))
    coco = {
        "images": [{"id": number, "file_name": one["image_id"]} for number, one in enumerate(captions)],
        "annotations": [{"id": n, "image_id": n, "caption": SENTENCES[n % 2]} for n in range(len(captions))],
    }
    (place / "references.json").write_text(json.dumps(coco), encoding="utf-8")


@pytest.fixture
def copy(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder, entered, with its models bundled."""
    place = tmp_path / "copy"
    shutil.copytree(folder, place)
    monkeypatch.chdir(place)
    monkeypatch.setattr("vsa_cli.core.learning.model_dir.BUNDLE", place / "bundled")
    return place


def stopped(run: Callable[[WebServer], None]) -> Callable[[WebServer], None]:
    """`run` of a server that is stopped at once, and so closes its sockets."""

    def stop_and_run(server: WebServer) -> None:
        server.stop()
        run(server)

    return stop_and_run


@pytest.mark.parametrize("line", LINES)
def test_line_runs(line: str, copy: Path, vsa: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _, name, *words = shlex.split(line, comments=True)
    words += SHORT.get(name, ())
    if "--references" in words and "--metric" not in words:
        words += ["--metric", "CIDEr"]  # METEOR's Java takes seconds to start, and has its own tests
    if "--serve" in words:  # it would answer requests until Ctrl-C (see test_retrieve_serve)
        monkeypatch.setattr(WebServer, "run", stopped(WebServer.run))
        words += ["--port", "0"]
    stdin = "a red circle\n" if "-" in words else None
    options = {opt for parameter in COMMANDS[name].params for opt in parameter.opts}
    if "--force" in options and "--resume" not in words:
        words.append("--force")
        _remove_other_model(copy, words)
    result = vsa(name, *words, stdin=stdin)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("example", EXAMPLES)
def test_python_example_runs(example: str, copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out


def _remove_other_model(place: Path, words: list[str]) -> None:
    """Remove the output folder of a training, because --force does not replace a model of another preset."""
    if "-o" in words and words[0] == "corpus.json":
        output = place / words[words.index("-o") + 1]
        if output.is_dir():
            shutil.rmtree(output)
