"""Text and its lines from untrusted files, in bounded memory.

Three ways to read, by the source: `numbered_lines` streams the lines of a file of any size as bytes, `text_lines`
decodes a whole file, `split_lines` decodes bytes that are in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.files import check_regular_file

MAX_LINE_BYTES = 64 * 1024**2
"""Longest line, in bytes, that is read into memory."""

_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


class Readable(Protocol):
    """A binary file, compressed or not."""

    def readline(self, size: int, /) -> bytes:
        """Up to `size` bytes of the next line."""


def numbered_lines(file: Readable, where: str) -> Iterator[tuple[str, bytes]]:
    """Each line that is not blank, with its place ("FILE, line N") and its line end.

    Args:
        file: a binary file at its start.
        where: the file's name, for messages.

    Raises:
        DataError: a line is longer than `MAX_LINE_BYTES`.
        OSError: the file cannot be read.
    """
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise DataError(f"{where}, line {number}: longer than {MAX_LINE_BYTES} bytes")
        if line.strip():
            yield f"{where}, line {number}", line


def text_lines(path: Path, max_bytes: int = -1) -> list[str]:
    """The lines of a text file, as `split_lines` returns them.

    Args:
        path: the file.
        max_bytes: how much to read from its start; negative for all of it.

    Raises:
        DataError: the file cannot be read, or is UTF-16.
    """
    try:
        check_regular_file(path)
        with path.open("rb") as file:
            data = file.read(max_bytes)
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}") from error
    return split_lines(data, str(path))


def split_lines(data: bytes, where: str) -> list[str]:
    r"""The lines of a text, decoded by `decode_text`, without `\n` or `\r\n`.

    Args:
        data: the whole text.
        where: the file's name, for messages.

    Raises:
        DataError: the text is UTF-16.
    """
    return [line.removesuffix("\r") for line in decode_text(data, where).split("\n")]


def decode_text(data: bytes, where: str) -> str:
    """A UTF-8 text, without its byte order mark; invalid bytes become lone surrogates, for which `is_text` is false.

    Args:
        data: the whole text.
        where: the file's name, for messages.

    Raises:
        DataError: the text is UTF-16.
    """
    if data.startswith(_UTF16_BOMS):
        raise DataError(f"{where}: is UTF-16; save it as UTF-8")
    return data.removeprefix(_UTF8_BOM).decode("utf-8", errors="surrogateescape")
