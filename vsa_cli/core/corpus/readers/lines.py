"""Readers of caption files with an entry per line: Flickr token files and imagefolder's `metadata.jsonl`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from vsa_cli.core.corpus.readers.caption_file import CaptionFile
from vsa_cli.core.corpus.records import relative_file
from vsa_cli.core.io.text import is_text, text_lines

FLICKR_LINE = re.compile(r"(?P<file>[^\t]+)#(?P<number>\d+)\t(?P<raw>.*)")
"""`NAME.jpg#K<TAB>sentence`: sentence K of a photograph."""


def read_flickr(captions: CaptionFile) -> None:
    """Read a Flickr8k or Flickr30k token file; an image's id is its file name.

    Raises:
        DataError: the file cannot be read.
    """
    for where, line in _nonblank_lines(captions):
        match = FLICKR_LINE.fullmatch(line)
        if match is None:
            captions.collector.report("malformed", where, "is not NAME#NUMBER, a tab and a sentence")
            continue
        file = match["file"]
        record = captions.collector.add_image(file, file, where, split=captions.fallback_split(file))
        if record is not None:
            captions.collector.add_sentence(record, match["raw"], where, f"{file}#{match['number']}")


def read_imagefolder(captions: CaptionFile) -> None:
    """Read a `metadata.jsonl`: `file_name`; `text`, `caption` or a list `captions`; optionally `split`.

    File names are relative to the folder of the file; an image's id is its path relative to the images' folder.

    Raises:
        DataError: the file cannot be read.
    """
    prefix = captions.folder_prefix(captions.path.parent) or ""
    for where, line in _nonblank_lines(captions):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict) or not isinstance(entry.get("file_name"), str):
            captions.collector.report("malformed", where, "is not a JSON object with a file_name")
            continue
        file = prefix + entry["file_name"]
        # The prefix must not turn an absolute path into a relative one.
        if relative_file(entry["file_name"]) is None:
            file = entry["file_name"]
        split = entry.get("split") or captions.fallback_split(file)
        record = captions.collector.add_image(file, file, where, split=split)
        if record is not None:
            for raw in sentences_of(entry):
                captions.collector.add_sentence(record, raw, where)


def sentences_of(entry: dict[str, object]) -> list[object]:
    """The sentences in a JSON object about a photograph, under the usual names; not checked to be text."""
    for name in ("captions", "text", "caption", "sentence"):
        value = entry.get(name)
        if value is not None:
            return value if isinstance(value, list) else [value]
    return []


def _nonblank_lines(captions: CaptionFile) -> Iterator[tuple[str, str]]:
    """Lines that are not blank, with their place; invalid text is reported."""
    for number, line in enumerate(text_lines(captions.path), start=1):
        where = captions.where(f"line {number}")
        if not is_text(line):
            captions.collector.report("malformed", where, "is not UTF-8 text")
        elif line.strip():
            yield where, line
