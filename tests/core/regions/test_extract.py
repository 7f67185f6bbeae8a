"""Extraction: failures, dry runs, and resuming what an interrupted or killed run left."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from tests.conftest import Drawn
from tests.processes import kill_when
from tests.survival.fork_server import ForkServer
from vsa_cli.core.regions.extract import SHARD, part_folder
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.store import RegionStore

Run = Callable[..., Result]
CHEAP = ("--cnn", "efficientnet_lite0", "--side", 64)


def test_a_photograph_that_cannot_be_read_is_reported_and_the_rest_is_written(
    vsa: Run, drawn: Drawn, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("000.png", "001.png"):
        (folder / name).write_bytes((drawn.photos / name).read_bytes())
    (folder / "broken.jpg").write_bytes(b"not a photograph")
    result = vsa("extract-regions", folder, "-o", tmp_path / "r.h5", "--detector", "grid", *CHEAP)
    assert result.exit_code == 3
    assert "broken.jpg" in result.stderr
    assert RegionStore(tmp_path / "r.h5").ids == ["000.png", "001.png"]
    (folder / "000.png").unlink()
    (folder / "001.png").unlink()
    result = vsa("extract-regions", folder, "-o", tmp_path / "none.h5", "--detector", "grid", *CHEAP)
    assert result.exit_code == 1
    assert not (tmp_path / "none.h5").exists()


def test_a_photograph_that_changed_since_prep_is_reported(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in drawn.photos.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "001.png").write_bytes((folder / "002.png").read_bytes())
    options = ("--images", folder, "--detector", "grid", "--top", 0, *CHEAP)
    result = vsa("extract-regions", drawn.corpus, "-o", tmp_path / "r.h5", *options)
    assert result.exit_code == 3
    assert "001.png: has changed" in result.stderr


def test_a_killed_and_resumed_run_writes_what_an_uninterrupted_one_writes(
    vsa: Run, server: ForkServer, drawn: Drawn, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(SHARD):  # a shard that is soon written
        Image.new("RGB", (16 + number, 24), (number, 99, 0)).save(folder / f"a{number}.png")
    for path in drawn.photos.iterdir():  # and one that takes seconds
        (folder / path.name).with_stem(f"b{path.stem}").write_bytes(path.read_bytes())
    whole, broken = tmp_path / "whole.h5", tmp_path / "broken.h5"
    options = ("--detector", "selective-search", "--top", "3", *map(str, CHEAP))
    assert vsa("extract-regions", folder, "-o", whole, *options).exit_code == 0

    command = ("extract-regions", folder, "-o", broken, *options, "-q")
    kill_when(lambda: list(part_folder(broken).glob("*.shard")), server, *command)
    assert not broken.exists()
    refused = vsa("extract-regions", folder, "-o", broken, *options)
    assert (refused.exit_code, "an unfinished run" in refused.stderr) == (2, True)
    assert vsa("extract-regions", folder, "-o", broken, *options, "--top", 4, "--resume").exit_code == 1
    assert vsa("extract-regions", folder, "-o", broken, *options, "--resume").exit_code == 0
    assert not part_folder(broken).exists()
    one, other = RegionStore(whole), RegionStore(broken)
    assert one.ids == other.ids
    assert one.sha256 == other.sha256
    again = vsa("extract-regions", folder, "-o", broken, *options, "--resume")
    assert (again.exit_code, "nothing left to do" in again.stderr) == (0, True)
    assert vsa("extract-regions", folder, "-o", broken, *options, "--top", 4, "--resume").exit_code == 1


def test_dry_run_writes_nothing(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    result = vsa("extract-regions", drawn.photos, "-o", tmp_path / "r.h5", *CHEAP, "--dry-run", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["photographs"] == 48
    assert "48 photographs" in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_of_photographs_is_one_line_and_leaves_nothing(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    result = vsa("extract-regions", drawn.corpus, "-o", tmp_path / "r.h5", "--images", moved, *CHEAP)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"vsa: {moved}: no such folder of photographs; ")
    assert result.stderr.count("\n") == 1
    moved.mkdir()
    result = vsa("extract-regions", drawn.corpus, "-o", tmp_path / "r.h5", "--images", moved, *CHEAP)
    assert (result.exit_code, result.stderr.count("No such file")) == (1, 48)
    assert list(tmp_path.iterdir()) == [moved]


def test_resuming_a_finished_run_reports_its_result_again(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "r.h5"
    folder.mkdir()
    (folder / "000.png").write_bytes((drawn.photos / "000.png").read_bytes())
    (folder / "001.png").write_bytes(b"not a picture")
    command = ("extract-regions", folder, "-o", out, "--detector", "grid", *CHEAP, "--resume", "--json")
    first, again = vsa(*command), vsa(*command)
    assert (first.exit_code, again.exit_code) == (3, 0)
    before, after = json.loads(first.stdout), json.loads(again.stdout)
    assert before == {"output": str(out), "images": 1, "failed": 1, "seconds": before["seconds"]}
    assert after == before | {"seconds": 0.0}


def test_a_resumed_run_retries_photographs_that_failed(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "r.h5"
    folder.mkdir()
    for name in ("000.png", "001.png"):
        (folder / name).write_bytes((drawn.photos / name).read_bytes())
    whole = (folder / "001.png").read_bytes()
    options = ("--detector", "grid", *CHEAP)
    (folder / "001.png").write_bytes(whole[:100])
    (tmp_path / ".r.h5.part").mkdir()  # the output cannot be written: the shards stay
    assert vsa("extract-regions", folder, "-o", out, *options).exit_code == 1
    assert part_folder(out).exists()
    (folder / "001.png").write_bytes(whole)
    (tmp_path / ".r.h5.part").rmdir()
    result = vsa("extract-regions", folder, "-o", out, *options, "--resume")
    assert result.exit_code == 0, result.output
    assert RegionStore(out).ids == ["000.png", "001.png"]


def test_a_name_that_is_not_utf8_is_reported_and_the_rest_is_written(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", os.fsdecode(b"caf\xe9.png")):
        (folder / name).write_bytes((drawn.photos / "000.png").read_bytes())
    result = vsa("extract-regions", folder, "-o", tmp_path / "r.h5", "--detector", "grid", *CHEAP)
    assert result.exit_code == 3
    assert "its name is not UTF-8" in result.stderr
    assert RegionStore(tmp_path / "r.h5").ids == ["a.png"]


def test_an_unfinished_run_of_the_last_version_is_refused_in_one_line(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    out = tmp_path / "r.h5"
    part_folder(out).mkdir()
    (part_folder(out) / "000000.npz").touch()
    (part_folder(out) / "request.json").write_text('{"envelope": {}, "photos": "", "shard": 64}')
    result = vsa("extract-regions", drawn.photos, "-o", out, *CHEAP, "--resume")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "was started by another version of vsa" in result.stderr
    assert vsa("extract-regions", drawn.photos, "-o", out, "--detector", "grid", *CHEAP, "--force").exit_code == 0
    assert len(RegionStore(out)) == 48


def test_the_precision_is_recorded_if_it_is_not_float32(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    found = {}
    options = ("--split", "val", "--detector", "grid", "--top", 3, "--side", 96)
    for precision in ("float32", "bf16"):
        out = tmp_path / f"{precision}.h5"
        assert vsa("extract-regions", drawn.corpus, "-o", out, *options, "--precision", precision).exit_code == 0
        found[precision] = RegionStore(out)
    one, other = found["float32"], found["bf16"]
    assert other.envelope.config == {**one.envelope.config, "precision": "bf16"}
    assert FeatureSpec.of(one.envelope, "") == FeatureSpec.of(other.envelope, "")
    apart = [other[key].descriptors.astype(float) - one[key].descriptors for key in one.ids]
    assert 0 < np.abs(apart).mean() < 0.1 * np.abs([one[key].descriptors for key in one.ids]).mean()
    result = vsa("extract-regions", drawn.corpus, "-o", out, *options, "--resume")
    assert result.exit_code == 1
    assert "was made with other options" in result.stderr


@pytest.mark.cuda
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-3), ("bf16", 0.2)])
def test_regions_extracted_on_cuda_are_those_of_the_cpu(
    vsa: Run, drawn: Drawn, tmp_path: Path, precision: str, tolerance: float
) -> None:
    options = ("--detector", "grid", "--top", 5, "--side", 96)
    for device, products in (("cpu", "float32"), ("cuda", precision)):
        command = ("extract-regions", drawn.corpus, "-o", tmp_path / f"{device}.h5", *options)
        assert vsa(*command, "--device", device, "--precision", products).exit_code == 0
    one, other = RegionStore(tmp_path / "cpu.h5"), RegionStore(tmp_path / "cuda.h5")
    assert one.ids == other.ids
    for key in one.ids:
        np.testing.assert_array_equal(one[key].boxes, other[key].boxes)
        apart = other[key].descriptors.astype(float) - one[key].descriptors
        lengths = np.linalg.norm(one[key].descriptors.astype(float), axis=1)
        assert (np.linalg.norm(apart, axis=1) <= tolerance * lengths).all()
