"""File hashes, atomic writes, and checks of output paths before any work starts."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vsa_cli.core.errors import ConfigError, DataError, reason

HDF5_START = b"\x89HDF"
"""The first bytes of an HDF5 file."""


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        check_regular_file(path)
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
            return digest.hexdigest()
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}") from error


def starts_with(path: Path, beginning: bytes) -> bool:
    """Whether a path is a file that can be read and starts with these bytes."""
    try:
        with path.open("rb") as file:
            return file.read(len(beginning)) == beginning
    except OSError:
        return False  # a folder, or nothing: whoever needs the file says what is wrong


def check_regular_file(path: Path) -> None:
    """Check that a path is a file or a folder: opening a pipe may block, and reading a device may never end.

    Raises:
        DataError: it is a pipe, a socket or a device.
        OSError: it does not exist.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise DataError(f"{path}: is a pipe or a device, not a file")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that is renamed to `path` if the block succeeds, and removed otherwise.

    The content is flushed to the disk before the rename, so a file under its final name is complete even after a
    crash. The temporary file of a killed process is overwritten by the next one.

    Raises:
        DataError: the folder cannot be written, or the disk is full.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        _flush(part)
        part.replace(path)
        _flush(path.parent)
    except OSError as error:
        raise DataError(f"{path}: cannot write: {reason(error)}") from error
    finally:
        with suppress(OSError):  # a missing temporary file must not hide the first error
            part.unlink()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, atomically.

    Raises:
        DataError: the file cannot be written.
    """
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8", errors="surrogateescape")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines in UTF-8, atomically and one at a time.

    Raises:
        DataError: the file cannot be written.
    """
    with atomic_path(path) as part, part.open("w", encoding="utf-8", errors="surrogateescape") as file:
        for line in lines:
            file.write(line + "\n")


def check_output(path: Path, *, force: bool, resume: bool = False, folder: bool = False) -> None:
    """Check, before any work starts, that an output may and can be written.

    Args:
        path: the output file, or the output folder if `folder` is set.
        force: an existing output may be replaced.
        resume: an existing output may be continued.
        folder: the output is a folder.

    Raises:
        ConfigError: `path` exists and neither `force` nor `resume` is set; or both are; or a file is where a folder is
            expected, or the reverse.
        DataError: `path` is a pipe or a device, or its folder cannot be written.
    """
    import tempfile  # slow to import, and not needed for help

    if force and resume:
        raise ConfigError("`force` starts over and `resume` continues: choose one")
    if path.exists():
        check_regular_file(path)
        if path.is_dir() != folder:
            raise ConfigError(
                f"{path}: is a file; name a folder" if folder else f"{path}: is a folder; name a file in it"
            )
        if not force and not resume:
            raise ConfigError(f"{path}: exists already; `force` replaces it")
    target = path if path.is_dir() else next(parent for parent in path.absolute().parents if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=target):  # unnamed, so it leaves nothing behind
            pass
    except OSError as error:
        raise DataError(f"{path}: cannot write: {target}: {reason(error)}") from error


def check_distinct(*outputs: Path | None) -> None:
    """Check that the outputs of a run are different files; None stands for an output that is not written.

    Raises:
        ConfigError: two of them are the same file.
    """
    seen: set[str] = set()
    for path in outputs:
        if path is not None:
            if (real := os.path.realpath(path)) in seen:
                raise ConfigError(f"{path}: the same file for two outputs; give each its own")
            seen.add(real)
