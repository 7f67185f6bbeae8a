"""Which photographs: arguments of a command line and lists on a pipe, made one stream."""

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
        path: shown to the user, as given on the command line.
        image_id: its id in a corpus, or its path below the folder that was searched.
        file: the file to read.
        sha256: SHA-256 of the file as a corpus recorded it; None where there is no corpus.
    """

    path: str
    image_id: int | str
    file: Path
    sha256: str | None = None


@dataclass(frozen=True)
class FailedPhoto:
    """A photograph that could not be read, or not be described.

    Attributes:
        photo: the photograph.
        reason: one line that names the photograph and what is wrong with it.
    """

    photo: Photo
    reason: str


def expand(arguments: Sequence[str], listed: Iterable[str]) -> Iterator[Photo]:
    """Files as they are, folders as the photographs below them, `-` as the names in `listed`.

    A photograph in a folder has its path below that folder as its id, any other its path as given. Whether a
    file is there and can be read is found out when it is.

    Raises:
        DataError: a folder cannot be listed or has no photograph in it.
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
        raise DataError(f"{folder}: no photographs in it")
    for path in found:
        yield Photo(str(path), path.relative_to(folder).as_posix(), path)


def read_list(stream: BinaryIO, separator: bytes) -> Iterator[str]:
    """File names from a stream, one after the other, each as soon as it is whole; empty ones are skipped.

    Args:
        stream: such as stdin, in bytes: names need not be UTF-8.
        separator: a newline, or NUL.

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
    """A path for a line of text: tabs, newlines and backslashes are escaped."""
    return path.translate(_ESCAPES)
