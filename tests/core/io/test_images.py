"""Decoding: every format and orientation to its pixels; damaged files and oversized images raise one line."""

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
from PIL import Image, ImageOps

from vsa_cli.core.errors import DataError
from vsa_cli.core.io import images
from vsa_cli.core.io.image_formats import find_pictures
from vsa_cli.core.io.images import read_picture, read_size, resize


def gradient(width: int = 40, height: int = 24) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), (x + y) % 256], axis=2)
    return Image.fromarray(rgb.astype(np.uint8))


def save(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm", "tif", "webp", "gif", "jpg"])
def test_every_format_decodes_to_its_pixels(tmp_path: Path, suffix: str) -> None:
    options = {"webp": {"lossless": True}, "jpg": {"quality": 100}}.get(suffix, {})
    path = save(tmp_path / f"a.{suffix}", gradient(), **options)
    picture = read_picture(path)
    with Image.open(path) as image:
        assert np.array_equal(picture.rgb, np.asarray(image.convert("RGB")))
    assert (picture.rgb.shape, picture.rgb.dtype) == ((24, 40, 3), np.uint8)
    assert (picture.width, picture.height) == read_size(path) == (40, 24)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_exif_orientation_equals_pillows_transpose(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"a.{suffix}", gradient(), exif=exif)
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    picture = read_picture(path)
    assert np.array_equal(picture.rgb, np.asarray(upright))
    assert (picture.width, picture.height) == read_size(path) == upright.size


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_invalid_orientation_is_ignored(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert read_size(save(tmp_path / "a.png", gradient(), exif=exif)) == (40, 24)


def test_other_colour_modes_become_rgb(tmp_path: Path) -> None:
    for mode, suffix in (("L", "png"), ("1", "png"), ("CMYK", "jpg"), ("YCbCr", "jpg"), ("P", "png")):
        image = gradient().convert(mode)
        picture = read_picture(
            save(tmp_path / f"{mode}.{suffix}", image, **({"quality": 100} if suffix == "jpg" else {}))
        )
        expected = np.asarray(image.convert("RGB")).astype(int)
        assert np.abs(picture.rgb - expected).mean() < 3, mode


def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    deep = np.linspace(0, 65535, 40 * 24).reshape(24, 40).astype(np.uint16)
    for suffix in ("png", "tif"):
        picture = read_picture(save(tmp_path / f"a.{suffix}", Image.fromarray(deep)))
        assert np.abs(picture.rgb[..., 0] - deep / 257.0).max() <= 1


def test_transparency_becomes_white(tmp_path: Path) -> None:
    layer = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    layer.putpixel((1, 1), (255, 0, 0, 255))
    grey = Image.new("LA", (4, 4), (7, 0))
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((1, 1), 0)
    for name, image, options in (("rgba", layer, {}), ("la", grey, {}), ("p", palette, {"transparency": 1})):
        rgb = read_picture(save(tmp_path / f"{name}.png", image, **options)).rgb
        assert rgb[0, 0].tolist() == [255, 255, 255], name
    assert read_picture(tmp_path / "p.png").rgb[1, 1].tolist() == [255, 0, 0]


def test_first_frame_of_an_animation_is_read(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (10, 10), colour) for colour in ("red", "blue")]
    for suffix in ("gif", "webp", "png"):
        path = save(tmp_path / f"a.{suffix}", frames[0], save_all=True, append_images=frames[1:])
        assert read_picture(path).rgb[5, 5, 0] > 200, suffix


def test_image_of_one_pixel_with_a_wrong_suffix(tmp_path: Path) -> None:
    gradient(1, 1).save(tmp_path / "one.jpg", format="PNG")
    assert read_picture(tmp_path / "one.jpg", 224).rgb.shape == (1, 1, 3)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 120), st.integers(1, 120), st.integers(1, 150), st.sampled_from(["png", "jpg"]))
def test_images_are_reduced_never_enlarged(tmp_path: Path, width: int, height: int, side: int, suffix: str) -> None:
    picture = read_picture(save(tmp_path / f"a.{suffix}", gradient(width, height)), side)
    assert (picture.width, picture.height) == (width, height)
    short = min(side, width, height)
    scale = short / min(width, height)
    assert min(picture.rgb.shape[:2]) == short
    assert abs(max(picture.rgb.shape[:2]) - max(width, height) * scale) <= 0.5


def test_reduction_is_antialiased(tmp_path: Path) -> None:
    board = np.indices((256, 256)).sum(axis=0) % 2 * 255
    for suffix in ("png", "jpg"):
        rgb = read_picture(save(tmp_path / f"a.{suffix}", Image.fromarray(board.astype(np.uint8))), 64).rgb
        assert abs(float(rgb.mean()) - 127.5) < 4
        assert float(rgb.std()) < 12


def test_file_names_that_are_not_utf8_are_read(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    try:
        save(path, gradient())
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert read_picture(path).width == 40
    assert find_pictures(tmp_path).paths == [path]


def test_resize_returns_its_input_at_equal_size() -> None:
    rgb = np.asarray(gradient())
    assert resize(rgb, 40, 24) is rgb
    assert resize(rgb, 7, 9).shape == (9, 7, 3)
    flat = np.full((50, 50, 3), 93, dtype=np.uint8)
    assert (resize(flat, 3, 80) == 93).all()


def check_one_line(error: DataError) -> None:
    assert "\n" not in str(error)


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header claims a larger size than its data have."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def test_oversized_images_raise_by_their_header(tmp_path: Path) -> None:
    for width, height in ((60_000, 60_000), (2**31 - 1, 1), (150_001, 1_000)):
        (tmp_path / "bomb.png").write_bytes(bomb(width, height))
        for read in (read_picture, read_size):
            with pytest.raises(DataError, match="the limit is 150 million"):
                read(tmp_path / "bomb.png")


def test_image_at_the_limit_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 40 * 24)
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
def test_incomplete_and_foreign_files_raise_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_picture(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")  # Pillow warns about odd metadata on its way to an error
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["jpg", "png", "gif", "tif", "webp", "bmp", "ppm"]), st.data())
def test_damaged_bytes_are_read_or_raise_one_line(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    content = bytearray(encoded(suffix))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(400, len(content) - 1)))] = data.draw(st.integers(0, 255))
    (tmp_path / "a").write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        assert read_picture(tmp_path / "a", 16).rgb.shape[2] == 3
    except DataError as error:
        check_one_line(error)


def test_missing_files_and_folders_raise(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.jpg", tmp_path, tmp_path / ("n" * 300), tmp_path / "a\0b"):
        with pytest.raises(DataError):
            read_picture(path)


def test_pipes_and_devices_raise_without_blocking(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    for name in ("pipe.png", "zero.png"):
        for read in (read_picture, read_size):
            with pytest.raises(DataError, match="is a pipe or a device"):
                read(tmp_path / name)


def test_images_of_all_threads_share_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 2 * 40 * 24)
    path, at_once = save(tmp_path / "a.png", gradient()), []
    as_rgb = images._as_rgb

    def counting(image: Image.Image, white: float | None) -> Image.Image:
        at_once.append(sum(images._RESERVED))
        time.sleep(0.005)
        return as_rgb(image, white)

    monkeypatch.setattr(images, "_as_rgb", counting)
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(read_picture, [path] * 40))
    assert all(one.width == 40 for one in read)
    assert max(at_once) == 2 * 40 * 24
    assert images._RESERVED == []


def test_conversion_in_strips_equals_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = np.linspace(0, 3, 40 * 24, dtype=np.float32).reshape(24, 40)
    paths = [
        save(tmp_path / "a.png", gradient().convert("RGBA")),
        save(tmp_path / "b.tif", Image.fromarray(deep)),
        save(tmp_path / "c.jpg", gradient().convert("CMYK")),
    ]
    whole = [read_picture(path).rgb for path in paths]
    monkeypatch.setattr(images, "_STRIP", 3 * 40)
    assert all(np.array_equal(read_picture(path).rgb, one) for path, one in zip(paths, whole, strict=True))
