"""Readers of caption files with an entry per line: Flickr token files and imagefolder's `metadata.jsonl`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vsa_cli.core.corpus.readers.caption_file import CaptionFile
from vsa_cli.core.corpus.records import relative_file
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.json import parse
from vsa_cli.core.io.text import is_text, text_lines

_FILE_NAMES = ("file_name", "image", "path", "filename", "filepath", "file", "image_path", "image_id")

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
        file = captions.locate(match["file"])
        record = captions.collector.add_image(file, file, where, split=captions.fallback_split(file))
        if record is not None:
            captions.collector.add_sentence(record, match["raw"], where, f"{file}#{match['number']}")


def read_imagefolder(captions: CaptionFile) -> None:
    """Read JSON Lines with an object per image or per sentence, such as imagefolder's `metadata.jsonl`.

    The photograph is named by `file_name`, `image`, `path` ... (see `file_of`), the sentences by `text`, `caption` or
    a list `captions`; `split` is optional. So what `vsa caption --format jsonl` writes, and BLIP's lists, can be read.
    File names are relative to the folder of the file where that is in the images' folder, or to the images' folder;
    an image's id is its path relative to the images' folder.

    Raises:
        DataError: the file cannot be read.
    """
    for where, line in _nonblank_lines(captions):
        _add_entry(captions, parse(line), where)


def read_list(captions: CaptionFile, document: object) -> None:
    """Read a JSON list of the objects that `read_imagefolder` reads from lines.

    Raises:
        DataError: the document is not a list.
    """
    if not isinstance(document, list):
        raise DataError(f"{captions.path}: not a list")
    for number, entry in enumerate(document):
        _add_entry(captions, entry, captions.where(f"[{number}]"))


def _add_entry(captions: CaptionFile, entry: object, where: str) -> None:
    name = file_of(entry) if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or name is None:
        captions.collector.report("malformed", where, "is not a JSON object with a file_name")
        return
    prefix = captions.folder_prefix(captions.path.parent) or ""
    file = captions.locate(name)
    if file == name and relative_file(name) is not None and not captions.has(name):
        file = prefix + name  # a photograph that is missing is missing beside its metadata
    split = entry.get("split") or captions.fallback_split(file)
    record = captions.collector.add_image(file, file, where, split=split)
    if record is not None:
        for raw in sentences_of(entry):
            if isinstance(raw, str) or not _is_nan(raw):
                captions.collector.add_sentence(record, raw, where)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and value != value


def file_of(entry: dict[str, object]) -> str | None:
    """The photograph that a JSON object names, under the usual names; None if it names none by its file."""
    for name in _FILE_NAMES:
        value = entry.get(name)
        if isinstance(value, str) and value.strip():
            return value
    return None


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
