from __future__ import annotations

import os
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from vsa_cli.core.errors import DataError
from vsa_cli.core.io import images as pictures
from vsa_cli.core.io.images import read_picture, read_size


def check_one_line(error: DataError) -> None:
    assert "\n" not in str(error)


def gradient(width: int = 40, height: int = 24) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), (x + y) % 256], axis=2)
    return Image.fromarray(rgb.astype(np.uint8))


def save(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its data do not have."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def test_bombs_are_refused_by_their_header(tmp_path: Path) -> None:
    for width, height in ((60_000, 60_000), (2**31 - 1, 1), (150_001, 1_000)):
        (tmp_path / "bomb.png").write_bytes(bomb(width, height))
        for read in (read_picture, read_size):
            with pytest.raises(DataError, match="at most 150 million"):
                read(tmp_path / "bomb.png")


def test_the_limit_itself_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_PIXELS", 40 * 24)
    assert read_picture(save(tmp_path / "a.png", gradient())).width == 40
    with pytest.raises(DataError):
        read_picture(save(tmp_path / "b.png", gradient(41, 24)))


def encoded(suffix: str) -> bytes:
    file = BytesIO()
    gradient().save(file, format={"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper()))
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 500, b"text", b"\xff\xd8\xff\xe0\0\x10JFIF", encoded("jpg")[:-30], encoded("png")[:-30],
     encoded("tif")[:200], encoded("webp")[:-20], b"GIF89a", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
     bomb(3_000, 2_000), b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"P6 0 5 255\n"],
)  # fmt: skip
def test_what_is_no_whole_picture_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_picture(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")  # Pillow warns about odd metadata on its way to an error
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["jpg", "png", "gif", "tif", "webp", "bmp", "ppm"]), st.data())
def test_damaged_bytes_end_in_a_picture_or_in_one_line(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    content = bytearray(encoded(suffix))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(400, len(content) - 1)))] = data.draw(st.integers(0, 255))
    (tmp_path / "a").write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        assert read_picture(tmp_path / "a", 16).rgb.shape[2] == 3
    except DataError as error:
        check_one_line(error)


def test_missing_files_and_folders_are_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.jpg", tmp_path, tmp_path / ("n" * 300), tmp_path / "a\0b"):
        with pytest.raises(DataError):
            read_picture(path)


def test_pipes_and_devices_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    for name in ("pipe.png", "zero.png"):
        for read in (read_picture, read_size):
            with pytest.raises(DataError, match="is a pipe or a device"):
                read(tmp_path / name)


def test_pictures_of_all_threads_share_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_PIXELS", 2 * 40 * 24)
    path, at_once = save(tmp_path / "a.png", gradient()), []
    as_rgb = pictures._as_rgb

    def counting(image: Image.Image, white: float | None) -> Image.Image:
        at_once.append(sum(pictures._TAKEN))
        time.sleep(0.005)
        return as_rgb(image, white)

    monkeypatch.setattr(pictures, "_as_rgb", counting)
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(read_picture, [path] * 40))
    assert all(one.width == 40 for one in read)
    assert max(at_once) == 2 * 40 * 24
    assert pictures._TAKEN == []


def test_strips_of_a_picture_are_as_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = np.linspace(0, 3, 40 * 24, dtype=np.float32).reshape(24, 40)
    paths = [
        save(tmp_path / "a.png", gradient().convert("RGBA")),
        save(tmp_path / "b.tif", Image.fromarray(deep)),
        save(tmp_path / "c.jpg", gradient().convert("CMYK")),
    ]
    whole = [read_picture(path).rgb for path in paths]
    monkeypatch.setattr(pictures, "_STRIP", 3 * 40)
    assert all(np.array_equal(read_picture(path).rgb, one) for path, one in zip(paths, whole, strict=True))
