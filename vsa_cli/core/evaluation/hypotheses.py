r"""Reader of captions to score: everything that `vsa caption` writes, and any COCO results file.

A JSON list or JSON Lines of objects with `image_id` (or `path`) and `caption`; a JSON object from id to caption;
CSV or TSV whose first line names such columns; or lines `PATH<TAB>caption`, where a backslash escapes backslash,
tab (`\t`) and line ends (`\n`, `\r`) in paths.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vsa_cli.core.corpus.records import is_id
from vsa_cli.core.errors import MAX_NAME, DataError, one_line
from vsa_cli.core.evaluation.inputs import Document
from vsa_cli.core.evaluation.results import Note
from vsa_cli.core.io.json import parse
from vsa_cli.core.io.text import is_text

_ID_NAMES = ("image_id", "path", "file_name", "image", "id")
_ESCAPE = re.compile(r"\\([\\tnr])")
_ESCAPED = {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}
LONGEST_CAPTION = 10_000
"""Characters; a longer text is no caption, and would take scorers an age."""


@dataclass(frozen=True)
class Hypotheses:
    """Captions to score.

    Attributes:
        captions: image id, as text, to caption; the first where there are several.
        notes: what was counted.
    """

    captions: dict[str, str]
    notes: list[Note]


def read_hypotheses(document: Document) -> Hypotheses:
    """Read captions.

    Raises:
        DataError: there is no caption with an image in the file.
    """
    captions: dict[str, str] = {}
    odd: dict[str, list[str]] = {"malformed": [], "duplicate": [], "failed": []}
    for where, image, caption in _entries(document):
        if not is_id(image) or not (caption is None or _is_caption(caption)):
            odd["malformed"].append(where)
        elif caption is None:
            odd["failed"].append(str(image))
        elif str(image) in captions:
            odd["duplicate"].append(str(image))
        else:
            captions[str(image)] = caption
    if not captions:
        raise DataError(
            f"{document.where}: no captions with their images (COCO results, JSON Lines, CSV, PATH<TAB>caption)"
        )
    told = {
        "malformed": "entries are no caption with its image: left out",
        "duplicate": "further captions for images that have one already: the first is scored",
        "failed": "images whose captioning failed: left out",
    }
    notes = [
        Note(f"{len(names)} {told[kind]}", tuple(dict.fromkeys(one_line(name, MAX_NAME) for name in names)))
        for kind, names in odd.items()
        if names
    ]
    return Hypotheses(captions, notes)


def _is_caption(value: object) -> bool:
    return is_text(value) and len(value) <= LONGEST_CAPTION


def _entries(document: Document) -> Iterator[tuple[str, Any, Any]]:
    """Place, image and caption of each entry, as the file has them."""
    start = document.text.lstrip()
    if start.startswith("{") and isinstance(parse(start.partition("\n")[0]), dict) and "\n" in start.strip():
        yield from _json_lines(document)
    elif start.startswith(("{", "[")):
        yield from _json(document)
    elif (delimiter := _table(start.partition("\n")[0])) is not None:
        yield from _rows(document, delimiter)
    else:
        yield from _text(document)


def _json_lines(document: Document) -> Iterator[tuple[str, Any, Any]]:
    for number, line in enumerate(document.text.split("\n"), start=1):
        if line.strip():
            yield (f"line {number}", *_take(parse(line)))


def _json(document: Document) -> Iterator[tuple[str, Any, Any]]:
    try:
        content = json.loads(document.text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{document.where}: not valid JSON ({one_line(str(error), MAX_NAME)})") from error
    if isinstance(content, dict) and not any(name in content for name in _ID_NAMES):
        for image, caption in content.items():
            single = isinstance(caption, list) and len(caption) == 1
            yield f"entry {image!r}", image, caption[0] if single else caption
    else:
        for number, entry in enumerate(content if isinstance(content, list) else [content]):
            yield (f"entry {number}", *_take(entry))


def _take(entry: object) -> tuple[Any, Any]:
    if not isinstance(entry, dict):
        return None, None
    image = next((entry[name] for name in _ID_NAMES if entry.get(name) is not None), None)
    caption = entry.get("caption", 0)  # not a caption, unlike null, which marks a photograph that failed
    return image, caption


def _table(header: str) -> str | None:
    """What separates the columns of a table's first line; None where it is none."""
    for delimiter in ",\t":
        columns = {name.strip(' "\r') for name in header.split(delimiter)}
        if "caption" in columns and columns & set(_ID_NAMES):
            return delimiter
    return None


def _rows(document: Document, delimiter: str) -> Iterator[tuple[str, Any, Any]]:
    reader = csv.DictReader(io.StringIO(document.text.lstrip(), newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        for row in reader:
            said = row.get("caption")
            failed = not said and bool(row.get("error"))
            absent = 0 if said is None else said  # a row cut short is no caption
            yield (f"line {reader.line_num}", *_take({**row, "caption": None if failed else absent}))
    except csv.Error as error:
        raise DataError(f"{document.where}, line {reader.line_num + 1}: {one_line(str(error), MAX_NAME)}") from error


def _text(document: Document) -> Iterator[tuple[str, Any, Any]]:
    for number, line in enumerate(document.text.split("\n"), start=1):
        if line.strip():
            path, tab, caption = line.removesuffix("\r").partition("\t")
            image = _ESCAPE.sub(lambda match: _ESCAPED[match[1]], path)
            yield f"line {number}", image if tab else None, caption
