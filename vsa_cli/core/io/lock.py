"""A lock between processes, so that only one of them writes to a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vsa_cli.core.errors import DataError, reason


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file, which is created if it is missing, within the block.

    The operating system releases the lock when the process ends, however it ends, so a killed process leaves none. The
    file remains, because a lock on a file that another process removes would protect nothing.

    Args:
        path: the file.

    Raises:
        DataError: another process holds the lock, or the file cannot be created or locked.
    """
    import fcntl  # of POSIX only, and needed by few commands

    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        raise DataError(f"{path}: cannot write: {reason(error)}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(f"{path.parent}: another process is writing to it; wait until it has finished") from error
        except OSError as error:
            raise DataError(f"{path}: cannot be locked: {reason(error)}") from error
        yield
    finally:
        os.close(descriptor)
