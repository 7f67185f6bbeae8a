r"""Entries about photographs, the same for every file that has one per row, line or JSON object.

Such a file is a table, JSON Lines, a JSON list, a JSON object that maps names to sentences, or lines of
`PATH<TAB>sentence`, in whose paths backslashes, tabs and line breaks are escaped (`\\`, `\t`, `\n`, `\r`). An entry
names its photograph and gives sentences under one of the usual names, which are listed only in this module. Every
format that `vsa caption` writes except HTML can be read; its rows and lines about regions are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from vsa_cli.core.corpus.photo_names import id_text
from vsa_cli.core.corpus.records import as_id, is_id
from vsa_cli.core.io.image_formats import is_picture_name
from vsa_cli.core.io.json import is_text, parse
from vsa_cli.core.io.table import BadRow, Header, column_name, find_header, is_empty, read_rows

FILE_NAMES = (
    "file_name", "filename", "filepath", "file_path", "image", "image_path", "image_name", "image_file", "img",
    "img_path", "photo", "file", "path",
)  # fmt: skip
SENTENCE_NAMES = ("caption", "text", "title", "sentence", "comment", "description", "raw")
NEEDED_COLUMNS = (
    f"the first row of a table must name an image column ({', '.join(FILE_NAMES)}) and a sentence column "
    f"({', '.join(SENTENCE_NAMES)})"
)
_LISTS = ("references", "captions", "candidates", "sentences")
_NUMBERED = {name: re.compile(rf"{name}(s?[ _.-]?\d+)?") for name in (*_LISTS, *SENTENCE_NAMES)}
"""One name of a kind, or several with numbers: `caption`, or `caption_0` to `caption_4`."""
_SIDES = ("x1", "y1", "x2", "y2")
_REGION = re.compile(r"\t([-+.\de]+,){3}[-+.\de]+\Z")
_ESCAPE = re.compile(r"\\([\\tnr])")
_PYTHON_TEXT = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_PYTHON_LIST = re.compile(rf"\[\s*(?:(?:{_PYTHON_TEXT.pattern})\s*(?:,\s*)?)+\]")
_ESCAPE_IN_PYTHON = re.compile(r"\\(['\"\\])")
_ESCAPED = {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}

FileKind = Literal["json", "json-lines", "table", "text"]


@dataclass(frozen=True)
class Entry:
    """A photograph and its sentences in a file, or one of its sentences.

    Attributes:
        where: the row, line or element of the file.
        fields: values by name; a table's are text, JSON's unchecked.
        is_row: whether consecutive rows or lines may describe the same photograph.
    """

    where: str
    fields: dict[str, Any]
    is_row: bool = False


@dataclass(frozen=True)
class BadEntry:
    """A row, line or element that cannot be read, and why."""

    where: str
    reason: str


def files_of(fields: dict[str, Any]) -> list[str]:
    """The files that an entry names, in order of preference."""
    values = (fields.get(name) for name in FILE_NAMES)
    return list(dict.fromkeys(value for value in values if isinstance(value, str) and value.strip()))


def ids_of(fields: dict[str, Any]) -> list[str]:
    """The ids that an entry gives as `image_id` and `id`, as text."""
    values = (as_id(fields.get(name)) for name in ("image_id", "id"))
    return list(dict.fromkeys(id_text(value) for value in values if is_id(value)))


def names_photo(fields: dict[str, Any]) -> bool:
    """Whether an entry names a photograph."""
    return bool(files_of(fields) or ids_of(fields))


def sentences_of(fields: dict[str, Any]) -> list[object]:
    """The sentences of an entry, not checked to be text; without missing values such as null and `nan`."""
    for keys in _sentence_names(tuple(fields)):
        values = [value for key in keys for value in _as_list(fields[key])]
        sentences = [value for value in map(_text, values) if not _is_missing(value)]
        if sentences:
            return sentences
    return []


def has_sentences(names: Iterable[str]) -> bool:
    """Whether there is a name for sentences among the names of columns or values."""
    kept = list(names)
    return any(_of_kind(name, kept) for name in _NUMBERED)


@lru_cache(maxsize=64)  # the rows of a table have few different sets of names
def _sentence_names(names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The names of values that are sentences, by their kind, in order of preference."""
    return tuple(tuple(_of_kind(name, names)) for name in _NUMBERED)


def _of_kind(name: str, names: Iterable[str]) -> list[str]:
    return [one for one in names if one.startswith(name) and _NUMBERED[name].fullmatch(one)]


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):  # a list in a cell of a table
        found = _parse_list(value)
        return [value] if found is None else found
    return value if isinstance(value, list) else [value]


def _parse_list(text: str) -> list[Any] | None:
    """The texts of a list as JSON, Python or numpy writes it; None if it is not one."""
    found = parse(text)
    if found is None and _PYTHON_LIST.fullmatch(text):
        found = [_ESCAPE_IN_PYTHON.sub(r"\1", one[1:-1]) for one in _PYTHON_TEXT.findall(text)]
    return found if isinstance(found, list) and found and all(isinstance(one, str) for one in found) else None


def _text(value: Any) -> object:
    """The text of a sentence that is an object: a candidate of `vsa caption`, a sentence in Karpathy's format."""
    if isinstance(value, dict):
        return next((value[name] for name in ("caption", "raw", "text") if name in value), value)
    return value


def _is_missing(value: object) -> bool:
    nan = isinstance(value, float) and value != value
    return value is None or nan or (isinstance(value, str) and value.strip() != "" and is_empty(value))


def kind_of(lines: Sequence[str]) -> FileKind | None:
    """The kind of a file of entries; None if the lines are none of them.

    Args:
        lines: the first lines of the file.
    """
    full = [line for line in lines if line.strip()]
    first = full[0].strip() if full else ""
    if first.startswith("["):
        return "json"
    if first.startswith("{"):
        head = parse(first)
        if isinstance(head, dict):
            return "json-lines" if len(full) > 1 or names_photo(fields_of(head)) else "json"
        goes_on = first[-1] in "{[,"  # a JSON document over several lines
        return "json-lines" if not goes_on and any(isinstance(parse(line), dict) for line in full) else "json"
    if table_header(lines) is not None:
        return "table"
    return "text" if any("\t" in line for line in full) else None


def is_text_of_photos(lines: Sequence[str]) -> bool:
    """Whether lines of `PATH<TAB>sentence` start with names of photographs."""
    return any(is_picture_name(line.partition("\t")[0].strip()) for line in lines if "\t" in line)


def table_header(lines: Sequence[str]) -> Header | None:
    """The header of a table with a column that names photographs and one with sentences."""
    return find_header(lines, lambda names: _names_column(names) and has_sentences(names))


def _names_column(names: Sequence[str]) -> bool:
    return any(name in names for name in (*FILE_NAMES, "image_id", "id"))


def table_entries(lines: Sequence[str], header: Header) -> Iterator[Entry | BadEntry]:
    """The entries of a table; rows about regions are left out."""
    for row in read_rows(lines, header):
        if isinstance(row, BadRow):
            yield BadEntry(f"line {row.line}", row.reason)
        elif not any(side in row.cells for side in _SIDES):
            yield Entry(f"line {row.line}", dict(row.cells), is_row=True)


def json_line_entries(lines: Sequence[str]) -> Iterator[Entry | BadEntry]:
    """The entries of JSON Lines."""
    for number, line in enumerate(lines, start=1):
        if not is_text(line):
            yield BadEntry(f"line {number}", "is not UTF-8 text")
        elif line.strip():
            yield _entry(f"line {number}", parse(line))


def json_entries(document: object) -> Iterator[Entry | BadEntry]:
    """The entries of a JSON list, of COCO's annotations, or of an object that maps names to sentences."""
    if isinstance(document, dict) and isinstance(document.get("annotations"), list):
        for number, value in enumerate(document["annotations"]):
            annotation = {key: one for key, one in value.items() if key != "id"} if isinstance(value, dict) else value
            yield _entry(f"annotations[{number}]", annotation)
    elif isinstance(document, dict) and not names_photo(fields_of(document)):
        for name, sentences in document.items():
            yield Entry(f"entry {name!r}", {"image_id": name, "captions": sentences})
    else:
        for number, value in enumerate(_as_list(document)):
            yield _entry(f"[{number}]", value)


def text_entries(lines: Sequence[str]) -> Iterator[Entry | BadEntry]:
    """The entries of lines of `PATH<TAB>sentence`; lines about regions, which end in a box, are left out."""
    for number, line in enumerate(lines, start=1):
        path, tab, sentence = line.partition("\t")
        if not line.strip() or _REGION.search(sentence):
            continue
        if not is_text(line):
            yield BadEntry(f"line {number}", "is not UTF-8 text")
        elif not tab:
            yield BadEntry(f"line {number}", "is not a path, a tab and a sentence")
        else:
            image = _ESCAPE.sub(lambda match: _ESCAPED[match[1]], path)
            yield Entry(f"line {number}", {"image_id": image, "caption": sentence}, is_row=True)


def sentence_entries(lines: Sequence[str], name: str) -> Iterator[Entry | BadEntry]:
    """The entries of lines that are a sentence each, without a photograph: the id is the file's name and the line."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if not is_text(line):
            yield BadEntry(f"line {number}", "is not UTF-8 text")
        else:
            yield Entry(f"line {number}", {"image_id": f"{name}:{number}", "caption": line.strip()})


def _entry(where: str, value: object) -> Entry | BadEntry:
    if not isinstance(value, dict):
        return BadEntry(where, "is not a JSON object")
    return Entry(where, fields_of(value))


def fields_of(entry: dict[str, Any]) -> dict[str, Any]:
    """The values of a JSON object, under names in one spelling; NaN, which Python writes, is null."""
    named = {column_name(name): value for name, value in entry.items()}
    return {name: None if isinstance(value, float) and value != value else value for name, value in named.items()}
