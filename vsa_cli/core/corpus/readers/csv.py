"""Reader of tables: CSV and TSV with a header row, as used by Kaggle, open_clip and Hugging Face."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from vsa_cli.core.corpus.readers.caption_file import CaptionFile
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.text import is_text, text_lines

IMAGE_COLUMNS = ("image", "file_name", "filename", "filepath", "file", "path", "image_path", "image_name")
SENTENCE_COLUMNS = ("caption", "text", "title", "sentence", "comment")
_SPLIT_COLUMN = "split"
_DELIMITERS = (",", "\t", ";", "|")
_MAX_CELL = 131_072
_NUMBERED = re.compile(rf"({'|'.join(SENTENCE_COLUMNS)})s?[ _-]?\d+")
_EMPTY = frozenset({"", "nan"})
"""Cells without a sentence, in lower case; pandas writes `nan` for an empty one."""


@dataclass(frozen=True)
class Header:
    """The layout of a table.

    Attributes:
        delimiter: the character between cells.
        width: the number of cells in a row.
        image: the index of the column with the photograph's path.
        sentences: the indices of the columns with sentences, such as `caption` or `caption_0` to `caption_4`.
        split: the index of the column with the split; None if there is none.
    """

    delimiter: str
    width: int
    image: int
    sentences: tuple[int, ...]
    split: int | None


def find_header(line: str) -> Header | None:
    """The layout under the first delimiter that gives an image column and a sentence column; None if none does."""
    for delimiter in _DELIMITERS:
        names = [name.strip().lower() for name in _cells(line, delimiter) or ()]
        image = next((names.index(name) for name in IMAGE_COLUMNS if name in names), None)
        sentences = _sentence_columns(names)
        if image is not None and sentences:
            split = names.index(_SPLIT_COLUMN) if _SPLIT_COLUMN in names else None
            return Header(delimiter, len(names), image, sentences, split)
    return None


def _sentence_columns(names: list[str]) -> tuple[int, ...]:
    single = next((names.index(name) for name in SENTENCE_COLUMNS if name in names), None)
    if single is not None:
        return (single,)
    return tuple(place for place, name in enumerate(names) if _NUMBERED.fullmatch(name))


def read_csv(captions: CaptionFile) -> None:
    """Read a table with one or several sentences per row; an image's id is its path.

    File names are relative to the folder of the table where that is in the images' folder, or to the images' folder.

    Raises:
        DataError: unreadable, or no header row with an image column and a sentence column.
    """
    lines = text_lines(captions.path)
    header = find_header(lines[0])
    if header is None:
        images, sentences = ", ".join(IMAGE_COLUMNS), ", ".join(SENTENCE_COLUMNS)
        wanted = f"an image column ({images}) and a sentence column ({sentences})"
        raise DataError(f"{captions.path}: the first row must name {wanted}")
    for number, cells in _rows(lines, header.delimiter):
        where = captions.where(f"line {number}")
        if cells is None:
            captions.collector.report(
                "malformed", where, "is not a valid row: an open quote, a stray line end, or too long"
            )
        elif not all(map(is_text, cells)):
            captions.collector.report("malformed", where, "is not UTF-8 text")
        elif len(cells) != header.width:
            captions.collector.report("malformed", where, f"has {len(cells)} cells; the header has {header.width}")
        else:
            _add_row(captions, header, cells, where)


def _add_row(captions: CaptionFile, header: Header, cells: list[str], where: str) -> None:
    file = captions.locate(cells[header.image].strip())
    split = cells[header.split].strip() if header.split is not None else ""
    record = captions.collector.add_image(file, file, where, split=split or captions.fallback_split(file))
    for column in header.sentences:
        sentence = cells[column].strip()
        if record is not None and sentence.lower() not in _EMPTY:
            captions.collector.add_sentence(record, sentence, where)


def _rows(lines: list[str], delimiter: str) -> Iterator[tuple[int, list[str] | None]]:
    """The rows below the header with the number of their first line; None for a row that cannot be parsed.

    Reading resumes at the second line of such a row, so that an open quote excludes only its own line.
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
    return csv.reader(clean, delimiter=delimiter, quoting=quoting, strict=strict)
