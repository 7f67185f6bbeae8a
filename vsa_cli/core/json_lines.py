"""JSON Lines of unknown making: read a line at a time, none longer than is believed, none trusted to be JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Protocol

from vsa_cli.core.errors import DataError

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
