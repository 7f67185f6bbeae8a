"""Reader of tables: CSV and TSV with a header row, as Kaggle, open_clip and Hugging Face write them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from vsa_cli.core.corpus.readers.source import Source, read_lines
from vsa_cli.core.corpus.records import is_text
from vsa_cli.core.errors import DataError

IMAGE_COLUMNS = ("image", "file_name", "filename", "filepath", "file", "path", "image_path", "image_name")
SENTENCE_COLUMNS = ("caption", "text", "title", "sentence", "comment")
_SPLIT_COLUMN = "split"
_DELIMITERS = (",", "\t", ";", "|")
_LONGEST_CELL = 131_072


@dataclass(frozen=True)
class Header:
    """Where the columns are.

    Attributes:
        delimiter: what stands between cells.
        width: cells of a row.
        image: the column of the photograph's path.
        sentence: the column of the sentence.
        split: the column of the split, if there is one.
    """

    delimiter: str
    width: int
    image: int
    sentence: int
    split: int | None


def find_header(line: str) -> Header | None:
    """The first delimiter under which a header row has a column for images and one for sentences."""
    for delimiter in _DELIMITERS:
        names = [name.strip().lower() for name in _cells(line, delimiter) or ()]
        image = next((names.index(name) for name in IMAGE_COLUMNS if name in names), None)
        sentence = next((names.index(name) for name in SENTENCE_COLUMNS if name in names), None)
        if image is not None and sentence is not None:
            split = names.index(_SPLIT_COLUMN) if _SPLIT_COLUMN in names else None
            return Header(delimiter, len(names), image, sentence, split)
    return None


def read_csv(source: Source) -> None:
    """Read a table; an image's id is its path as written, and rows of one image are joined.

    Raises:
        DataError: unreadable, or no header row with an image column and a sentence column.
    """
    lines = read_lines(source.path)
    header = find_header(lines[0])
    if header is None:
        images, sentences = ", ".join(IMAGE_COLUMNS), ", ".join(SENTENCE_COLUMNS)
        wanted = f"an image column ({images}) and a sentence column ({sentences})"
        raise DataError(f"{source.path}: the first row must name {wanted}")
    for number, cells in _rows(lines, header.delimiter):
        where = source.where(f"line {number}")
        if cells is None:
            source.gathering.complain("malformed", where, "is no row: an open quote, a stray line end, or too long")
        elif not all(map(is_text, cells)):
            source.gathering.complain("malformed", where, "is not UTF-8 text")
        elif len(cells) != header.width:
            source.gathering.complain("malformed", where, f"has {len(cells)} cells; the header has {header.width}")
        else:
            _add_row(source, header, cells, where)


def _add_row(source: Source, header: Header, cells: list[str], where: str) -> None:
    file = cells[header.image].strip()
    own = cells[header.split].strip() if header.split is not None else ""
    record = source.gathering.add_image(file, file, where, split=own or source.fallback_split(file))
    sentence = cells[header.sentence].strip()
    if record is not None and sentence:
        source.gathering.add_sentence(record, sentence, where)


def _rows(lines: list[str], delimiter: str) -> Iterator[tuple[int, list[str] | None]]:
    """Rows below the header with their first line's number; None for one that cannot be parsed.

    After a row that fails, reading goes on at the line below its first: an open quote costs its own line only.
    """
    first = 1
    while first < len(lines):
        reader = _reader((lines[number] + "\n" for number in range(first, len(lines))), delimiter)
        start = first
        try:
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield first + 1, row
                first = start + reader.line_num
        except csv.Error:
            yield first + 1, _cells(lines[first], delimiter)
            first += 1


def _cells(line: str, delimiter: str) -> list[str] | None:
    """One line's cells; quotes inside a cell may be sloppy (`"Hi" she said`), but not left open."""
    if len(line) > _LONGEST_CELL or (line.count('"') % 2 and delimiter != "|"):
        return None
    try:
        return next(_reader([line], delimiter, strict=False), [])
    except csv.Error:
        return None


def _reader(lines: Iterable[str], delimiter: str, *, strict: bool = True) -> Any:
    # `|` files (Flickr30k's results.csv) do not quote. A NUL stops the csv module of Python 3.10: pass it on as
    # a half character, which is refused later like other bytes that are no text.
    quoting: Literal[0, 3] = csv.QUOTE_NONE if delimiter == "|" else csv.QUOTE_MINIMAL
    clean = (line.replace("\0", "\udc00") for line in lines)
    return csv.reader(clean, delimiter=delimiter, quoting=quoting, strict=strict)
