"""Extraction, captioning and indexing by two processes, one of which may die: the bytes are those of one process."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import Result

from tests.conftest import Drawn
from tests.processes import Together
from tests.survival.fork_server import Finished, ForkServer

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def together(server: ForkServer) -> Together:
    return Together(server)


def check_ended(first: Finished) -> None:
    """Check that a process has ended because another one has."""
    assert (first.code, len(first.lines)) == (1, 1), first.stderr
    assert first.lines[0].startswith("vsa: a process of the run has ended")


def check_interrupted(both: list[Finished]) -> None:
    """Check that two processes have ended by Ctrl-C, quietly."""
    assert [one.code for one in both] == [130, 130]
    assert not any(b"Traceback" in one.stderr or b"a process of the run has ended" in one.stderr for one in both)


def photographs(drawn: Drawn, folder: Path, count: int) -> Path:
    """Some of the drawn photographs, and one that cannot be read."""
    folder.mkdir()
    for path in sorted(drawn.photos.iterdir())[:count]:
        shutil.copy(path, folder)
    (folder / "001.png").write_bytes(b"not a photograph")
    return folder


def test_regions_of_two_processes_have_the_bytes_of_one(
    vsa: Run, together: Together, drawn: Drawn, tmp_path: Path
) -> None:
    folder = photographs(drawn, tmp_path / "photos", 10)
    for number in range(63):  # with the photograph that cannot be read, a shard that is soon written
        Image.new("RGB", (16, 24), (number, 99, 0)).save(folder / f"000{number:02d}.png")
    whole, out = tmp_path / "whole.h5", tmp_path / "r.h5"
    parts = tmp_path / "r.h5.part"
    options = ("--detector", "selective-search", "--top", 3, "--cnn", "efficientnet_lite0", "--side", 64)
    assert vsa("extract-regions", folder, "-o", whole, *options).exit_code == 3
    command = ("extract-regions", folder, "-o", out, *options)
    assert vsa(*command, "--join").exit_code == 2, "there is nothing to join"
    check_ended(together.kill_other(parts, *command))
    assert [path.name for path in parts.glob("*.shard")] == ["000000.shard"]
    join = vsa(*command, "--join")
    assert (join.exit_code, join.stderr.count("\n")) == (1, 1)
    assert "shards are missing: 1, from 000001.shard on" in join.stderr
    check_interrupted(together.interrupt(parts, *command, "--resume"))
    first, other = together.run(*command, "--resume")
    assert (first.code, other.code, other.stderr) == (3, 0, b"")
    assert [line for line in first.lines if "001.png" in line] == first.lines[:1]
    assert out.read_bytes() == whole.read_bytes()
    assert not parts.exists()


def test_captions_of_two_processes_have_the_bytes_of_one(
    vsa: Run, together: Together, drawn: Drawn, tmp_path: Path
) -> None:
    folder = photographs(drawn, tmp_path / "photos", 10)
    command = ("caption", folder, "-m", drawn.model, "--batch-size", 3, "--no-cache", "--beam", 2)
    kinds = ("jsonl", "csv", "coco")
    for kind in kinds:
        assert vsa(*command, "--format", kind, "-o", tmp_path / f"one.{kind}").exit_code == 3
    parts, lines = tmp_path / "two.jsonl.parts", ("--format", "jsonl", "-o", tmp_path / "two.jsonl")
    check_ended(together.kill_other(parts, *command, *lines))
    check_interrupted(together.interrupt(parts, *command, *lines, "--resume"))
    assert vsa(*command, *lines).exit_code == 2, "an unfinished run"
    assert vsa(*command, *lines, "--beam", 3, "--shard", "2/2").exit_code == 1, "other settings"
    second = vsa(*command, *lines, "--shard", "2/2")
    assert (second.exit_code, (parts / "000001.shard").exists()) == (3, True)
    for kind in kinds[1:]:  # results do not depend on the format
        shutil.copytree(parts, tmp_path / f"two.{kind}.parts")
        assert vsa(*command, "--format", kind, "-o", tmp_path / f"two.{kind}", "--join").exit_code == 3
    first, other = together.run(*command, *lines, "--resume")
    assert (first.code, other.code, other.stderr) == (3, 0, b"")
    assert sum("001.png" in line for line in first.lines) == 1
    for kind in kinds:
        assert (tmp_path / f"two.{kind}").read_bytes() == (tmp_path / f"one.{kind}").read_bytes()
    assert not list(tmp_path.glob("*.parts"))

    first, other = together.run(*command, "--sidecar", ".txt")
    assert (first.code, other.code, first.stdout) == (3, 0, b"")
    assert sum("001.png" in line for line in first.lines + other.lines) == 1
    captions = [json.loads(line) for line in (tmp_path / "one.jsonl").read_text().splitlines()]
    written = {path.stem: path.read_text() for path in folder.glob("*.txt")}
    assert written == {Path(one["path"]).stem: f"{one['caption']}\n" for one in captions if one["caption"]}


def test_index_of_two_processes_has_the_bytes_of_one(
    vsa: Run, together: Together, drawn: Drawn, embed: Path, tmp_path: Path
) -> None:
    folder = photographs(drawn, tmp_path / "photos", 48)
    one, two, parts = tmp_path / "one", tmp_path / "two", tmp_path / "two.part"
    options = ("-m", embed, "--no-cache")
    assert vsa("index", folder, "-o", one, *options).exit_code == 3
    command = ("index", folder, "-o", two, *options)
    check_ended(together.kill_other(parts, *command))
    assert [path.name for path in parts.glob("*.shard")] == ["000000.shard"]
    check_interrupted(together.interrupt(parts, *command))
    first, other = together.run(*command, "--json")
    assert (first.code, other.code, other.stderr) == (3, 0, b"")
    assert sum("001.png" in line for line in first.lines) == 1
    assert json.loads(first.stdout)["described"] == 47
    files = {path.name: path.read_bytes() for path in one.iterdir()}
    assert {path.name: path.read_bytes() for path in two.iterdir()} == files
    assert not parts.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("extract-regions", "photos/", "--shard", "1/2", "--force"), "--force"),
        (("extract-regions", "photos/", "--shard", "3/2"), "--shard"),
        (("extract-regions", "photos/", "--shard", "1/2", "--join"), "--join takes"),
        (("caption", "photos/", "--shard", "1/2"), "either -o FILE or --sidecar"),
        (("caption", "photos/", "--sidecar", ".txt", "-o", "c.csv", "--shard", "1/2"), "either -o FILE or --sidecar"),
        (("caption", "photos/", "--sidecar", ".txt", "--join"), "sidecars need none"),
        (("caption", "--corpus", "c.json", "--regions-file", "r.h5", "-o", "c.csv", "--join"), "by one"),
    ],
)
def test_contradictory_options_are_refused(vsa: Run, arguments: tuple[object, ...], message: str) -> None:
    result = vsa(*arguments)
    assert (result.exit_code, message in result.stderr) == (2, True), result.output
