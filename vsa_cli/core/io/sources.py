"""The photographs to process, from files, folders and lists."""

from __future__ import annotations

import codecs
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


def expand(arguments: Sequence[str], listed: Iterable[str]) -> Iterator[Photo | FailedPhoto]:
    """The photographs that arguments name: a file, all photographs in a folder, or `-` for the paths in `listed`.

    The id of a photograph found in a folder is its path relative to that folder; the id of any other photograph is its
    path as given. Files are not opened: one that does not exist fails when it is read. A folder that cannot be listed,
    or contains no photographs, is a `FailedPhoto` among the others. A photograph that is named more than once, or both
    named and found in a folder, counts once.

    Args:
        arguments: paths of files and folders, or `-`.
        listed: the paths that `-` stands for; read only if `-` occurs.
    """
    photos, failures = PhotoSet(), set[str]()
    for one in _expand_all(arguments, listed):
        if isinstance(one, Photo):
            if photos.add(one.path):
                yield one
        elif one.reason not in failures:
            failures.add(one.reason)
            yield one


class PhotoSet:
    """A set of paths of photographs; `a.jpg`, `./a.jpg` and `/folder/a.jpg` can be the same member.

    Links to folders are resolved. A link to a photograph is another photograph: it has a name, and a sidecar, of its
    own.
    """

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._folders: dict[str, str] = {}

    def add(self, path: str) -> bool:
        """Add a path; whether it is new."""
        before = len(self._paths)
        self._paths.add(self._key(path))
        return len(self._paths) > before

    def __contains__(self, path: str) -> bool:
        return self._key(path) in self._paths

    def _key(self, path: str) -> str:
        folder, name = os.path.split(path)  # as text: names need not be possible
        if folder not in self._folders:
            self._folders[folder] = folder if "\0" in folder else os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)  # noqa: PTH118


def _expand_all(arguments: Sequence[str], listed: Iterable[str]) -> Iterator[Photo | FailedPhoto]:
    for argument in arguments:
        for name in listed if argument == "-" else [argument]:
            path = Path(name)
            if "\0" in name:
                shown = name.replace("\0", "\\0")
                reason = f"{shown}: not a file name, it contains NUL; lists separated by NUL are read with `null`"
                yield FailedPhoto(Photo(shown, shown, path), reason)
            elif os.path.isdir(path):  # noqa: PTH112  not Path.is_dir(), which raises on names that are too long
                yield from _folder(path)
            else:
                yield Photo(name, name, path)


def _folder(folder: Path) -> Iterator[Photo | FailedPhoto]:
    found = find_pictures(folder)
    here = Photo(str(folder), str(folder), folder)
    for failure in found.failures:
        yield FailedPhoto(here, failure)
    if not found.paths and not found.failures:
        yield FailedPhoto(here, f"{folder}: contains no photographs")
    for path in found.paths:
        yield Photo(str(path), path.relative_to(folder).as_posix(), path)


def read_list(stream: BinaryIO, separator: bytes) -> Iterator[str]:
    """File names from a stream, each as soon as it is complete; empty ones are skipped.

    Lists written on other operating systems are recognised: a byte order mark, UTF-16 (from PowerShell), lines that end
    in CR LF, and names separated by NUL if the first block has NUL and no line end.

    Args:
        stream: a binary stream such as stdin; names need not be UTF-8.
        separator: the byte between names: a newline or NUL.

    Raises:
        DataError: the stream cannot be read.
    """
    first = _next_block(stream)
    encoding = _utf16(first)
    if encoding is not None:
        yield from _decoded_list(stream, first, encoding)
        return
    block, pending = first.removeprefix(codecs.BOM_UTF8), b""
    if b"\0" in block and b"\n" not in block:
        separator = b"\0"
    while block:
        *names, pending = (pending + block).split(separator)
        yield from filter(None, (_name(name, separator) for name in names))
        block = _next_block(stream)
    if name := _name(pending, separator):
        yield name


def _name(name: bytes, separator: bytes) -> str:
    return os.fsdecode(name.removesuffix(b"\r") if separator == b"\n" else name)


def _utf16(block: bytes) -> str | None:
    """The UTF-16 codec of a list that starts so: by its byte order mark, or by the NUL beside every ASCII letter."""
    if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    low, high = block[0:64:2], block[1:64:2]
    if len(high) > 3 and not any(high):
        return "utf-16-le"
    return "utf-16-be" if len(low) > 3 and not any(low) else None


def _decoded_list(stream: BinaryIO, block: bytes, encoding: str) -> Iterator[str]:
    decoder, pending = codecs.getincrementaldecoder(encoding)(errors="replace"), ""
    while block:
        *names, pending = (pending + decoder.decode(block)).split("\n")
        yield from filter(None, (name.removesuffix("\r") for name in names))
        block = _next_block(stream)
    if name := (pending + decoder.decode(b"", final=True)).removesuffix("\r"):
        yield name


def _next_block(stream: BinaryIO) -> bytes:
    try:
        return os.read(stream.fileno(), 1 << 16)
    except OSError as error:
        raise DataError(f"stdin: cannot read: {reason(error)}") from error


def show_path(path: str) -> str:
    """A path for one line of text output: tabs, line ends and backslashes are escaped."""
    return path.translate(_ESCAPES)
