"""Readers of files with one entry per line, row or object: Flickr token files, and the files described in `entries`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vsa_cli.core.corpus.readers.caption_file import CaptionFile
from vsa_cli.core.corpus.readers.entries import (
    NEEDED_COLUMNS,
    BadEntry,
    Entry,
    files_of,
    ids_of,
    json_entries,
    json_line_entries,
    sentence_entries,
    sentences_of,
    table_entries,
    table_header,
    text_entries,
)
from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.core.io.json import is_text
from vsa_cli.core.io.text import text_lines

FLICKR_LINE = re.compile(r"(?P<file>[^\t]+)#(?P<number>\d+)\t(?P<raw>.*)")
"""`NAME.jpg#K<TAB>sentence`: sentence K of a photograph."""


def read_flickr(captions: CaptionFile) -> None:
    """Read a Flickr8k or Flickr30k token file; an image's id is its file name.

    Raises:
        DataError: the file cannot be read.
    """
    for number, line in enumerate(text_lines(captions.path), start=1):
        where = captions.where(f"line {number}")
        match = FLICKR_LINE.fullmatch(line)
        if not is_text(line):
            captions.collector.report("malformed", where, "is not UTF-8 text")
        elif match is not None:
            file = captions.locate(match["file"])
            record = captions.collector.add_image(file, file, where, split=captions.fallback_split(file))
            if record is not None:
                captions.collector.add_sentence(record, match["raw"], where, f"{file}#{match['number']}")
        elif line.strip():
            captions.collector.report("malformed", where, "is not NAME#NUMBER, a tab and a sentence")


def read_table(captions: CaptionFile) -> None:
    """Read a table with a header row, as used by Kaggle, open_clip, Hugging Face and `vsa caption`.

    Raises:
        DataError: unreadable, or no header row with an image column and a sentence column.
    """
    lines = text_lines(captions.path)
    header = table_header(lines)
    if header is None:
        raise DataError(f"{captions.path}: {NEEDED_COLUMNS}")
    _add_entries(captions, table_entries(lines, header))


def read_imagefolder(captions: CaptionFile) -> None:
    """Read JSON Lines with an object per image or per sentence, such as imagefolder's `metadata.jsonl`.

    Raises:
        DataError: the file cannot be read.
    """
    _add_entries(captions, json_line_entries(text_lines(captions.path)))


def read_list(captions: CaptionFile, document: object) -> None:
    """Read a JSON list of objects as in `read_imagefolder`, or an object that maps photographs to sentences.

    Raises:
        DataError: the document is neither.
    """
    if not isinstance(document, (list, dict)):
        raise DataError(f"{captions.path}: not a list")
    _add_entries(captions, json_entries(document))


def read_text(captions: CaptionFile) -> None:
    """Read lines of `PATH<TAB>sentence`, as `vsa caption` prints them.

    Raises:
        DataError: the file cannot be read.
    """
    _add_entries(captions, text_entries(text_lines(captions.path)))


def read_plain_sentences(captions: CaptionFile) -> None:
    """Read lines of one sentence each, which have no photograph.

    Raises:
        ConfigError: there is a folder of photographs.
        DataError: the file cannot be read.
    """
    if captions.images is not None:
        raise ConfigError(f"{captions.path}: has sentences without photographs; leave out `images`")
    _add_entries(captions, sentence_entries(text_lines(captions.path), captions.path.name))


def _add_entries(captions: CaptionFile, entries: Iterable[Entry | BadEntry]) -> None:
    """Add the photographs of entries with their sentences.

    File names are found by `CaptionFile.locate`; an image's id is its path relative to the images' folder.
    """
    for entry in entries:
        where = captions.where(entry.where)
        if isinstance(entry, BadEntry):
            captions.collector.report("malformed", where, entry.reason)
            continue
        names = [*files_of(entry.fields), *ids_of(entry.fields)]
        if not names:
            captions.collector.report("malformed", where, "names no photograph, by file_name or another usual name")
            continue
        file = captions.locate(*names)
        split = entry.fields.get("split") or captions.fallback_split(file)
        record = captions.collector.add_image(file, file, where, split=split)
        if record is not None:
            for raw in sentences_of(entry.fields):
                captions.collector.add_sentence(record, raw, where)
