"""Text and its lines from untrusted files, in bounded memory: UTF-8, or UTF-16 as Windows programs write it.

Three ways to read, by the source: `numbered_lines` streams the lines of a file of any size as bytes, `text_lines`
decodes a whole file, `split_lines` decodes bytes that are in memory. `encoding_of` decides the encoding of all.
Whole files may be gzipped: `read_bytes` unpacks them, up to a limit.
"""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.files import check_regular_file

MAX_LINE_BYTES = 64 * 1024**2
"""Longest line, in bytes, that is read into memory."""

MAX_UNPACKED_BYTES = 512 * 1024**2
"""Largest content of a gzipped file, in bytes; gzip makes a thousand times as much of a hostile one."""

MAX_LINES = 2**24
"""Most lines of a text that is read whole: a list of empty lines takes sixteen times their bytes in memory."""

UTF8 = "utf-8"
_GZIP = b"\x1f\x8b"
_BLOCK = 1 << 16
_UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_ASCII = rb"[\t\n\r -~]"
_FOUR_ASCII = {
    "utf-16-le": re.compile(rb"(?s:..)*?(?:%b\0){4}" % _ASCII),
    "utf-16-be": re.compile(rb"(?s:..)*?(?:\0%b){4}" % _ASCII),
}


class Readable(Protocol):
    """A binary file, compressed or not."""

    def readline(self, size: int, /) -> bytes:
        """Up to `size` bytes of the next line."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` of the next bytes."""


def encoding_of(head: bytes) -> str:
    """The encoding of a text, as a codec's name: `UTF8`, or one of UTF-16.

    A byte order mark decides. Without one, a text is UTF-16 if it has four ASCII characters in a row in that encoding,
    and NULs only where these have them: a list of names separated by NUL has not.

    Args:
        head: the start of the text.
    """
    if head.startswith(_UTF16_BOMS):
        return "utf-16"
    head = head[:_BLOCK]
    found = (encoding for encoding, four_ascii in _FOUR_ASCII.items() if b"\0" in head and four_ascii.match(head))
    return next(found, UTF8)


_LONE = "vsa-lone-surrogates"


def _lone_surrogates(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_LONE, _lone_surrogates)


def numbered_lines(file: Readable, where: str) -> Iterator[tuple[str, bytes]]:
    """Each line that is not blank, with its place ("FILE, line N") and its line end.

    Args:
        file: a binary file at its start; lines in UTF-16 are recoded to UTF-8.
        where: the file's name, for messages.

    Raises:
        DataError: a line is longer than `MAX_LINE_BYTES`.
        OSError: the file cannot be read.
    """
    for number, line in enumerate(_utf8_lines(file), start=1):
        if len(line) > MAX_LINE_BYTES:
            raise DataError(f"{where}, line {number}: longer than {MAX_LINE_BYTES} bytes")
        if line.strip():
            yield f"{where}, line {number}", line


def _utf8_lines(file: Readable) -> Iterator[bytes]:
    """The lines of a text in UTF-8, whatever its encoding; of a line that is too long, a part that is too long."""
    line = file.readline(MAX_LINE_BYTES + 1)
    encoding = encoding_of(line)
    if encoding != UTF8:
        yield from _recoded_lines(file, line, codecs.getincrementaldecoder(encoding)(_LONE))
        return
    while line:
        yield line
        line = file.readline(MAX_LINE_BYTES + 1)


def _recoded_lines(file: Readable, block: bytes, decoder: codecs.IncrementalDecoder) -> Iterator[bytes]:
    pieces: list[str] = []  # of one line
    while block:
        *lines, rest = decoder.decode(block).split("\n")
        for line in lines:
            yield _encode("".join([*pieces, line, "\n"]))
            pieces.clear()
        pieces.append(rest)
        if sum(map(len, pieces)) > MAX_LINE_BYTES:
            break
        block = file.read(_BLOCK)
    if last := "".join([*pieces, decoder.decode(b"", final=True)]):
        yield _encode(last)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # a lone surrogate stays invalid


def text_lines(path: Path, max_bytes: int = -1) -> list[str]:
    """The lines of a text file, plain or gzipped, as `split_lines` returns them.

    Args:
        path: the file.
        max_bytes: how much to read from its start; negative for all of it.

    Raises:
        DataError: the file cannot be read, or has more than `MAX_LINES` lines.
    """
    data = read_bytes(path, max_bytes)
    if max(data.count(b"\n"), data.count(b"\r")) > MAX_LINES:
        raise DataError(f"{path}: more than {MAX_LINES} lines, which is the limit; split the file into several")
    return split_lines(data)


def read_bytes(path: Path, max_bytes: int = -1) -> bytes:
    """The bytes of a file; those of a gzipped one are unpacked.

    Args:
        path: the file; its first bytes decide whether it is gzipped, not its name.
        max_bytes: how much to return from its start; negative for all of it.

    Raises:
        DataError: the file cannot be read, is damaged, or unpacks to more than `MAX_UNPACKED_BYTES`.
    """
    try:
        check_regular_file(path)
        with path.open("rb") as raw:
            if not raw.peek(len(_GZIP)).startswith(_GZIP):
                return raw.read(max_bytes)
            with gzip.open(raw) as file:
                data = file.read(max_bytes if 0 <= max_bytes <= MAX_UNPACKED_BYTES else MAX_UNPACKED_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: {reason(error)}") from error
    if len(data) > MAX_UNPACKED_BYTES:
        raise DataError(f"{path}: unpacks to more than {MAX_UNPACKED_BYTES} bytes, which is the limit")
    return data


def split_lines(data: bytes) -> list[str]:
    """The lines of a whole text, decoded by `decode_text` and cut by `lines_of`."""
    return lines_of(decode_text(data))


def lines_of(text: str) -> list[str]:
    r"""The lines of a text, without `\n` or `\r\n`; a text with `\r` alone has the lines of old Macintosh programs."""
    if "\n" not in text:
        return text.split("\r")
    return [line.removesuffix("\r") for line in text.split("\n")]


def decode_text(data: bytes) -> str:
    """A whole text without its byte order mark; invalid bytes become lone surrogates, for which `is_text` is false."""
    encoding = encoding_of(data)
    if encoding != UTF8:
        return data.decode(encoding, _LONE)
    return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", errors="surrogateescape")


def to_utf8(data: bytes) -> bytes:
    """A whole text in UTF-8, whatever its encoding."""
    return data if encoding_of(data) == UTF8 else _encode(decode_text(data))


def unquoted(name: str) -> str:
    """A name without blanks around it and without one pair of quotes, as `ls`, `dir` and spreadsheets write it."""
    text = name.strip()
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] and text[0] in "\"'" else text
