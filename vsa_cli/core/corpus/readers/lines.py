"""Readers of caption files with one entry a line: Flickr's token files and imagefolder's `metadata.jsonl`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from vsa_cli.core.corpus.readers.source import Source, read_lines
from vsa_cli.core.corpus.records import is_text, relative_file

FLICKR_LINE = re.compile(r"(?P<file>[^\t]+)#(?P<number>\d+)\t(?P<raw>.*)")
"""`NAME.jpg#K<TAB>sentence`: the K-th sentence of a photograph."""


def read_flickr(source: Source) -> None:
    """Read a Flickr8k or Flickr30k token file; an image's id is its file name.

    Raises:
        DataError: the file cannot be read.
    """
    for where, line in _text_lines(source):
        match = FLICKR_LINE.fullmatch(line)
        if match is None:
            source.gathering.complain("malformed", where, "is not NAME#NUMBER, a tab and a sentence")
            continue
        file = match["file"]
        record = source.gathering.add_image(file, file, where, split=source.fallback_split(file))
        if record is not None:
            source.gathering.add_sentence(record, match["raw"], where, f"{file}#{match['number']}")


def read_imagefolder(source: Source) -> None:
    """Read a `metadata.jsonl`: `file_name`, beside `text`, `caption` or a list `captions`, maybe `split`.

    File names are relative to the file's own folder; an image's id is its path below the images' folder.

    Raises:
        DataError: the file cannot be read.
    """
    prefix = source.place_of(source.path.parent) or ""
    for where, line in _text_lines(source):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict) or not isinstance(entry.get("file_name"), str):
            source.gathering.complain("malformed", where, "is not a JSON object with a file_name")
            continue
        file = prefix + entry["file_name"]
        # The prefix must not turn an absolute path into a harmless one.
        if relative_file(entry["file_name"]) is None:
            file = entry["file_name"]
        split = entry.get("split") or source.fallback_split(file)
        record = source.gathering.add_image(file, file, where, split=split)
        if record is not None:
            for raw in sentences_of(entry):
                source.gathering.add_sentence(record, raw, where)


def sentences_of(entry: dict[str, object]) -> list[object]:
    """What a JSON object about a photograph says of it: one sentence or a list, under the names in use."""
    for name in ("captions", "text", "caption", "sentence"):
        value = entry.get(name)
        if value is not None:
            return value if isinstance(value, list) else [value]
    return []


def _text_lines(source: Source) -> Iterator[tuple[str, str]]:
    """Lines that hold something, with their place; those that are not text are complained about."""
    for number, line in enumerate(read_lines(source.path), start=1):
        where = source.where(f"line {number}")
        if not is_text(line):
            source.gathering.complain("malformed", where, "is not UTF-8 text")
        elif line.strip():
            yield where, line
