"""A file object that defers write errors until close, because HDF5 crashes on them.

When a write fails (a full disk), HDF5 crashes the process or leaves objects that cannot be closed. So a failed write,
and every one after it, is reported to HDF5 as successful; the error is raised when the file is closed.
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
    """The part of a file object's interface that h5py needs.

    Args:
        file: an empty file, open for reading and writing, unbuffered.

    Attributes:
        failure: the first error of a write; None if there was none.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.failure: OSError | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position; return it."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The position in the file, in bytes."""
        return self._file.tell()

    def write(self, data: ReadableBuffer) -> int:
        """Write all of `data`, or pretend to after a failure; return its size in bytes."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while self.failure is None and left:
                left = left[self._file.write(left) :]  # a write to a nearly full disk may be partial
        except OSError as error:
            self.failure = error
        return size

    def truncate(self, size: int | None = None) -> int:
        """Resize the file, or pretend to after a failure."""
        if self.failure is None:
            try:
                return self._file.truncate(size)
            except OSError as error:
                self.failure = error
        return size or 0

    def flush(self) -> None:
        """Do nothing: the file is unbuffered."""

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes; h5py checks that this method exists, but never calls it."""
        return self._file.read(size)

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill `buffer` with the bytes written so far, then with zeros; after a failure, with zeros only."""
        view = memoryview(buffer).cast("B")
        count = self._file.readinto(view) if self.failure is None else 0  # type: ignore[attr-defined]
        view[count:] = bytes(len(view) - count)
        return len(view)


@contextmanager
def sink(path: Path) -> Iterator[Sink]:
    """Create or overwrite the file at `path`, and keep it open for the duration of a block.

    Raises:
        OSError: the file cannot be created; or, at the end of the block, a write to it has failed.
    """
    with path.open("w+b", buffering=0) as file:
        guarded = Sink(file)
        yield guarded
        if guarded.failure is not None:
            raise guarded.failure
