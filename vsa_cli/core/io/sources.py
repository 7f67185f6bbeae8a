"""The photographs to process, from files, folders and lists."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import unquote

from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.image_formats import find_pictures
from vsa_cli.core.io.text import UTF8, encoding_of, unquoted

if TYPE_CHECKING:
    from io import BufferedReader

_FILE = re.compile(r"(?i:file):(?://[^/]*)?(/.*)", re.S)
_WEB = re.compile(r"(https?|ftp|s3|gs)://", re.I)
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
            one = named_photo(name)
            if isinstance(one, Photo) and os.path.isdir(one.file):  # noqa: PTH112  Path.is_dir() raises on long names
                yield from _folder(one.file)
            else:
                yield one


def named_photo(name: str) -> Photo | FailedPhoto:
    """The photograph, or the folder, that a user names: by its path, or by a `file:` address of it.

    A path that does not exist may have quotes or blanks around it, as lists have them.
    """
    if "\0" in name:
        shown = name.replace("\0", "\\0")
        why = f"{shown}: not a file name, it contains NUL; lists separated by NUL are read with `null`"
        return FailedPhoto(Photo(shown, shown, Path(shown)), why)
    if os.path.lexists(name):
        return Photo(name, name, Path(name))
    plain = unquoted(name)
    if _WEB.match(plain):
        return FailedPhoto(Photo(name, name, Path(name)), f"{name}: is a web address; save the photograph as a file")
    if address := _FILE.fullmatch(plain):
        plain = name = unquote(address[1], errors="surrogateescape")
    found = plain if os.path.lexists(plain) else name
    return Photo(found, found, Path(found))


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
    block, pending = _next_block(stream), ""
    encoding = encoding_of(block)
    errors = "surrogateescape" if encoding == UTF8 else "replace"  # names on POSIX may have any bytes
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    if encoding == UTF8:
        block = block.removeprefix(codecs.BOM_UTF8)
        separator = b"\0" if b"\0" in block and b"\n" not in block else separator
    between = separator.decode("ascii")
    while block:
        *names, pending = (pending + decoder.decode(block)).split(between)
        yield from filter(None, (_name(name, between) for name in names))
        block = _next_block(stream)
    if name := _name(pending + decoder.decode(b"", final=True), between):
        yield name


def _name(name: str, separator: str) -> str:
    return name.removesuffix("\r") if separator == "\n" else name


def _next_block(stream: BinaryIO) -> bytes:
    try:
        return cast("BufferedReader", stream).read1(1 << 16)  # what is there, without waiting for more
    except OSError as error:
        raise DataError(f"stdin: cannot read: {reason(error)}") from error


def show_path(path: str) -> str:
    """A path for one line of text output: tabs, line ends and backslashes are escaped."""
    return path.translate(_ESCAPES)
