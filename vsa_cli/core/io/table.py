"""Tables with a header row: CSV, TSV, and files with `;` or `|` between cells. A bad row excludes only itself."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vsa_cli.core.io.json import is_text

DELIMITERS = (",", "\t", ";", "|")
_MAX_CELL = 131_072
_EXCEL_HINT = re.compile(r"sep=.", re.I)
"""The first line of a table for Excel, before its header."""
_EMPTY = frozenset({"", "nan", "none", "null", "<na>", "n/a", "#n/a"})


@dataclass(frozen=True)
class Header:
    """The layout of a table.

    Attributes:
        delimiter: the character between cells.
        names: the names of the columns, as `column_name` returns them; repeated ones are numbered after the first.
        line: the index of the header among the lines.
    """

    delimiter: str
    names: tuple[str, ...]
    line: int = 0


@dataclass(frozen=True)
class Row:
    """The cells of a row that are not empty, by the names of their columns, and the number of its line, from 1."""

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read, and why."""

    line: int
    reason: str


def column_name(name: str) -> str:
    """A name of a column or of a JSON value in one spelling: `File Name`, `file-name`, `fileName` are `file_name`."""
    return re.sub(r"[\s-]+|(?<=[a-z])(?=[A-Z])", "_", name.strip()).lower()


def is_empty(text: str) -> bool:
    """Whether a cell is empty: blank, or what pandas, Python and SQL write for a missing value."""
    return text.strip().lower() in _EMPTY


def find_header(lines: Sequence[str], fits: Callable[[Sequence[str]], bool]) -> Header | None:
    """The header in the first line that is not blank, under the first delimiter for which it fits; None if none does.

    It may start with `#`, and lines that do may stand above it.

    Args:
        lines: the lines of the file, or the first of them.
        fits: whether columns of these names are those of the wanted table.
    """
    for number, line in enumerate(lines):
        if line.strip() and not _EXCEL_HINT.fullmatch(line):
            for delimiter in DELIMITERS:
                names = _distinct([column_name(cell) for cell in _cells(line.lstrip("# "), delimiter) or ()])
                if fits(names):
                    return Header(delimiter, names, number)
            if not line.startswith("#"):
                return None
    return None


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Names in which repeated ones get a number, as pandas gives them: `caption`, `caption.1`."""
    return tuple(
        f"{name}.{earlier}" if (earlier := names[:place].count(name)) else name for place, name in enumerate(names)
    )


def read_rows(lines: Sequence[str], header: Header) -> Iterator[Row | BadRow]:
    """The rows below a header that are not blank."""
    width = len(header.names)
    for line, cells in _parse(lines, header):
        if cells is None:
            yield BadRow(line, "is not a valid row: an open quote, a stray line end, or too long")
            continue
        while len(cells) > width and not cells[-1].strip():
            cells.pop()
        if not all(map(is_text, cells)):
            yield BadRow(line, "is not UTF-8 text")
        elif len(cells) != width:
            yield BadRow(line, f"has {len(cells)} cells; the header has {width}")
        else:
            named = zip(header.names, cells, strict=True)
            yield Row(line, {name: cell.strip() for name, cell in named if not is_empty(cell)})


def _parse(lines: Sequence[str], header: Header) -> Iterator[tuple[int, list[str] | None]]:
    """The rows with the number of their first line; None for a row that cannot be parsed.

    Reading resumes at the second line of such a row, so that an open quote excludes only its own line.
    """
    first = header.line + 1
    while first < len(lines):
        reader = _reader((lines[number] + "\n" for number in range(first, len(lines))), header.delimiter)
        start = first
        try:
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield first + 1, row
                first = start + reader.line_num
        except csv.Error:
            yield first + 1, _cells(lines[first], header.delimiter)
            first += 1


def _cells(line: str, delimiter: str) -> list[str] | None:
    """The cells of one line; None if a quote is left open. Quotes inside a cell (`a "stop" sign`) are accepted."""
    if len(line) > _MAX_CELL or (line.count('"') % 2 and delimiter != "|"):
        return None
    try:
        return next(_reader([line], delimiter, strict=False), [])
    except csv.Error:
        return None


def _reader(lines: Iterable[str], delimiter: str, *, strict: bool = True) -> Any:
    # Files with `|` (Flickr30k's results.csv) do not use quotes. A NUL stops the csv module of Python 3.10: it is
    # replaced by a lone surrogate, which is reported later like any other invalid text.
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "|" else csv.QUOTE_MINIMAL
    clean = (line.replace("\0", "\udc00") for line in lines)
    return csv.reader(clean, delimiter=delimiter, quoting=quoting, strict=strict, skipinitialspace=True)
