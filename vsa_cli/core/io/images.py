"""Photographs from files to arrays: the door to Pillow, and to pillow-heif where it is installed.

Whatever the file is (greyscale, palette, CMYK, 16-bit, transparent, animated, turned by EXIF), what comes out
is upright RGB in 8 bits; what cannot be read is refused in one line. Knows no CNN and no boxes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError, features

from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.files import check_regular_file
from vsa_cli.core.io.image_formats import AVIF, HEIC, format_of
from vsa_cli.core.io.image_repair import is_jpeg, is_png, png_chunks, png_without_metadata
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
_MAX_SAMPLE_VALUE = 281  # of TIFF's tags
_JPEG_END = b"\xff\xd9"
_LONGEST_JPEG = 1 << 28  # bytes of a JPEG that is completed in memory

T = TypeVar("T")


@dataclass(frozen=True)
class Picture:
    """An upright photograph.

    Attributes:
        rgb: (h, w, 3) uint8; may be smaller than the file's picture.
        width: of the file's picture, upright, in pixels; boxes are given in these.
        height: of the file's picture, upright, in pixels.
        notes: one line each: what the file says of the picture and was ignored.
    """

    rgb: NDArray[np.uint8]
    width: int
    height: int
    notes: tuple[str, ...] = ()


def read_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels of the upright picture, from the file's header alone.

    Raises:
        DataError: as `read_picture`, but damage after the header goes unnoticed.
    """
    return _read(path, _size)


def read_picture(path: Path, short_side: int | None = None) -> Picture:
    """Decode a photograph, upright, in RGB.

    Broken or huge metadata never costs a picture whose pixels can be read: an orientation that makes no sense is
    ignored, and `Picture.notes` says so. Greys of more than 8 bits are scaled so that the white that the file states,
    or else its largest value, becomes 255. A JPEG that lacks nothing but its end marker is read.

    Args:
        path: a file in one of the formats that `image_formats.SUFFIXES` names, whatever its own suffix.
        short_side: reduce a picture whose shorter side is longer than this, antialiased; never enlarge.

    Raises:
        DataError: missing, not a picture, truncated, damaged, empty, or more than `MAX_PIXELS`.
    """
    return _read(path, lambda path, stream: _decode(path, stream, short_side))


def _read(path: Path, decode: Callable[[Path, BinaryIO | None], T]) -> T:
    """What `decode` makes of a file, or of a repaired form of it."""
    try:
        return decode(path, None)
    except _BROKEN as error:
        try:
            with ExitStack() as stack:
                repaired = stack.enter_context(_repaired(path))
                if repaired is not None:
                    return decode(path, repaired)
        except _BROKEN:
            pass  # beyond repair: the first error says what is wrong
        raise DataError(f"{path}: {_say(error)}") from error


def _size(path: Path, stream: BinaryIO | None) -> tuple[int, int]:
    with _open(path, stream) as image:
        _settle_tiff(image)
        width, height = image.size
        return (height, width) if _orientation(image)[0] in _SIDEWAYS else (width, height)


def _decode(path: Path, stream: BinaryIO | None, short_side: int | None) -> Picture:
    with _open(path, stream) as image, _room_for(image):
        _settle_tiff(image)
        width, height = image.size
        orientation, note = _orientation(image)
        if short_side is not None:
            # JPEG decodes at 1/2, 1/4, 1/8 almost for free; keep twice the size for the antialiasing.
            image.draft(None, (2 * short_side, 2 * short_side))
        flat = _as_rgb(image, _stated_white(path, image))
        if short_side is not None and min(flat.size) > short_side:
            scale = short_side / min(width, height)
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            flat = flat.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
        image.close()  # its pixels go before another picture takes their room
    if orientation in _TRANSPOSE:
        flat = flat.transpose(_TRANSPOSE[orientation])
    if orientation in _SIDEWAYS:
        width, height = height, width
    notes = (f"{path}: {note}",) if note else ()
    return Picture(rgb=np.asarray(flat, dtype=np.uint8), width=width, height=height, notes=notes)


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


def _open(path: Path, stream: BinaryIO | None) -> Image.Image:
    check_regular_file(path)
    image = Image.open(stream or path, formats=_formats_for(format_of(path)))
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
    if image.format == "TIFF" and _orientation(image)[0] in _TRANSPOSE:
        image.load()


def _orientation(image: Image.Image) -> tuple[int, str | None]:
    """The EXIF orientation, 1 where there is none, and a note where it cannot be read."""
    try:
        value = image.getexif().get(_ORIENTATION)
    except _BROKEN:
        return 1, "its EXIF data cannot be read; a possible rotation is ignored"
    return (value if isinstance(value, int) else 1), None


def _stated_white(path: Path, image: Image.Image) -> float | None:
    """The value of white that a file of more than 8 bits states: PNG's sBIT, TIFF's MaxSampleValue."""
    if not image.mode.startswith("I"):
        return None
    if image.format == "PNG":
        bits = next((data for kind, _, data in png_chunks(path, {b"sBIT"}) if kind == b"sBIT"), b"")
        return float(2 ** bits[0] - 1) if bits and 8 < bits[0] < 16 else None
    stated = getattr(image, "tag_v2", {}).get(_MAX_SAMPLE_VALUE)
    value = stated[0] if isinstance(stated, tuple) and stated else stated
    return float(value) if isinstance(value, int) and value > 0 else None


def _as_rgb(image: Image.Image, stated_white: float | None) -> Image.Image:
    """RGB in 8 bits of the first frame; transparency shows white. By strips, for conversions need room on their way."""
    image.load()
    width, height, rows = *image.size, max(1, _STRIP // image.width)
    boxes = [(0, top, width, min(top + rows, height)) for top in range(0, height, rows)]
    deep = image.mode.startswith("I") or image.mode == "F"
    largest = max((float(_grey(image.crop(box)).max(initial=1.0)) for box in boxes), default=1.0) if deep else 255.0
    white = stated_white if stated_white is not None and stated_white >= largest else largest
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


@contextmanager
def _repaired(path: Path) -> Iterator[BinaryIO | None]:
    """A file that failed, without what made it fail: a PNG without metadata, a JPEG with its end marker; else None."""
    if is_png(path):
        with png_without_metadata(path) as stream:
            yield stream
    elif is_jpeg(path) and path.stat().st_size <= _LONGEST_JPEG:
        yield _with_end_marker(path.read_bytes())
    else:
        yield None


def _with_end_marker(data: bytes) -> BinaryIO | None:
    """A JPEG whose pixels are all there, with the end marker that it lacks; None where pixels are missing.

    If the scan is complete, a decoder skips whatever stands between it and the end marker; if not, it takes it for
    pixels. So two different fillings show the same picture only if nothing but the marker is missing.
    """
    pictures = []
    for filling in (b"", bytes(range(1, 255)) * 16):
        with Image.open(io.BytesIO(data + filling + _JPEG_END), formats=("JPEG",)) as image:
            pictures.append(hashlib.sha256(image.convert("RGB").tobytes()).digest())
    return io.BytesIO(data + _JPEG_END) if pictures[0] == pictures[1] else None
