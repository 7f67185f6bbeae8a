"""Reader of sidecars: a folder in which `photo.jpg` has a text `photo.txt`, with a sentence per line.

`vsa caption` can write sidecars, as can taggers for the training of image generators.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from vsa_cli.core.corpus.readers.caption_file import CaptionFile
from vsa_cli.core.corpus.records import Record
from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.io.image_formats import find_pictures
from vsa_cli.core.io.text import split_lines

SUFFIX = ".txt"
MAX_TEXT_BYTES = 1 << 16
"""Limit on the sentences of one photograph; a longer file is not a caption, and is not read into memory."""


def read_sidecars(captions: CaptionFile) -> None:
    """Read a folder of texts; an image's id is its path relative to the images' folder.

    If the folder is the images' folder or inside it, photographs are beside their texts; otherwise they have the same
    names in the images' folder. Photographs without a text are kept, and noted.

    Raises:
        DataError: not a folder, cannot be listed, or contains no text of a photograph.
    """
    if not captions.path.is_dir():
        raise DataError(f"{captions.path}: not a folder of texts beside photographs")
    prefix = captions.folder_prefix(captions.path)
    home = captions.path if prefix is not None else captions.images
    texts = set(_texts(captions.path))
    used = set()
    found = find_pictures(home)
    for failure in found.failures:
        captions.collector.report("unreadable", captions.path.name, failure)
    for path in found.paths:
        below = path.relative_to(home)
        text = below.with_suffix(SUFFIX).as_posix()
        _add_photograph(captions, f"{prefix or ''}{below.as_posix()}", text if text in texts else None)
        used.add(text)
    if not texts & used:
        raise DataError(f"{captions.path}: no {SUFFIX} file in it has the name of a photograph in {home}")
    for text in sorted(texts - used):
        captions.collector.report("missing", text, f"no photograph of this name in {home.name or home}")


def _add_photograph(captions: CaptionFile, file: str, text: str | None) -> None:
    record = captions.collector.add_image(file, file, captions.where(file), split=captions.fallback_split(file))
    if record is None:
        return
    if text is None:
        captions.collector.report("no-sentence", file, f"no {SUFFIX} file of this name: kept without a sentence")
        return
    try:
        with (captions.path / text).open("rb") as stream:
            data = stream.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        captions.collector.report("malformed", captions.where(text), reason(error))
        return
    add_text(captions, record, data, captions.where(text))


def add_text(captions: CaptionFile, record: Record, data: bytes, where: str) -> None:
    """Add the lines of a text to an image as sentences.

    Args:
        captions: the caption file that the text belongs to.
        record: the image.
        data: the text, or the start of one that is longer than `MAX_TEXT_BYTES`.
        where: the text's place, for problems.
    """
    if len(data) > MAX_TEXT_BYTES:
        captions.collector.report("malformed", where, f"is longer than {MAX_TEXT_BYTES} bytes: not a caption")
        return
    try:
        lines = split_lines(data, where)
    except DataError as error:
        captions.collector.report("malformed", where, str(error).removeprefix(f"{where}: "))
        return
    for line in filter(None, map(str.strip, lines)):
        captions.collector.add_sentence(record, line, where)
    if not record.sentences:
        captions.collector.report("no-sentence", record.key, f"no sentence in {where}: kept without one")


def folder_sha256(folder: Path) -> str:
    """SHA-256 of the names and contents of the texts in a folder, in hexadecimal.

    Raises:
        DataError: a text cannot be read.
    """
    digest = hashlib.sha256()
    for text in _texts(folder):
        digest.update(f"{text}\0{file_sha256(folder / text)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _texts(folder: Path) -> list[str]:
    """The sorted posix paths of the texts below a folder; regular files only, because reading a pipe may block."""

    def fail(error: OSError) -> None:
        raise DataError(f"{error.filename}: {reason(error)}") from error

    paths = (Path(parent) / name for parent, _, names in os.walk(folder, onerror=fail) for name in names)
    return sorted(path.relative_to(folder).as_posix() for path in paths if path.suffix == SUFFIX and path.is_file())
