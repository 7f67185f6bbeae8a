"""Pictures with sound pixels and broken, huge or missing other parts."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vsa_cli.core.errors import DataError
from vsa_cli.core.io.image_repair import PNG, png_chunks, png_without_metadata
from vsa_cli.core.io.images import read_picture, read_size

SIZE = (40, 24)


def gradient() -> Image.Image:
    rows, columns = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    return Image.fromarray(np.stack([rows * 10, columns * 6, rows + columns], 2).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(*chunks: bytes, late: bool = False) -> bytes:
    data = encoded(gradient(), "PNG")
    place = data.rindex(b"IEND") - 4 if late else len(PNG) + 25
    return data[:place] + b"".join(chunks) + data[place:]


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("place", range(60, 960, 80))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_damaged_pixels_are_never_read_as_broken_metadata(tmp_path: Path, kind: str, place: int) -> None:
    rng = np.random.default_rng(3)
    noise = Image.fromarray(rng.integers(0, 255, (24, 40, 3)).astype(np.uint8))
    data = bytearray(encoded(noise, kind, **({"compression": "tiff_adobe_deflate"} if kind == "TIFF" else {})))
    data[place] ^= 0xFF
    path = write(tmp_path / "damaged", bytes(data))
    try:
        Image.open(io.BytesIO(bytes(data))).load()
    except (OSError, SyntaxError, ValueError):
        with pytest.raises(DataError):
            read_picture(path)


BOMB = zlib.compress(b"x" * 1_500_000)
METADATA = {
    "text bomb": chunk(b"zTXt", b"workflow\0\0" + BOMB),
    "international text bomb": chunk(b"iTXt", b"parameters\0\1\0\0\0" + BOMB),
    "profile bomb": chunk(b"iCCP", b"icc\0\0" + BOMB),
    "many texts": b"".join(chunk(b"zTXt", b"k%d\0\0" % n + zlib.compress(b"y" * 900_000)) for n in range(80)),
    "EXIF that is not TIFF": chunk(b"eXIf", b"no TIFF header here"),
    "raw profile that is not hexadecimal": chunk(
        b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n 20\nnot hex\n")
    ),
    "compressed text that is damaged": chunk(b"zTXt", b"a\0\0not zlib"),
    **{f"empty {kind.decode()}": chunk(kind, b"") for kind in (b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"tIME", b"bKGD")},
    "an animation that is damaged": chunk(b"acTL", b"\0") + chunk(b"fcTL", b"\0"),
}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("name", METADATA)
def test_broken_metadata_does_not_change_pixels(tmp_path: Path, name: str, late: bool) -> None:
    path = write(tmp_path / "a.png", png_with(METADATA[name], late=late))
    assert np.array_equal(read_picture(path).rgb, np.asarray(gradient()))
    assert read_size(path) == SIZE


def test_unreadable_orientation_is_ignored_and_noted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", png_with(METADATA["EXIF that is not TIFF"]))
    assert "EXIF data cannot be read" in read_picture(path).notes[0]
    webp = write(tmp_path / "b.webp", encoded(gradient(), "WEBP", lossless=True, exif=b"Exif\0\0no TIFF header"))
    assert read_picture(webp).rgb.shape == (24, 40, 3)


def test_valid_orientation_is_applied_beside_a_text_bomb(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(gradient(), "PNG", exif=exif.tobytes())
    place = len(PNG) + 25
    path = write(tmp_path / "a.png", data[:place] + METADATA["text bomb"] + data[place:])
    picture = read_picture(path)
    assert (picture.width, picture.height) == (24, 40)
    assert np.array_equal(picture.rgb, np.rot90(np.asarray(gradient()), -1))
    assert picture.notes == ()


def test_jpeg_without_end_marker_is_read_and_a_truncated_one_refused(tmp_path: Path) -> None:
    for progressive in (False, True):
        noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8))
        data = encoded(noise, "JPEG", quality=90, progressive=progressive)
        whole = write(tmp_path / "whole.jpg", data)
        lacking = write(tmp_path / "lacking.jpg", data[:-2])
        assert np.array_equal(read_picture(lacking).rgb, read_picture(whole).rgb)
        cut = write(tmp_path / "cut.jpg", data[: len(data) * 2 // 3])
        with pytest.raises(DataError, match="truncated"):
            read_picture(cut)


@pytest.mark.parametrize(
    ("values", "options", "white"),
    [
        (np.arange(4096, dtype=np.uint16).reshape(64, 64), {}, 4095),
        (np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64), {}, 65535),
        (np.arange(256, dtype=np.int32).repeat(16).reshape(64, 64), {}, 255),
    ],
)
def test_deep_greys_are_scaled_by_their_largest_value(
    tmp_path: Path, values: np.ndarray, options: dict[str, object], white: int
) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(values).save(path, **options)
    expected = values.astype(np.float64) * 255 / white
    assert np.abs(read_picture(path).rgb[..., 0].astype(np.float64) - expected).max() <= 1


def test_declared_white_is_used(tmp_path: Path) -> None:
    values = np.full((24, 40), 2048, np.uint16)
    tiff = tmp_path / "a.tif"
    Image.fromarray(values).save(tiff, tiffinfo={281: 4095})
    assert read_picture(tiff).rgb.mean() == pytest.approx(127, abs=1)
    data = encoded(Image.fromarray(values), "PNG")
    place = len(PNG) + 25
    png = write(tmp_path / "b.png", data[:place] + chunk(b"sBIT", b"\x0c") + data[place:])
    assert read_picture(png).rgb.mean() == pytest.approx(127, abs=1)


def test_chunks_are_read_to_the_end_or_to_damage(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", png_with(METADATA["text bomb"]))
    kinds = [kind for kind, _, _ in png_chunks(path, ())]
    assert kinds[0] == b"IHDR"
    assert kinds[-1] == b"IEND"
    with png_without_metadata(path) as stream:
        assert stream.read() == encoded(gradient(), "PNG")
    cut = write(tmp_path / "b.png", path.read_bytes()[:40])
    assert [kind for kind, _, _ in png_chunks(cut, ())][:1] == [b"IHDR"]
