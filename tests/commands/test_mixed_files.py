"""`vsa caption` on two hundred files of many kinds: a record each, an error for each unreadable one, exit code 3."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, features
from typer.testing import Result

from tests.conftest import Drawn
from tests.foreign_pictures import NOT_READ, encoded, fill
from vsa_cli.core.errors import DataError
from vsa_cli.core.io import images
from vsa_cli.core.io.image_formats import SUFFIXES, find_pictures

Run = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[bytes]]
HEIC_HEAD = b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf" + bytes(64)


def drawn_picture(drawn: Drawn) -> Image.Image:
    with Image.open(drawn.photos / "000.png") as picture:
        return picture.convert("RGB")


def test_two_hundred_mixed_files_have_a_record_each(vsa_process: Process, drawn: Drawn, tmp_path: Path) -> None:
    good, bad = fill(tmp_path, drawn_picture(drawn), 5)
    names = [str(path) for pair in zip(good, bad, strict=False) for path in pair]
    names += sorted({str(path) for path in (*good, *bad)} - set(names))
    assert len(names) >= 200
    result = vsa_process(
        "caption", "-", "--null", "--model", drawn.model, "--format", "jsonl",
        input=b"\0".join(name.encode() for name in names),
    )  # fmt: skip
    assert result.returncode == 3
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["path"] for record in records] == names
    failed = {record["path"]: record["error"] for record in records if record["error"] is not None}
    assert set(failed) == {str(path) for path in bad}
    assert all(record["caption"] for record in records if record["error"] is None)
    assert len(result.stderr.splitlines()) == len(bad), "one line each"
    for path in bad:
        if path.name in NOT_READ:
            assert NOT_READ[path.name][0] in failed[str(path)]
        if path.name == "camera.nef":
            assert "a camera raw file" in failed[str(path)]


def test_folder_of_mixed_files_gives_its_photographs(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    good, bad = fill(tmp_path / "mixed", drawn_picture(drawn), 1)
    result = vsa("caption", tmp_path / "mixed", "--model", drawn.model, "--format", "jsonl")
    assert result.exit_code == 3
    records = {record["path"]: record for record in map(json.loads, result.stdout.splitlines())}
    listed = {str(path) for path in (*good, *bad) if path.suffix.lower() in SUFFIXES and path.exists()}
    assert set(records) == listed
    read = {path for path, record in records.items() if record["error"] is None}
    assert read == {str(path) for path in good} & listed


def test_only_unreadable_files_exit_with_1(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(NOT_READ["clip.mp4"][1])
    result = vsa("caption", tmp_path / "clip.mp4", "--model", drawn.model)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "a video cannot be read" in result.stderr


def test_heic_without_pillow_heif_raises_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "can_read_heic", lambda: False)
    (tmp_path / "IMG_0001.HEIC").write_bytes(HEIC_HEAD)
    assert find_pictures(tmp_path).paths == [tmp_path / "IMG_0001.HEIC"]
    with pytest.raises(DataError, match="pip install pillow-heif"):
        images.read_picture(tmp_path / "IMG_0001.HEIC")


@pytest.mark.skipif(importlib.util.find_spec("pillow_heif") is None, reason="no pillow-heif: pip install '.[heic]'")
def test_heic_is_read_with_pillow_heif(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    assert images.can_read_heic()
    picture = drawn_picture(drawn)
    (tmp_path / "IMG_0001.HEIC").write_bytes(encoded(picture, "HEIF", quality=95))
    read = images.read_picture(tmp_path / "IMG_0001.HEIC")
    assert (read.width, read.height) == picture.size
    assert abs(read.rgb.astype(int) - images.read_picture(drawn.photos / "000.png").rgb).mean() < 6
    (tmp_path / "cut.heic").write_bytes((tmp_path / "IMG_0001.HEIC").read_bytes()[:200])
    result = vsa("caption", tmp_path, "--model", drawn.model)
    assert result.exit_code == 3
    assert len(result.stdout.splitlines()) == 1
    assert result.stderr.startswith(f"vsa: {tmp_path / 'cut.heic'}: ")


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow does not know AVIF")
def test_avif_is_read(drawn: Drawn, tmp_path: Path) -> None:
    picture = drawn_picture(drawn)
    (tmp_path / "a.avif").write_bytes(encoded(picture, "AVIF"))
    assert images.read_picture(tmp_path / "a.avif").rgb.shape == (picture.height, picture.width, 3)
