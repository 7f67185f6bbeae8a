"""Reader of the captions to score.

It reads every format that `vsa caption` writes except HTML, COCO results of other programs, and other tables, JSON and
JSON Lines files of captions.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from vsa_cli.core.corpus.readers.entries import (
    BadEntry,
    Entry,
    files_of,
    ids_of,
    json_entries,
    json_line_entries,
    kind_of,
    sentences_of,
    table_entries,
    table_header,
    text_entries,
)
from vsa_cli.core.errors import MAX_NAME, DataError, one_line
from vsa_cli.core.evaluation.inputs import Input
from vsa_cli.core.evaluation.results import Note
from vsa_cli.core.io.json import is_text
from vsa_cli.core.io.text import lines_of

_DETECTION_LINES = 20
LONGEST_CAPTION = 10_000
"""Characters of a caption. A longer text is not a caption, and would take the scorers very long."""


@dataclass(frozen=True)
class Hypotheses:
    """Captions to score.

    Attributes:
        captions: the first caption of each image, by image id; ids are strings.
        notes: entries that were left out.
        files: the other names of each photograph that has several, by image id.
    """

    captions: dict[str, str]
    notes: list[Note]
    files: dict[str, tuple[str, ...]] = field(default_factory=dict)


def read_hypotheses(source: Input) -> Hypotheses:
    """Read captions: for each image, the first caption of the whole image, whatever its score.

    Raises:
        DataError: the file has no caption with an image id.
    """
    captions: dict[str, str] = {}
    files: dict[str, tuple[str, ...]] = {}
    left_out: dict[str, list[str]] = {kind: [] for kind in _NOTES}
    previous = None
    for entry in _entries(source):
        names = _names(entry.fields) if isinstance(entry, Entry) else ()
        caption = _caption(entry) if isinstance(entry, Entry) else 0
        if isinstance(entry, Entry) and names and caption is None:
            left_out["withheld" if entry.fields.get("withheld") else "failed"].append(names[0])
        elif not names or not _is_caption(caption):
            left_out["malformed"].append(entry.where)
        elif names[0] not in captions:
            captions[names[0]] = caption
            if len(names) > 1:
                files[names[0]] = names[1:]
        else:
            left_out["candidates" if names == previous and _is_ranked(entry) else "duplicate"].append(names[0])
        previous = names
    if not captions:
        bad = f" ({left_out['malformed'][0]} has none)" if left_out["malformed"] else ""
        raise DataError(
            f"{source.where}: no captions found{bad}; expected COCO results, JSON Lines, CSV, or lines of "
            "PATH<TAB>caption"
        )
    notes = [
        Note(
            f"{len(names)} {_NOTES[kind]}",
            tuple(dict.fromkeys(one_line(name, MAX_NAME) for name in names)),
            "info" if kind == "candidates" else "problem",
        )
        for kind, names in left_out.items()
        if names
    ]
    return Hypotheses(captions, notes, files)


_NOTES = {
    "malformed": "entries without an image id or a caption (left out)",
    "duplicate": "duplicate captions (only the first for each image is scored)",
    "candidates": "further candidates (only the first for each image is scored)",
    "failed": "images whose captioning failed (left out)",
    "withheld": "images whose captions were withheld (left out)",
}


def _entries(source: Input) -> Iterator[Entry | BadEntry]:
    lines = lines_of(source.text)
    kind = kind_of([line for line in lines if line.strip()][:_DETECTION_LINES])
    if kind == "json":
        try:
            yield from json_entries(json.loads(source.text))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{source.where}: not valid JSON ({one_line(str(error), MAX_NAME)})") from error
    elif kind == "json-lines":
        yield from json_line_entries(lines)
    elif (header := table_header(lines)) is not None:
        yield from table_entries(lines, header)
    else:
        yield from text_entries(lines)


def _names(fields: dict[str, Any]) -> tuple[str, ...]:
    """The names of an entry's photograph: first the `image_id`, by which COCO's results are matched."""
    ids = ids_of({"image_id": fields.get("image_id")})
    return tuple(dict.fromkeys((*ids, *files_of(fields), *ids_of(fields))))


def _caption(entry: Entry) -> object:
    """The caption, unchecked; None for an image that could not be captioned, 0 if there is none."""
    sentences = sentences_of(entry.fields)
    failed = any(entry.fields.get(name) for name in ("error", "withheld")) or entry.fields.get("caption", 0) is None
    if sentences and not (failed and sentences == [""]):
        return sentences[0]
    return None if failed else "" if entry.is_row else 0


def _is_ranked(entry: Entry | BadEntry) -> bool:
    """Whether an entry can be one of several candidates, which `vsa caption` writes on consecutive lines or rows."""
    return isinstance(entry, Entry) and entry.is_row and ("logprob" in entry.fields or len(entry.fields) == 2)


def _is_caption(value: object) -> TypeGuard[str]:
    return is_text(value) and len(value) <= LONGEST_CAPTION
