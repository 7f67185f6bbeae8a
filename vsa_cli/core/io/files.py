"""Files on the disk: hashes, atomic writes, and outputs that are checked before any work is done."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vsa_cli.core.errors import ConfigError, DataError, reason


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


def check_regular_file(path: Path) -> None:
    """Refuse a pipe, a socket or a device: who opens one may wait for ever, or read without end.

    Raises:
        DataError: it is one.
        OSError: it is not there.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise DataError(f"{path}: is a pipe or a device, not a file")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary file beside `path` that takes its name when the block ends well, and goes otherwise.

    The content is flushed to the disk before the rename, so that a file under its final name is whole even
    after a crash. What a killed process left is overwritten by the next.

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
        with suppress(OSError):  # a part that never came to be must not hide why
            part.unlink()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, in UTF-8.

    Raises:
        DataError: it cannot be written.
    """
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8", errors="surrogateescape")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines atomically, in UTF-8, each as soon as it comes.

    Raises:
        DataError: it cannot be written.
    """
    with atomic_path(path) as part, part.open("w", encoding="utf-8", errors="surrogateescape") as file:
        for line in lines:
            file.write(line + "\n")


def check_output(path: Path, *, force: bool, resume: bool = False, folder: bool = False) -> None:
    """Refuse, before any work is done, an output that may not or cannot be written.

    Args:
        path: of the output, which is a file, or, where `folder`, a folder.
        force: it may be overwritten.
        resume: it may be continued.
        folder: see `path`.

    Raises:
        UsageError: `path` exists, and neither `force` nor `resume` is set, or both are; or it is of another kind.
        DataError: it is a pipe or a device, which a file would replace, or lies where nothing can be written.
    """
    import tempfile  # not on the way to a help

    if force and resume:
        raise ConfigError("--force starts anew and --resume continues: choose one")
    if path.exists():
        check_regular_file(path)
        if path.is_dir() != folder:
            raise ConfigError(
                f"{path}: is a file; name a folder" if folder else f"{path}: is a folder; name a file in it"
            )
        if not force and not resume:
            raise ConfigError(f"{path}: exists already; --force replaces it")
    place = path if path.is_dir() else next(folder for folder in path.absolute().parents if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=place):  # it has no name, and leaves nothing
            pass
    except OSError as error:
        raise DataError(f"{path}: cannot write: {place}: {reason(error)}") from error


def check_distinct(*outputs: Path | None) -> None:
    """Refuse outputs of one run that are one file, for the later would replace the earlier.

    Raises:
        UsageError: two of those that are given are.
    """
    seen: set[str] = set()
    for path in outputs:
        if path is not None:
            if (real := os.path.realpath(path)) in seen:
                raise ConfigError(f"{path}: is named for two outputs; give each its own file")
            seen.add(real)
