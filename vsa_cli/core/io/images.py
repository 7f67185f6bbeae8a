"""Photographs from files to arrays: the door to Pillow, and to pillow-heif where it is installed.

Whatever the file is (greyscale, palette, CMYK, 16-bit, transparent, animated, turned by EXIF), what comes out
is upright RGB in 8 bits; what cannot be read is refused in one line. Knows no CNN and no boxes.
"""

from __future__ import annotations

import importlib.util
import io
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError, features

from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.files import check_regular_file, file_sha256
from vsa_cli.core.io.image_formats import AVIF, HEIC, format_of
from vsa_cli.core.io.threads import uninterrupted

# Blocks so large that malloc maps each for itself: threads then give a large picture's memory back.
Image.core.set_block_size(1 << 26)  # type: ignore[attr-defined]
Image.MAX_IMAGE_PIXELS = None  # `_open` sets the limit, and says so in one line instead of a warning.
MAX_PIXELS = 150_000_000
"""Pixels of the largest picture that is decoded (600 MB, and as much again as RGB), and of all that are at once."""

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_READ = "vsa reads JPEG, PNG, WebP, GIF, TIFF, BMP, PPM, AVIF and HEIC"
_ORIENTATION = 0x0112
_STRIP = 8_000_000  # pixels
_TURN = Image.Transpose
_TRANSPOSE = {
    2: _TURN.FLIP_LEFT_RIGHT, 3: _TURN.ROTATE_180, 4: _TURN.FLIP_TOP_BOTTOM, 5: _TURN.TRANSPOSE, 6: _TURN.ROTATE_270,
    7: _TURN.TRANSVERSE, 8: _TURN.ROTATE_90,
}  # fmt: skip
_SIDEWAYS = frozenset({5, 6, 7, 8})


@dataclass(frozen=True)
class Picture:
    """An upright photograph.

    Attributes:
        rgb: (h, w, 3) uint8; may be smaller than the file's picture.
        width: of the file's picture, upright, in pixels; boxes are given in these.
        height: likewise.
    """

    rgb: NDArray[np.uint8]
    width: int
    height: int


def read_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels of the upright picture, from the file's header alone.

    Raises:
        DataError: as `read_picture`, but damage after the header goes unnoticed.
    """
    try:
        with _open(path) as image:
            _settle_tiff(image)
            width, height = image.size
            return (height, width) if _orientation(image) in _SIDEWAYS else (width, height)
    except _BROKEN as error:
        raise DataError(f"{path}: {_say(error)}") from error


def read_picture(path: Path, short_side: int | None = None) -> Picture:
    """Decode a photograph, upright, in RGB.

    Args:
        path: a file in one of the formats that `formats.SUFFIXES` names, whatever its own suffix.
        short_side: reduce a picture whose shorter side is longer than this, antialiased; never enlarge.

    Raises:
        DataError: missing, not a picture, truncated, damaged, empty, or more than `MAX_PIXELS`.
    """
    try:
        with _open(path) as image, _room_for(image):
            _settle_tiff(image)
            width, height = image.size
            orientation = _orientation(image)
            if short_side is not None:
                # JPEG decodes at 1/2, 1/4, 1/8 almost for free; keep twice the size for the antialiasing.
                image.draft(None, (2 * short_side, 2 * short_side))
            flat = _as_rgb(image)
            if short_side is not None and min(flat.size) > short_side:
                scale = short_side / min(width, height)
                size = (max(1, round(width * scale)), max(1, round(height * scale)))
                flat = flat.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
            image.close()  # its pixels go before another picture takes their room
    except _BROKEN as error:
        raise DataError(f"{path}: {_say(error)}") from error
    if orientation in _TRANSPOSE:
        flat = flat.transpose(_TRANSPOSE[orientation])
    if orientation in _SIDEWAYS:
        width, height = height, width
    return Picture(rgb=np.asarray(flat, dtype=np.uint8), width=width, height=height)


def read_unchanged(path: Path, size: tuple[int, int], sha256: str | None, longest: int) -> NDArray[np.uint8]:
    """Decode a photograph in which boxes were found earlier, upright, in RGB.

    Args:
        path: the file.
        size: width and height of the upright photograph at that time, in pixels.
        sha256: the file's SHA-256 at that time; None compares the size alone.
        longest: reduce a longer side than this to about this many pixels.

    Returns:
        (h, w, 3) uint8.

    Raises:
        DataError: it cannot be read, or has changed.
    """
    changed = DataError(f"{path}: has changed since its boxes were found")
    if sha256 is not None and file_sha256(path) != sha256:
        raise changed
    picture = read_picture(path, max(1, min(size) * longest // max(size)) if max(size) > longest else None)
    if (picture.width, picture.height) != size:
        raise changed
    return picture.rgb


def resize(
    rgb: NDArray[np.uint8], width: int, height: int, box: tuple[float, float, float, float] | None = None
) -> NDArray[np.uint8]:
    """Resample (h, w, 3) uint8, or the `box` (x1, y1, x2, y2) of it, to (height, width, 3); antialiased."""
    if box is None and (height, width) == rgb.shape[:2]:
        return rgb
    image = Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR, box=box)
    return np.asarray(image, dtype=np.uint8)


def encode_jpeg(rgb: NDArray[np.uint8], longest: int, *, sharp: bool = False) -> bytes:
    """(h, w, 3) uint8 as a JPEG that tells nothing but its pixels.

    Args:
        rgb: the picture.
        longest: a longer side is reduced to this many pixels; never enlarged.
        sharp: keep coloured lettering clean, at twice the size of the file.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, longest / max(width, height))
    small = resize(rgb, max(1, round(width * scale)), max(1, round(height * scale)))
    buffer = io.BytesIO()
    quality, sampling = (90, "4:4:4") if sharp else (82, "4:2:0")
    Image.fromarray(small).save(buffer, "JPEG", quality=quality, subsampling=sampling, optimize=True, progressive=True)
    return buffer.getvalue()


# What Pillow's decoders raise on damaged files; anything else is a defect of ours and must surface.
_BROKEN = (
    OSError, ValueError, SyntaxError, EOFError, MemoryError, OverflowError, KeyError, IndexError, TypeError,
    struct.error, zlib.error,
)  # fmt: skip

_TAKEN: list[int] = []
_CHANGED = threading.Condition()


@contextmanager
def _room_for(image: Image.Image) -> Iterator[None]:
    """Wait until the pictures of all threads, this one's among them, have no more than MAX_PIXELS together.

    Ctrl-C comes after the picture: room that nobody gives back would stop the other threads.
    """
    pixels = image.width * image.height
    with uninterrupted():
        with _CHANGED:
            _CHANGED.wait_for(lambda: not _TAKEN or sum(_TAKEN) + pixels <= MAX_PIXELS)
            _TAKEN.append(pixels)
        try:
            yield
        finally:
            with _CHANGED:
                _TAKEN.remove(pixels)
                _CHANGED.notify_all()


def _open(path: Path) -> Image.Image:
    check_regular_file(path)
    image = Image.open(path, formats=_formats_for(format_of(path)))
    pixels = image.size[0] * image.size[1]
    if pixels > MAX_PIXELS:
        image.close()
        raise ValueError(f"{image.size[0]}x{image.size[1]} pixels; at most {MAX_PIXELS // 10**6} million are read")
    return image


def _formats_for(found: str | None) -> tuple[str, ...]:
    """Pillow's names of the formats that a file may have, given what its beginning says.

    Raises:
        ValueError: no reader here knows it.
    """
    if found is None:
        return _FORMATS
    if found == HEIC and can_read_heic():
        return ("HEIF",)
    if found == AVIF and features.check("avif"):
        return ("AVIF",)
    raise ValueError(
        "HEIC is read with pillow-heif; `pip install pillow-heif`" if found == HEIC else f"{found} is not read; {_READ}"
    )


@cache
def can_read_heic() -> bool:
    """Whether HEIC, which telephones write, can be read here."""
    if importlib.util.find_spec("pillow_heif") is None:
        return False
    import pillow_heif

    pillow_heif.register_heif_opener()
    return True


def _settle_tiff(image: Image.Image) -> None:
    # Pillow turns a TIFF upright itself, but only as it loads: after that, size and orientation agree.
    if image.format == "TIFF" and _orientation(image) in _TRANSPOSE:
        image.load()


def _orientation(image: Image.Image) -> int:
    value = image.getexif().get(_ORIENTATION)
    return value if isinstance(value, int) else 1


def _as_rgb(image: Image.Image) -> Image.Image:
    """RGB in 8 bits of the first frame; transparency shows white. By strips, for conversions need room on their way."""
    image.load()
    width, height, rows = *image.size, max(1, _STRIP // image.width)
    boxes = [(0, top, width, min(top + rows, height)) for top in range(0, height, rows)]
    tops = (_grey(image.crop(box)).max(initial=1.0) for box in boxes if image.mode == "F")
    white = max(map(float, tops), default=65535.0)
    flat = Image.new("RGB", image.size)
    for box in boxes:
        flat.paste(_strip(image.crop(box), white), box)
    return flat


def _strip(image: Image.Image, white: float) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":  # Pillow's own conversion clips at 255 instead of scaling
        return Image.fromarray(np.clip(_grey(image) * (255.0 / white), 0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _grey(image: Image.Image) -> NDArray[np.float32]:
    return np.nan_to_num(np.asarray(image, dtype=np.float32))


def _say(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"not a picture; {_READ}"
    return "not enough memory to decode it" if isinstance(error, MemoryError) else reason(error)
