"""Tar files of unknown making: their members one after the other, none of them trusted.

Only plain tars are read. A compressed one could hold any number of bytes, whereas what a plain tar gives is never
more than the tar itself. Knows nothing of what the members are.
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
"""Bytes that the headers of one member may take; tarfile would read any number of them into memory."""

_PACKED = frozenset({".gz", ".tgz", ".xz", ".bz2", ".zst"})
_MAGIC = slice(257, 262)


class DamagedTarError(DataError):
    """A tar is no tar, or not a whole one."""


@dataclass(frozen=True)
class Member:
    """Something in a tar.

    Attributes:
        name: as the tar has it, which may lead anywhere.
        size: in bytes.
        is_file: a plain file: no link, no device, and no sparse file, which claims more than is stored.
    """

    name: str
    size: int
    is_file: bool
    _stream: BinaryIO
    _start: int

    def read(self, most: int) -> bytes:
        """At most so many of its first bytes.

        Raises:
            OSError: the tar cannot be read.
        """
        self._stream.seek(self._start)
        return self._stream.read(min(self.size, most))

    def blocks(self) -> Iterator[bytes]:
        """All its bytes, a block at a time.

        Raises:
            DamagedTarError: the tar ends before the member does.
            OSError: the tar cannot be read.
        """
        self._stream.seek(self._start)
        left = self.size
        while left:
            block = self._stream.read(min(left, _BLOCK))
            if not block:
                raise DamagedTarError(f"is cut short: {left} of {self.size} bytes are not in the tar")
            left -= len(block)
            yield block


class _Headers:
    """A file as tarfile may read it: so many bytes for a member, and never all at once."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.left = _HEADERS

    def read(self, size: int) -> bytes:
        self.left -= size
        if size < 0 or self.left < 0:
            raise tarfile.ReadError("a header of a senseless size")
        return self._stream.read(size)

    def seek(self, place: int) -> int:
        return self._stream.seek(place)

    def tell(self) -> int:
        return self._stream.tell()


def looks_like_tar(path: Path) -> bool:
    """Whether a file is called a tar or begins like one, packed or not."""
    if not path.is_file():
        return False
    if path.suffix in (".tar", ".tgz") or ".tar." in path.name:
        return True
    try:
        with path.open("rb") as file:
            return file.read(512)[_MAGIC] == b"ustar"
    except OSError:
        return False  # its reader will say why


def walk(path: Path) -> Iterator[Member]:
    """The members of a tar that are not folders, in its order; each must be read before the next is asked for.

    Raises:
        DamagedTarError: not a plain tar, or damaged from here on.
    """
    try:
        with path.open("rb") as stream:
            headers = _Headers(stream)
            with tarfile.open(fileobj=headers, mode="r:", encoding="utf-8", errors="surrogateescape") as tar:  # type: ignore[call-overload]
                yield from _members(tar, headers, stream)
    # what tarfile raises on headers that make no sense; anything else is a defect of ours and must surface
    except (tarfile.TarError, OSError, ValueError, OverflowError, EOFError, LookupError, RecursionError) as error:
        if path.suffix in _PACKED:
            raise DamagedTarError(f"{path}: a packed tar; unpack it first, to a plain .tar") from error
        raise DamagedTarError(f"{path}: not a whole tar ({reason(error)})") from error


def _members(tar: tarfile.TarFile, headers: _Headers, stream: BinaryIO) -> Iterator[Member]:
    past = -1
    while True:
        headers.left = _HEADERS
        info = tar.next()
        if info is None:
            stream.seek(tar.offset)
            if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # what ends a tar; tarfile does not insist
                raise tarfile.ReadError("cut short, or damaged in the middle")
            return
        tar.members.clear()  # type: ignore[attr-defined]  # or they all stay in memory
        if info.size < 0 or tar.offset <= past:
            raise tarfile.ReadError("a member of a senseless size")
        past = tar.offset
        if not info.isdir():
            is_file = info.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not info.issparse()
            yield Member(info.name, info.size, is_file, stream, info.offset_data)
