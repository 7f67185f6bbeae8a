from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from vsa_cli.core.errors import DataError
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
def test_every_format_is_read_to_its_pixels(tmp_path: Path, suffix: str) -> None:
    options = {"webp": {"lossless": True}, "jpg": {"quality": 100}}.get(suffix, {})
    path = save(tmp_path / f"a.{suffix}", gradient(), **options)
    picture = read_picture(path)
    with Image.open(path) as image:
        assert np.array_equal(picture.rgb, np.asarray(image.convert("RGB")))
    assert (picture.rgb.shape, picture.rgb.dtype) == ((24, 40, 3), np.uint8)
    assert (picture.width, picture.height) == read_size(path) == (40, 24)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_orientation_is_honoured_as_pillow_does(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"a.{suffix}", gradient(), exif=exif)
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    picture = read_picture(path)
    assert np.array_equal(picture.rgb, np.asarray(upright))
    assert (picture.width, picture.height) == read_size(path) == upright.size


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert read_size(save(tmp_path / "a.png", gradient(), exif=exif)) == (40, 24)


def test_grey_black_and_white_and_cmyk_become_rgb(tmp_path: Path) -> None:
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


def test_transparency_shows_white(tmp_path: Path) -> None:
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


def test_the_first_frame_of_an_animation_is_the_picture(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (10, 10), colour) for colour in ("red", "blue")]
    for suffix in ("gif", "webp", "png"):
        path = save(tmp_path / f"a.{suffix}", frames[0], save_all=True, append_images=frames[1:])
        assert read_picture(path).rgb[5, 5, 0] > 200, suffix


def test_a_picture_of_one_pixel_and_a_wrong_suffix(tmp_path: Path) -> None:
    gradient(1, 1).save(tmp_path / "one.jpg", format="PNG")
    assert read_picture(tmp_path / "one.jpg", 224).rgb.shape == (1, 1, 3)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 120), st.integers(1, 120), st.integers(1, 150), st.sampled_from(["png", "jpg"]))
def test_pictures_are_reduced_never_enlarged(tmp_path: Path, width: int, height: int, side: int, suffix: str) -> None:
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


def test_names_that_are_not_utf8_are_read(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    try:
        save(path, gradient())
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert read_picture(path).width == 40
    assert find_pictures(tmp_path) == [path]


def test_pictures_are_found_by_suffix_and_sorted(tmp_path: Path) -> None:
    (tmp_path / "sub.jpg").mkdir()
    names = ["b.JPG", "a.png", "sub.jpg/c.webp", "notes.txt", "x.svg", "noext"]
    for name in names:
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in find_pictures(tmp_path)] == [
        "a.png",
        "b.JPG",
        "sub.jpg/c.webp",
    ]
    with pytest.raises(DataError, match="absent"):
        find_pictures(tmp_path / "absent")


def test_resize_keeps_what_fits_and_averages_what_does_not() -> None:
    rgb = np.asarray(gradient())
    assert resize(rgb, 40, 24) is rgb
    assert resize(rgb, 7, 9).shape == (9, 7, 3)
    flat = np.full((50, 50, 3), 93, dtype=np.uint8)
    assert (resize(flat, 3, 80) == 93).all()
