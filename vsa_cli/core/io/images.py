"""Decoding photographs to arrays, with Pillow and, if it is installed, pillow-heif.

Any file (greyscale, palette, CMYK, 16-bit, transparent, animated, rotated by EXIF) becomes upright 8-bit RGB; a file
that cannot be read raises a DataError.
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
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError, features

from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.files import check_regular_file, file_sha256
from vsa_cli.core.io.image_formats import AVIF, HEIC, format_of
from vsa_cli.core.io.image_repair import has_all_scans, is_jpeg, is_png, png_chunks, png_without_metadata
from vsa_cli.core.io.threads import uninterrupted

# Blocks so large that malloc maps each separately, so that the memory of a large image is returned to the system.
Image.core.set_block_size(1 << 26)  # type: ignore[attr-defined]
Image.MAX_IMAGE_PIXELS = None  # `_open` applies the limit, and raises an error instead of a warning
MAX_PIXELS = 150_000_000
"""Maximum pixels of one photograph, and of all that are decoded at the same time: 600 MB, and 600 MB more as RGB."""

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_SUPPORTED = "vsa reads JPEG, PNG, WebP, GIF, TIFF, BMP, PPM, AVIF and HEIC"
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
        rgb: (h, w, 3) uint8; may be smaller than the original.
        width: width of the upright original, in pixels, the unit of boxes.
        height: height of the upright original, in pixels.
        notes: one line for each part of the file that was ignored, such as unreadable EXIF data.
    """

    rgb: NDArray[np.uint8]
    width: int
    height: int
    notes: tuple[str, ...] = ()

    def mirrored(self) -> Picture:
        """The photograph mirrored left to right."""
        return replace(self, rgb=np.ascontiguousarray(self.rgb[:, ::-1]))


def read_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels of the upright photograph, from the file's header alone.

    Raises:
        DataError: as in `read_picture`, except that damage after the header is not detected.
    """
    return _read(path, _size)


def read_picture(path: Path, short_side: int | None = None) -> Picture:
    """Decode a photograph to upright RGB.

    Broken or huge metadata is ignored where the pixels can be read; `Picture.notes` reports an orientation that
    cannot be read. Grey values of more than 8 bits are scaled so that the maximum stated by the file, or else the
    image's largest value, becomes 255. A JPEG that lacks only its end marker is read.

    Args:
        path: a file in a supported format, whatever its suffix.
        short_side: reduce a photograph whose shorter side is longer than this, antialiased; never enlarge.

    Raises:
        DataError: missing, not an image, truncated, damaged, empty, or larger than `MAX_PIXELS`.
    """
    return _read(path, lambda path, stream: _decode(path, stream, short_side))


def _read(path: Path, decode: Callable[[Path, BinaryIO | None], T]) -> T:
    """Decode a file, or, if that fails, a repaired form of it."""
    try:
        return decode(path, None)
    except _BROKEN as error:
        try:
            with ExitStack() as stack:
                repaired = stack.enter_context(_repaired(path))
                if repaired is not None:
                    return decode(path, repaired)
        except _BROKEN:
            pass  # cannot be repaired: the first error describes the problem
        raise DataError(f"{path}: {_describe(error)}") from error


def _size(path: Path, stream: BinaryIO | None) -> tuple[int, int]:
    with _open(path, stream) as image:
        _load_rotated_tiff(image)
        width, height = image.size
        return (height, width) if _orientation(image)[0] in _SIDEWAYS else (width, height)


def _decode(path: Path, stream: BinaryIO | None, short_side: int | None) -> Picture:
    with _open(path, stream) as image, _reserve_memory(image):
        _load_rotated_tiff(image)
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
        image.close()  # frees its pixels before another image takes their place
    if orientation in _TRANSPOSE:
        flat = flat.transpose(_TRANSPOSE[orientation])
    if orientation in _SIDEWAYS:
        width, height = height, width
    notes = (f"{path}: {note}",) if note else ()
    return Picture(rgb=np.asarray(flat, dtype=np.uint8), width=width, height=height, notes=notes)


def read_unchanged(path: Path, size: tuple[int, int], sha256: str | None, longest: int) -> NDArray[np.uint8]:
    """Decode, to upright RGB, a photograph in which boxes were found earlier.

    Args:
        path: the file.
        size: width and height of the upright photograph at that time, in pixels.
        sha256: the file's SHA-256 at that time; None compares the size alone.
        longest: if the longer side exceeds this, reduce it to about this many pixels.

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
    """Resize (h, w, 3) uint8, or its `box` (x1, y1, x2, y2) in pixels, to (height, width, 3), antialiased."""
    if box is None and (height, width) == rgb.shape[:2]:
        return rgb
    image = Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR, box=box)
    return np.asarray(image, dtype=np.uint8)


def encode_jpeg(rgb: NDArray[np.uint8], longest: int, *, sharp: bool = False) -> bytes:
    """A JPEG without metadata.

    Args:
        rgb: (h, w, 3) uint8.
        longest: reduce an image whose longer side has more pixels than this; never enlarge.
        sharp: keep coloured lettering sharp, at twice the file size.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, longest / max(width, height))
    small = resize(rgb, max(1, round(width * scale)), max(1, round(height * scale)))
    buffer = io.BytesIO()
    quality, sampling = (90, "4:4:4") if sharp else (82, "4:2:0")
    Image.fromarray(small).save(buffer, "JPEG", quality=quality, subsampling=sampling, optimize=True, progressive=True)
    return buffer.getvalue()


# What Pillow's decoders raise on damaged files; any other exception is a bug here and must surface.
_BROKEN = (
    OSError, ValueError, SyntaxError, EOFError, MemoryError, OverflowError, KeyError, IndexError, TypeError,
    struct.error, zlib.error,
)  # fmt: skip

_RESERVED: list[int] = []
"""Pixels of every photograph that is being decoded, in all threads."""
_CHANGED = threading.Condition()


@contextmanager
def _reserve_memory(image: Image.Image) -> Iterator[None]:
    """Wait until this image and those of all other threads have at most MAX_PIXELS together.

    Ctrl-C takes effect after the image: a reservation that is never released would block the other threads.
    """
    pixels = image.width * image.height
    with uninterrupted():
        with _CHANGED:
            _CHANGED.wait_for(lambda: not _RESERVED or sum(_RESERVED) + pixels <= MAX_PIXELS)
            _RESERVED.append(pixels)
        try:
            yield
        finally:
            with _CHANGED:
                _RESERVED.remove(pixels)
                _CHANGED.notify_all()


def _open(path: Path, stream: BinaryIO | None) -> Image.Image:
    check_regular_file(path)
    image = Image.open(stream or path, formats=_formats_for(format_of(path)))
    pixels = image.size[0] * image.size[1]
    if pixels > MAX_PIXELS:
        image.close()
        raise ValueError(f"{image.size[0]}x{image.size[1]} pixels; the limit is {MAX_PIXELS // 10**6} million")
    return image


def _formats_for(found: str | None) -> tuple[str, ...]:
    """Pillow's names for the formats that a file may have, by the result of `format_of`.

    Raises:
        ValueError: the format cannot be read.
    """
    if found is None:
        return _FORMATS
    if found == HEIC and can_read_heic():
        return ("HEIF",)
    if found == AVIF and features.check("avif"):
        return ("AVIF",)
    raise ValueError(
        "HEIC requires pillow-heif; run `pip install pillow-heif`"
        if found == HEIC
        else f"{found} cannot be read; {_SUPPORTED}"
    )


@cache
def can_read_heic() -> bool:
    """Whether HEIC, the format of many phones, can be read: pillow-heif is installed."""
    if importlib.util.find_spec("pillow_heif") is None:
        return False
    import pillow_heif

    pillow_heif.register_heif_opener()
    return True


def _load_rotated_tiff(image: Image.Image) -> None:
    # Pillow rotates a TIFF itself, but only on loading: after that, size and orientation agree.
    if image.format == "TIFF" and _orientation(image)[0] in _TRANSPOSE:
        image.load()


def _orientation(image: Image.Image) -> tuple[int, str | None]:
    """The EXIF orientation, 1 if there is none, and a note if it cannot be read."""
    if image.format == "PNG":
        image.load()  # EXIF data may follow the pixels; damage to these must not pass for damage to EXIF data
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
    """The first frame as 8-bit RGB on white, converted in strips, because conversions need memory of their own."""
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


def _describe(error: BaseException) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"not an image; {_SUPPORTED}"
    return "not enough memory to decode it" if isinstance(error, MemoryError) else reason(error)


@contextmanager
def _repaired(path: Path) -> Iterator[BinaryIO | None]:
    """A repaired form of a file that failed: a PNG without metadata, a JPEG with an end marker; else None."""
    if is_png(path):
        with png_without_metadata(path) as stream:
            yield stream
    elif is_jpeg(path) and path.stat().st_size <= _LONGEST_JPEG:
        yield _with_end_marker(path.read_bytes())
    else:
        yield None


def _with_end_marker(data: bytes) -> BinaryIO | None:
    """A JPEG with the end marker that it lacks; None where pixels are missing as well.

    After a complete scan a decoder skips any bytes before the end marker; in an incomplete one it decodes them as
    pixels. So two different fillings give the same image only if nothing but the marker is missing.
    """
    if not has_all_scans(data):
        return None
    pictures = []
    for filling in (b"", bytes(range(1, 255)) * 16):
        with Image.open(io.BytesIO(data + filling + _JPEG_END), formats=("JPEG",)) as image:
            pictures.append(hashlib.sha256(image.convert("RGB").tobytes()).digest())
    return io.BytesIO(data + _JPEG_END) if pictures[0] == pictures[1] else None
