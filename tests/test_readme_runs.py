"""Every `vsa` line of the README, run as it stands in a folder where what it names is there, drawn."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import Result

from tests.conftest import SMALL, SMALL_EMBED, Drawn
from tests.test_readme import COMMANDS, LINES
from vsa_cli.core.learning.model_dir import pack_model

Run = Callable[..., Result]
SAID = ("two dogs run in the snow", "a man in a red shirt climbs a rock")
SHORT = {"train-gen": ("--epochs", "1"), "train-embed": ("--epochs", "1"), "extract-regions": ("--top", "3")}
"""What is added to a command so that it takes seconds."""
STDIN = {"caption": "photos/000.jpg\nphotos/001.jpg\n", "evaluate": ""}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, vsa: Run, drawn: Drawn) -> Path:
    """Everything that the README's lines name, made of drawn photographs."""
    place = tmp_path_factory.mktemp("readme")
    _write_flickr8k(place, drawn)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for step in (
            ("prep", "Flickr8k.token.txt", "--images", "Flicker8k_Dataset", "-o", "corpus.json"),
            ("extract-regions", "corpus.json", "-o", "regions.h5", "--detector", "grid", "--top", 3, "--side", 96),
            ("train-gen", "corpus.json", "regions.h5", "-o", "gen", *SMALL, "--epochs", 2),
            ("train-embed", "corpus.json", "regions.h5", "-o", "embed", *SMALL_EMBED, "--epochs", 2),
            ("align", "--corpus", "corpus.json", "--regions-file", "regions.h5", "--model", "embed", "--split", "all",
             "--scores", "scores.jsonl"),
            ("caption", "photos", "--model", "gen", "--format", "jsonl", "-o", "captions.jsonl"),
            ("retrieve", "--corpus", "corpus.json", "--regions-file", "regions.h5", "--model", "embed",
             "-o", "rankings.jsonl"),
            *(("caption", "--corpus", "corpus.json", "--regions-file", "regions.h5", "--model", "gen",
               "--format", "coco", "-o", name) for name in ("captions.json", "dev.json")),
        ):  # fmt: skip
            result = vsa(*step)
            assert result.exit_code == 0, (step, result.output)
        _write_others(place)
        pack_model(place / "gen", place / "bundled" / "gen")
        pack_model(place / "embed", place / "bundled" / "embed")
    return place


def _write_flickr8k(place: Path, drawn: Drawn) -> None:
    photos = place / "Flicker8k_Dataset"
    photos.mkdir()
    (place / "photos").mkdir()
    sentences: dict[str, list[str]] = {}
    splits: dict[str, list[str]] = {"train": [], "val": []}
    with drawn.captions.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name = row["image"].replace(".png", ".jpg")
            if name not in sentences:
                splits[row["split"]].append(name)
                with Image.open(drawn.photos / row["image"]) as picture:
                    picture.convert("RGB").save(photos / name, quality=95)
            sentences.setdefault(name, list(SAID)).append(row["caption"])
    lines = [f"{name}#{number}\t{text}\n" for name, texts in sentences.items() for number, text in enumerate(texts)]
    (place / "Flickr8k.token.txt").write_text("".join(lines), encoding="utf-8")
    for split, names in (("train", splits["train"]), ("dev", splits["val"]), ("test", [])):
        (place / f"Flickr_8k.{split}Images.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    for name in list(sentences)[:3]:
        shutil.copy(photos / name, place / "photos")
    shutil.copy(photos / "001.jpg", place / "photo.jpg")
    (place / "tests" / "pictures").mkdir(parents=True)
    shutil.copy(photos / "002.jpg", place / "tests" / "pictures" / "astronaut.jpg")


def _write_others(place: Path) -> None:
    (place / "sentences.txt").write_text("\n".join(SAID), encoding="utf-8")
    first = json.loads((place / "scores.jsonl").read_text(encoding="utf-8").splitlines()[1])
    width, height, words = first["width"], first["height"], " ".join(SAID[0].split())
    entity = {
        "file": first["image_id"], "width": width, "height": height, "boxes": {"1": [[0, 0, width, height]]},
        "entity_sentences": [{"tokens": words, "phrases": [{"id": "1", "start": 0, "end": 2}]}],
    }  # fmt: skip
    with gzip.open(place / "entities.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(json.dumps(entity) + "\n")
    said = json.loads((place / "captions.json").read_text(encoding="utf-8"))
    coco = {
        "images": [{"id": number, "file_name": one["image_id"]} for number, one in enumerate(said)],
        "annotations": [{"id": n, "image_id": n, "caption": SAID[0]} for n in range(len(said))],
    }
    for name in ("captions_val2014.json", "references.json"):
        (place / name).write_text(json.dumps(coco), encoding="utf-8")
    with (place / "captions.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("image_id", "caption"), *((str(n), one["caption"]) for n, one in enumerate(said))])


@pytest.mark.parametrize("line", LINES)
def test_a_line_runs(line: str, folder: Path, vsa: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "here"
    shutil.copytree(folder, place)
    monkeypatch.chdir(place)
    monkeypatch.setattr("vsa_cli.core.learning.model_dir.BUNDLE", place / "bundled")
    _, name, *words = shlex.split(line.split(" #")[0])
    words += SHORT.get(name, ())
    if "--references" in words and "--metric" not in words:
        words += ["--metric", "CIDEr"]  # METEOR's Java takes seconds to start, and has tests of its own
    options = {opt for parameter in COMMANDS[name].params for opt in parameter.opts}
    if "--force" in options and "--resume" not in words:
        words.append("--force")
        _clear_strangers(place, words)
    if "-" in words:  # stdin is read as a process has it
        _run_with_stdin(name, words, place)
        return
    result = vsa(name, *words)
    assert result.exit_code == 0, result.output


def _clear_strangers(place: Path, words: list[str]) -> None:
    """Take away what lies where a model is trained to: --force replaces its files, not another preset's."""
    if "-o" in words and words[0] == "corpus.json":
        output = place / words[words.index("-o") + 1]
        if output.is_dir():
            shutil.rmtree(output)


def _run_with_stdin(name: str, words: list[str], place: Path) -> None:
    given = STDIN[name] or (place / "captions.jsonl").read_text(encoding="utf-8")
    command = [sys.executable, "-m", "vsa_cli", name, *words]
    root = str(Path(__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
    done = subprocess.run(
        command, input=given.encode(), cwd=place, capture_output=True, env=environment, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout
