"""The photographs to process, from files, folders and lists."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.image_formats import find_pictures

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


@dataclass(frozen=True)
class Photo:
    """A photograph to read.

    Attributes:
        path: the path shown to the user, as given.
        image_id: the id in a corpus, or the path relative to the folder that was searched.
        file: the file to read.
        sha256: SHA-256 of the file as recorded in a corpus; None without a corpus.
    """

    path: str
    image_id: int | str
    file: Path
    sha256: str | None = None


@dataclass(frozen=True)
class FailedPhoto:
    """A photograph that could not be read or encoded.

    Attributes:
        photo: the photograph.
        reason: one line with the photograph's path and what is wrong.
    """

    photo: Photo
    reason: str


def expand(arguments: Sequence[str], listed: Iterable[str]) -> Iterator[Photo]:
    """The photographs that arguments name: a file, all photographs in a folder, or `-` for the paths in `listed`.

    The id of a photograph in a folder is its path relative to that folder, of any other its path as given. Files are
    not opened: one that does not exist fails when it is read.

    Args:
        arguments: paths of files and folders, or `-`.
        listed: the paths that `-` stands for; read only where `-` occurs.

    Raises:
        DataError: a folder cannot be listed or contains no photographs.
    """
    for argument in arguments:
        names = listed if argument == "-" else [argument]
        for name in names:
            path = Path(name)
            if os.path.isdir(path):  # noqa: PTH112  not Path.is_dir(), which raises on names that are too long
                yield from _folder(path)
            else:
                yield Photo(name, name, path)


def _folder(folder: Path) -> Iterator[Photo]:
    found = find_pictures(folder)
    if not found:
        raise DataError(f"{folder}: contains no photographs")
    for path in found:
        yield Photo(str(path), path.relative_to(folder).as_posix(), path)


def read_list(stream: BinaryIO, separator: bytes) -> Iterator[str]:
    """File names from a stream, each as soon as it is complete; empty ones are skipped.

    Args:
        stream: a binary stream such as stdin; names need not be UTF-8.
        separator: the byte between names: a newline or NUL.

    Raises:
        DataError: the stream cannot be read.
    """
    pending = b""
    while block := _next_block(stream):
        *names, pending = (pending + block).split(separator)
        yield from (os.fsdecode(name) for name in names if name)
    if pending:
        yield os.fsdecode(pending)


def _next_block(stream: BinaryIO) -> bytes:
    try:
        return os.read(stream.fileno(), 1 << 16)
    except OSError as error:
        raise DataError(f"stdin: cannot read: {reason(error)}") from error


def show_path(path: str) -> str:
    """A path for one line of text output: tabs, line ends and backslashes are escaped."""
    return path.translate(_ESCAPES)
