r"""Reader of the captions to score: every format that `vsa caption` writes, and COCO results.

A file is a JSON list or JSON Lines of objects with `image_id` (or `path`) and `caption`; a JSON object that maps ids
to captions; CSV or TSV with these columns; or lines of `PATH<TAB>caption`, in whose paths backslashes, tabs and line
breaks are escaped (`\\`, `\t`, `\n`, `\r`).
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
from vsa_cli.core.evaluation.inputs import Input
from vsa_cli.core.evaluation.results import Note
from vsa_cli.core.io.json import parse
from vsa_cli.core.io.text import is_text

_ID_NAMES = ("image_id", "path", "file_name", "image", "id")
_ESCAPE = re.compile(r"\\([\\tnr])")
_ESCAPED = {"\\": "\\", "t": "\t", "n": "\n", "r": "\r"}
LONGEST_CAPTION = 10_000
"""Characters of a caption. A longer text is not a caption, and would take the scorers very long."""


@dataclass(frozen=True)
class Hypotheses:
    """Captions to score.

    Attributes:
        captions: caption by image id, which is text; the first caption of each image.
        notes: entries that were left out.
    """

    captions: dict[str, str]
    notes: list[Note]


def read_hypotheses(source: Input) -> Hypotheses:
    """Read captions.

    Raises:
        DataError: the file has no caption with an image id.
    """
    captions: dict[str, str] = {}
    left_out: dict[str, list[str]] = {"malformed": [], "duplicate": [], "failed": []}
    for where, image, caption in _entries(source):
        if not is_id(image) or not (caption is None or _is_caption(caption)):
            left_out["malformed"].append(where)
        elif caption is None:
            left_out["failed"].append(str(image))
        elif str(image) in captions:
            left_out["duplicate"].append(str(image))
        else:
            captions[str(image)] = caption
    if not captions:
        raise DataError(
            f"{source.where}: no captions found; expected COCO results, JSON Lines, CSV, or lines of PATH<TAB>caption"
        )
    messages = {
        "malformed": "entries without an image id or a caption (left out)",
        "duplicate": "duplicate captions (only the first of an image is scored)",
        "failed": "images whose captioning failed (left out)",
    }
    notes = [
        Note(f"{len(names)} {messages[kind]}", tuple(dict.fromkeys(one_line(name, MAX_NAME) for name in names)))
        for kind, names in left_out.items()
        if names
    ]
    return Hypotheses(captions, notes)


def _is_caption(value: object) -> bool:
    return is_text(value) and len(value) <= LONGEST_CAPTION


def _entries(source: Input) -> Iterator[tuple[str, Any, Any]]:
    """Each entry: its place in the file, its image and its caption, unchecked."""
    start = source.text.lstrip()
    if start.startswith("{") and isinstance(parse(start.partition("\n")[0]), dict) and "\n" in start.strip():
        yield from _json_lines(source)
    elif start.startswith(("{", "[")):
        yield from _json(source)
    elif (delimiter := _delimiter(start.partition("\n")[0])) is not None:
        yield from _rows(source, delimiter)
    else:
        yield from _text(source)


def _json_lines(source: Input) -> Iterator[tuple[str, Any, Any]]:
    for number, line in enumerate(source.text.split("\n"), start=1):
        if line.strip():
            yield (f"line {number}", *_image_and_caption(parse(line)))


def _json(source: Input) -> Iterator[tuple[str, Any, Any]]:
    try:
        content = json.loads(source.text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{source.where}: not valid JSON ({one_line(str(error), MAX_NAME)})") from error
    if isinstance(content, dict) and not any(name in content for name in _ID_NAMES):
        for image, caption in content.items():
            single = isinstance(caption, list) and len(caption) == 1
            yield f"entry {image!r}", image, caption[0] if single else caption
    else:
        for number, entry in enumerate(content if isinstance(content, list) else [content]):
            yield (f"entry {number}", *_image_and_caption(entry))


def _image_and_caption(entry: object) -> tuple[Any, Any]:
    if not isinstance(entry, dict):
        return None, None
    image = next((entry[name] for name in _ID_NAMES if entry.get(name) is not None), None)
    return image, entry.get("caption", 0)  # 0 is malformed, whereas null marks an image that could not be captioned


def _delimiter(header: str) -> str | None:
    """The delimiter of the columns, given the first line of a file; None if the file is not a table."""
    for delimiter in ",\t":
        columns = {name.strip(' "\r') for name in header.split(delimiter)}
        if "caption" in columns and columns & set(_ID_NAMES):
            return delimiter
    return None


def _rows(source: Input, delimiter: str) -> Iterator[tuple[str, Any, Any]]:
    reader = csv.DictReader(io.StringIO(source.text.lstrip(), newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        for row in reader:
            caption = row.get("caption")
            failed = not caption and bool(row.get("error"))
            checked = 0 if caption is None else caption  # None is a row without this column: malformed
            yield (f"line {reader.line_num}", *_image_and_caption({**row, "caption": None if failed else checked}))
    except csv.Error as error:
        raise DataError(f"{source.where}, line {reader.line_num + 1}: {one_line(str(error), MAX_NAME)}") from error


def _text(source: Input) -> Iterator[tuple[str, Any, Any]]:
    for number, line in enumerate(source.text.split("\n"), start=1):
        if line.strip():
            path, tab, caption = line.removesuffix("\r").partition("\t")
            image = _ESCAPE.sub(lambda match: _ESCAPED[match[1]], path)
            yield f"line {number}", image if tab else None, caption
