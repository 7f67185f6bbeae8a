"""Reading untrusted tar files, one member after the other.

Only uncompressed tars are read: a compressed one could expand to any size, whereas the members of a plain tar are never
larger than the tar.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vsa_cli.core.errors import DataError, reason

_BLOCK = 1 << 20
_HEADERS = 4 * _BLOCK
"""Limit on the headers of one member, in bytes; tarfile would read headers of any size into memory."""

_COMPRESSED = frozenset({".gz", ".tgz", ".xz", ".bz2", ".zst"})
_MAGIC = slice(257, 262)


class DamagedTarError(DataError):
    """A file is not a tar, or a tar is incomplete or damaged."""


@dataclass(frozen=True)
class Member:
    """A member of a tar that is not a folder.

    Attributes:
        name: the path in the tar, unchecked: it may be absolute or contain `..`.
        size: the size in bytes.
        is_file: a regular file: not a link, a device, or a sparse file, which claims a larger size than is stored.
    """

    name: str
    size: int
    is_file: bool
    _stream: BinaryIO
    _start: int

    def read(self, max_bytes: int) -> bytes:
        """The first bytes of the member, at most `max_bytes`.

        Raises:
            OSError: the tar cannot be read.
        """
        self._stream.seek(self._start)
        return self._stream.read(min(self.size, max_bytes))

    def blocks(self) -> Iterator[bytes]:
        """The contents of the member, in blocks.

        Raises:
            DamagedTarError: the tar ends before the member does.
            OSError: the tar cannot be read.
        """
        self._stream.seek(self._start)
        left = self.size
        while left:
            block = self._stream.read(min(left, _BLOCK))
            if not block:
                raise DamagedTarError(f"truncated: {left} of {self.size} bytes are not in the tar")
            left -= len(block)
            yield block


class _Headers:
    """A file that gives tarfile a limited number of bytes per member, and never the whole rest."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.left = _HEADERS

    def read(self, size: int) -> bytes:
        self.left -= size
        if size < 0 or self.left < 0:
            raise tarfile.ReadError("a header of an invalid size")
        return self._stream.read(size)

    def seek(self, place: int) -> int:
        return self._stream.seek(place)

    def tell(self) -> int:
        return self._stream.tell()


def looks_like_tar(path: Path) -> bool:
    """Whether a file has the name or the first bytes of a tar, compressed or not."""
    if not path.is_file():
        return False
    if path.suffix in (".tar", ".tgz") or ".tar." in path.name:
        return True
    try:
        with path.open("rb") as file:
            return file.read(512)[_MAGIC] == b"ustar"
    except OSError:
        return False  # the error is reported when the file is read


def walk(path: Path) -> Iterator[Member]:
    """The members of a tar that are not folders, in order; each must be read before the next is requested.

    Raises:
        DamagedTarError: not an uncompressed tar, or damaged from this member on.
    """
    try:
        with path.open("rb") as stream:
            headers = _Headers(stream)
            with tarfile.open(fileobj=headers, mode="r:", encoding="utf-8", errors="surrogateescape") as tar:  # type: ignore[call-overload]
                yield from _members(tar, headers, stream)
    # What tarfile raises on invalid headers; any other exception is a bug here and must surface.
    except (tarfile.TarError, OSError, ValueError, OverflowError, EOFError, LookupError, RecursionError) as error:
        if path.suffix in _COMPRESSED:
            raise DamagedTarError(f"{path}: a compressed tar; decompress it to a plain .tar first") from error
        raise DamagedTarError(f"{path}: not a tar, or a damaged one ({reason(error)})") from error


def _members(tar: tarfile.TarFile, headers: _Headers, stream: BinaryIO) -> Iterator[Member]:
    last = -1
    while True:
        headers.left = _HEADERS
        info = tar.next()
        if info is None:
            stream.seek(tar.offset)
            if stream.read(tarfile.BLOCKSIZE) != bytes(
                tarfile.BLOCKSIZE
            ):  # the end of a tar, which tarfile does not require
                raise tarfile.ReadError("truncated, or damaged in the middle")
            return
        tar.members.clear()  # type: ignore[attr-defined]  # otherwise all members stay in memory
        if info.size < 0 or tar.offset <= last:
            raise tarfile.ReadError("a member of an invalid size")
        last = tar.offset
        if not info.isdir():
            is_file = info.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not info.issparse()
            yield Member(info.name, info.size, is_file, stream, info.offset_data)
