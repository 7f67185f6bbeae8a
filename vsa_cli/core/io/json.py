"""JSON from untrusted files, in bounded memory, and as `vsa` writes it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeGuard

from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.text import read_bytes

MAX_JSON_BYTES, MAX_JSON_VALUES = 512 * 1024**2, 2**24
"""Largest JSON document, in bytes and in values; a larger one is refused before it fills the memory.

COCO's captions (123,287 images) take a quarter of the bytes and two thirds of the values.
"""

_MAX_DEPTH = 16
"""Nested lists and objects in an envelope."""


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value read from JSON is a finite number that a float can represent."""
    if isinstance(value, float):
        return math.isfinite(value)
    return type(value) is int and abs(value) < 2**1023


def is_text(value: object) -> TypeGuard[str]:
    """Whether a value is a string that files and terminals can represent: no NUL and no lone surrogates."""
    if not isinstance(value, str) or "\0" in value:
        return False
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def is_plain(value: object, depth: int = 0) -> bool:
    """Whether a value read from JSON can be written as JSON again: no NaN, no infinity, bounded nesting."""
    if isinstance(value, float):
        return math.isfinite(value)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth < _MAX_DEPTH and all(is_plain(one, depth + 1) for one in inner)


def read_json(path: Path, of_object: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """Parse a JSON file, plain or gzipped, of at most `MAX_JSON_BYTES` and `MAX_JSON_VALUES`.

    Args:
        path: the file.
        of_object: what takes the place of each object as soon as it is parsed; None keeps the objects.

    Raises:
        DataError: missing, not a regular file, unreadable, too large, not text, not JSON, or nested too deeply.
    """
    try:
        if (size := path.stat().st_size) > MAX_JSON_BYTES:
            raise DataError(f"{path}: {size} bytes of JSON; the limit is {MAX_JSON_BYTES}")
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}") from error
    return parse_json(read_bytes(path, MAX_JSON_BYTES + 1), str(path), of_object)


def parse_json(data: bytes, where: str, of_object: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """Parse a JSON text, under the limits of `read_json`.

    Args:
        data: the text, in UTF-8, UTF-16 or UTF-32.
        where: its name, for messages.
        of_object: as for `read_json`.

    Raises:
        DataError: too large, not text, not JSON, or nested too deeply.
    """
    if len(data) > MAX_JSON_BYTES:
        raise DataError(f"{where}: more than {MAX_JSON_BYTES} bytes of JSON, which is the limit")
    # Separators are counted before parsing: a list of empty lists takes twenty times its text in memory.
    if len(data) > MAX_JSON_VALUES and sum(map(data.count, (b",", b":", b"[", b"{"))) > MAX_JSON_VALUES:
        raise DataError(f"{where}: more than {MAX_JSON_VALUES} values of JSON, which is the limit")
    try:
        return json.loads(data.decode(json.detect_encoding(data)), object_hook=of_object)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not valid JSON ({reason(error)})") from error


def parse(text: str | bytes) -> Any:
    """The value of a JSON text; None if it is not valid JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def dump_json(data: object, indent: int | None = None) -> str:
    """JSON text as `vsa` writes it: readable UTF-8, and no NaN, which is not JSON.

    Raises:
        ValueError: `data` contains NaN or infinity.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=indent)
    # File names that are not UTF-8 contain lone surrogates, which only JSON's escapes can represent.
    return text if text.isascii() or _encodes(text) else json.dumps(data, allow_nan=False, indent=indent)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
