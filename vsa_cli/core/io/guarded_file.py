"""A file for a library that does not survive a full disk: errors are kept back until it has let go of the file.

HDF5 crashes the process, or leaves it with objects that cannot be closed, when a write fails under it. So the write
seems to succeed, and whatever follows it too; at the end the file is known to be worthless, and the error comes out.
Knows no HDF5.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer


class Sink:
    """What h5py wants of a file object; `failure` is the first error.

    Args:
        file: empty, for reading and writing.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.failure: OSError | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of any file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As of any file."""
        return self._file.tell()

    def write(self, data: ReadableBuffer) -> int:
        """Write all of it, or seem to."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while self.failure is None and left:
                left = left[self._file.write(left) :]  # a disk that is nearly full takes a part
        except OSError as error:
            self.failure = error
        return size

    def truncate(self, size: int | None = None) -> int:
        """As of any file, or seem to."""
        if self.failure is None:
            try:
                return self._file.truncate(size)
            except OSError as error:
                self.failure = error
        return size or 0

    def flush(self) -> None:
        """Nothing is held back: the file has no buffer."""

    def read(self, size: int = -1) -> bytes:
        """As of any file; h5py knows a file object by it, and never calls it."""
        return self._file.read(size)

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what was written; where that is missing, zeros."""
        view = memoryview(buffer).cast("B")
        count = self._file.readinto(view) if self.failure is None else 0  # type: ignore[attr-defined]
        view[count:] = bytes(len(view) - count)
        return len(view)


@contextmanager
def sink(path: Path) -> Iterator[Sink]:
    """A new file at `path`, for the length of a block.

    Raises:
        OSError: it cannot be made, or a write to it has failed; when the block has ended.
    """
    with path.open("w+b", buffering=0) as file:
        holder = Sink(file)
        yield holder
        if holder.failure is not None:
            raise holder.failure
