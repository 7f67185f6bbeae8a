r"""Files of word vectors: word2vec's binary and text formats, and GloVe's text format.

A file is read once, from front to back, and may be a pipe. It passes through a buffer, and only the vectors of the
requested words are kept. The numbers in a header are checked against the file and never used to allocate memory. The
format is detected from the first line and the bytes after it, not from the file's name::

    word2vec binary   "COUNT SIZE\n", then COUNT times: the word, a space, SIZE little-endian float32, maybe "\n"
    word2vec text     "COUNT SIZE\n", then COUNT lines: the word and SIZE numbers
    GloVe text        lines as above, without the header; a word may contain spaces
"""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import re
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.errors import DataError, reason

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Form = Literal["word2vec-binary", "word2vec-text", "glove"]
Row = tuple[bytes, bytes | Sequence[bytes]]
"""A word, and its vector as encoded in the file."""

MAX_SIZE = 8192
"""The maximum size of a vector."""

_BUFFER = 1 << 20
_LINE, _WORD = 1 << 20, 1 << 12  # maximum bytes of a line and of a word
_HEADER = re.compile(rb"\s*(\d{1,18})\s+(\d{1,18})\s*")
_COMPRESSED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"\xfd7zXZ": "xz"}


@dataclass(frozen=True)
class VectorFile:
    """The requested contents of a file of word vectors.

    Attributes:
        form: the format of the file.
        size: the size of every vector.
        sha256: the hash of the whole file.
        vectors: the (size,) float32, finite vector of each requested word in the file; the first of duplicates.
        undecodable: the number of words in the file that are not UTF-8 (word2vec cuts long words within a character).
    """

    form: Form
    size: int
    sha256: str
    vectors: dict[str, NDArray[np.float32]]
    undecodable: int


def read_vectors(path: Path, words: Collection[str]) -> VectorFile:
    """Read the vectors of some words.

    Args:
        path: the file.
        words: the words whose vectors are kept.

    Raises:
        DataError: the file cannot be read, its format is unknown, it is too short or too long, a row has the wrong
            number of columns, or the vector of a requested word contains something other than finite numbers.
    """
    try:
        with path.open("rb", buffering=0) as raw:
            status = os.fstat(raw.fileno())
            length = status.st_size if stat.S_ISREG(status.st_mode) else None
            hashing = _Hashing(raw)
            file: io.BufferedReader = io.BufferedReader(hashing, _BUFFER)
            form, size, rows = _open(path, file, length)
            encoded = {word.encode(errors="surrogatepass"): word for word in words}
            vectors, undecodable = _collect(path, rows, encoded)
            return VectorFile(form, size, hashing.digest.hexdigest(), vectors, undecodable)
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}") from error


class _Hashing(io.RawIOBase):
    """A file that is hashed while it is read."""

    def __init__(self, raw: io.FileIO) -> None:
        self._raw = raw
        self.digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = self._raw.readinto(buffer) or 0
        self.digest.update(memoryview(buffer)[:count])
        return count


def _open(path: Path, file: io.BufferedReader, length: int | None) -> tuple[Form, int, Iterator[Row]]:
    """Detect the format from the start of the file; `length` is in bytes, None for a pipe."""
    first = file.readline(_LINE)
    for magic, program in _COMPRESSED.items():
        if first.startswith(magic):
            raise DataError(f"{path}: compressed file ({program}); decompress it first")
    header = _HEADER.fullmatch(first)
    if header is None:
        columns = first.removeprefix(b"\xef\xbb\xbf").split()
        if len(columns) < 2 or len(columns) > MAX_SIZE + 1 or not all(map(_is_number, columns[1:])):
            raise DataError(
                f"{path}: not a file of word vectors: line 1 is neither COUNT SIZE nor a word and its numbers"
            )
        size = len(columns) - 1
        rows = _text_rows(path, file, size, line=2)
        return "glove", size, itertools.chain([(columns[0], columns[1:])], rows)
    count, size = int(header[1]), int(header[2])
    binary = _is_binary(file.peek(_BUFFER), size)
    least = 4 * size + 2 if binary else 2 * size + 1  # bytes of the shortest possible row
    claim = f"{path}: its header claims {count:,} words of {size:,} numbers"
    if not 1 <= size <= MAX_SIZE:
        raise DataError(f"{claim}; a vector has 1 to {MAX_SIZE:,} numbers")
    if length is not None and count * least > length:
        raise DataError(f"{claim}, more than its {length:,} bytes can hold")
    if binary:
        return "word2vec-binary", size, _binary_rows(path, file, size, count)
    return "word2vec-text", size, _counted(path, _text_rows(path, file, size, line=2), count)


def _is_binary(start: bytes, size: int) -> bool:
    """Whether the bytes after a header are binary: not a row of text, and with a byte that is not printable ASCII."""
    row = start.partition(b" ")[2]
    columns = row.partition(b"\n")[0].split()
    if len(columns) >= size and all(map(_is_number, columns[-size:])):
        return False
    numbers = row[: 4 * size]  # including newlines: a byte of a float may look like one
    return not numbers or any(not 32 <= byte < 127 and byte not in b"\t\r\n" for byte in numbers)


def _text_rows(path: Path, file: BinaryIO, size: int, line: int) -> Iterator[Row]:
    for number in itertools.count(line):
        text = file.readline(_LINE)
        if not text:
            return
        if len(text) == _LINE:
            raise DataError(f"{path}: line {number} is longer than {_LINE:,} bytes: not a word and its numbers")
        columns = text.split()
        if not columns:
            continue
        end = len(columns) - size  # of the word; GloVe's may contain spaces, but not end in a number
        if end < 1 or (end > 1 and _is_number(columns[end - 1])):
            raise DataError(f"{path}: line {number} has {len(columns) - 1} numbers instead of {size}")
        yield b" ".join(columns[:end]), columns[end:]


def _counted(path: Path, rows: Iterator[Row], count: int) -> Iterator[Row]:
    found = 0
    for row in rows:
        found += 1
        yield row
    if found != count:
        raise DataError(f"{path}: its header claims {count:,} words, but it has {found:,}")


def _binary_rows(path: Path, file: BinaryIO, size: int, count: int) -> Iterator[Row]:
    width = 4 * size
    block, at = b"", 0
    for number in range(1, count + 1):
        while (space := block.find(b" ", at, at + _WORD)) < 0 or len(block) < space + 1 + width:
            if space < 0 and len(block) - at >= _WORD:
                raise DataError(f"{path}: word {number:,} of {count:,} does not end: the file is damaged")
            more = file.read(_BUFFER)
            if not more:
                raise DataError(f"{path}: the file is cut off at word {number:,} of {count:,}")
            block, at = block[at:] + more, 0
        yield block[at:space].lstrip(b"\n"), block[space + 1 : space + 1 + width]
        at = space + 1 + width
    if block[at:].strip() or file.read(_BUFFER).strip():
        raise DataError(f"{path}: has more than the {count:,} words that its header claims")


def _collect(path: Path, rows: Iterator[Row], words: dict[bytes, str]) -> tuple[dict[str, NDArray[np.float32]], int]:
    vectors: dict[str, NDArray[np.float32]] = {}
    undecodable = 0
    for name, numbers in rows:
        word = words.get(name)
        if word is None:
            undecodable += not (name.isascii() or _is_utf8(name))
        elif word not in vectors:
            vectors[word] = _vector(path, word, numbers)
    return vectors, undecodable


def _vector(path: Path, word: str, numbers: bytes | Sequence[bytes]) -> NDArray[np.float32]:
    if isinstance(numbers, bytes):
        vector = np.frombuffer(numbers, "<f4").astype(np.float32)
    else:
        try:
            with np.errstate(over="ignore"):  # numbers beyond float32 become infinite and are rejected below
                vector = np.array([float(number) for number in numbers]).astype(np.float32)
        except ValueError as error:
            raise DataError(f"{path}: the vector of {word!r} has something that is not a number") from error
    if not np.isfinite(vector).all():
        raise DataError(f"{path}: the vector of {word!r} has a number that is not finite")
    return vector


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
