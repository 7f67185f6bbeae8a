"""JSON and JSON Lines from untrusted files, in bounded memory, and as `vsa` writes them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, TypeGuard

from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.files import check_regular_file

MAX_JSON_BYTES, MAX_JSON_VALUES = 512 * 1024**2, 2**24
"""A JSON document that is larger, or may hold more values, is refused before it fills the memory.

COCO's 123,287 images and their sentences are a quarter of the one and two thirds of the other.
"""


_DEEPEST = 16
"""Lists and objects within one another in an envelope."""


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value read from JSON is a finite number that a float can hold."""
    if isinstance(value, float):
        return math.isfinite(value)
    return type(value) is int and abs(value) < 2**1023


def is_plain(value: object, depth: int = 0) -> bool:
    """Whether a value read from JSON can be written as such again: no NaN, no infinity, no endless nesting."""
    if isinstance(value, float):
        return math.isfinite(value)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth < _DEEPEST and all(is_plain(one, depth + 1) for one in inner)


def read_json(path: Path) -> Any:
    """Parse a JSON file of at most `MAX_JSON_BYTES` and `MAX_JSON_VALUES`.

    Raises:
        DataError: missing, no file, unreadable, too large, not UTF-8, not JSON, or nested too deeply.
    """
    try:
        if (size := path.stat().st_size) > MAX_JSON_BYTES:
            raise DataError(f"{path}: {size} bytes of JSON; at most {MAX_JSON_BYTES} are read")
        check_regular_file(path)
        with path.open("rb") as file:
            data = file.read(MAX_JSON_BYTES + 1)
        return parse_json(data, str(path))
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}") from error


def parse_json(data: bytes, where: str) -> Any:
    """Parse a JSON text in UTF-8, as `read_json` does.

    Raises:
        DataError: too large, not UTF-8, not JSON, or nested too deeply; `where` is its name.
    """
    if len(data) > MAX_JSON_BYTES:
        raise DataError(f"{where}: more than {MAX_JSON_BYTES} bytes of JSON; at most those are read")
    # what separates values is counted first: a list of empty lists takes twenty times its text in memory
    if len(data) > MAX_JSON_VALUES and sum(map(data.count, (b",", b":", b"[", b"{"))) > MAX_JSON_VALUES:
        raise DataError(f"{where}: more than {MAX_JSON_VALUES} values of JSON; at most those are read")
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not valid JSON ({reason(error)})") from error


def dump_json(data: object, indent: int | None = None) -> str:
    """JSON text as `vsa` writes it: UTF-8 kept readable, no NaN (which is not JSON)."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=indent)
    # A file name that is not UTF-8 is held with lone surrogates, which only their escapes can carry.
    return text if text.isascii() or _encodes(text) else json.dumps(data, allow_nan=False, indent=indent)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


LONGEST_LINE = 64 * 1024**2
"""Bytes of a line; a longer one is not read into memory."""


class Readable(Protocol):
    """A file in bytes, packed or not."""

    def readline(self, size: int, /) -> bytes:
        """At most `size` bytes of the next line."""


def read_lines(file: Readable, where: str) -> Iterator[tuple[str, bytes]]:
    """Each line that is not blank, its end included, with its place ("FILE, line N").

    Args:
        file: at its beginning.
        where: its name, for messages.

    Raises:
        DataError: a line is too long.
        OSError: the file cannot be read.
    """
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise DataError(f"{where}, line {number}: longer than {LONGEST_LINE} bytes")
        if line.strip():
            yield f"{where}, line {number}", line


def parse(text: str | bytes) -> Any:
    """The value of a JSON text; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
