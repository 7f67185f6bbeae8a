"""Inspects PNG and JPEG files, and hides the parts of a PNG that a decoder rejects.

This module does not use Pillow.

The text, the profiles and other metadata of a PNG can be broken, or expand to gigabytes, while its pixels are sound.
`png_without_metadata` presents such a file without them, without copying it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_TRANSPARENCY, _EXIF = b"tRNS", b"eXIf"


def is_png(path: Path) -> bool:
    """Whether a file starts with the signature of a PNG."""
    return _starts_with(path, PNG)


def is_jpeg(path: Path) -> bool:
    """Whether a file starts with the signature of a JPEG."""
    return _starts_with(path, JPEG)


def _starts_with(path: Path, signature: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(signature)) == signature


@contextmanager
def png_without_metadata(path: Path) -> Iterator[BinaryIO]:
    """A PNG without its text, colour profile and other metadata, as a still image, for reading.

    Transparency stays, and so do EXIF data, since they hold the orientation.

    Raises:
        OSError: the file cannot be read.
    """
    kept = [place for kind, place, _ in png_chunks(path, ()) if kind[:1].isupper() or kind in (_TRANSPARENCY, _EXIF)]
    with path.open("rb") as file:
        yield io.BufferedReader(_Pieces(file, [(0, len(PNG)), *kept]))


def png_chunks(path: Path, wanted: Collection[bytes]) -> Iterator[tuple[bytes, tuple[int, int], bytes]]:
    """(kind, (first byte, bytes in all), content where `wanted`) of the chunks of a PNG, up to its end or damage."""
    with path.open("rb") as file:
        file.seek(len(PNG))
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            start = file.tell() - 8
            yield kind, (start, length + 12), file.read(min(length, 64)) if kind in wanted else b""
            file.seek(start + length + 12)


def has_all_scans(jpeg: bytes) -> bool:
    """Whether a JPEG has the start of every scan that it needs: all coefficients of all components, in full precision.

    A progressive JPEG that was cut off between two scans decodes without an error, but coarsely.
    """
    components: set[int] = set()
    coded: set[tuple[int, int]] = set()
    place = 2
    while 0 <= (place := jpeg.find(b"\xff", place)) < len(jpeg) - 3:
        marker = jpeg[place + 1]
        if marker in (0x00, 0xFF) or 0xD0 <= marker <= 0xD7:  # a stuffed byte, a fill byte, or a restart in a scan
            place += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(jpeg[place + 2 : place + 4], "big")
        segment = jpeg[place + 4 : place + 2 + length]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(segment) > 5:
            components = set(segment[6 : 6 + 3 * segment[5] : 3])
        elif marker == 0xDA and segment and len(segment) >= 4 + 2 * segment[0]:
            count = segment[0]
            first, last, precision = segment[1 + 2 * count : 4 + 2 * count]
            if precision & 15 == 0:
                coded |= {(one, k) for one in segment[1 : 1 + 2 * count : 2] for k in range(first, min(last, 63) + 1)}
        place += 2 + length
    return bool(components) and coded >= {(one, k) for one in components for k in range(64)}


class _Pieces(io.RawIOBase):
    """Pieces of a file, presented as one read-only file."""

    def __init__(self, file: BinaryIO, pieces: Sequence[tuple[int, int]]) -> None:
        self._file, self._pieces, self._place = file, pieces, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: sum(size for _, size in self._pieces)}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        past = 0
        for start, size in self._pieces:
            if self._place < past + size:
                self._file.seek(start + self._place - past)
                data = self._file.read(min(len(buffer), past + size - self._place))
                buffer[: len(data)] = data
                self._place += len(data)
                return len(data)
            past += size
        return 0
