"""Reader of sidecars: a folder where `photo.jpg` has `photo.txt` beside it, a sentence a line.

`vsa caption --sidecar .txt` writes them, as do the taggers and trainers of image generators.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from vsa_cli.core.corpus.readers.source import Source, lines_of
from vsa_cli.core.corpus.records import Record
from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.io.image_formats import find_pictures

SUFFIX = ".txt"
LONGEST_TEXT = 1 << 16
"""Bytes of one photograph's sentences; a longer text is no caption, and not read into memory."""


def read_sidecars(source: Source) -> None:
    """Read a folder of texts; an image's id is its path below the images' folder.

    The photographs lie beside their texts where the folder is the images' folder or below it, and otherwise under the
    same names in the images' folder. Those that have no text are kept, and noted.

    Raises:
        DataError: not a folder, cannot be listed, or holds no text of a photograph.
    """
    if not source.path.is_dir():
        raise DataError(f"{source.path}: not a folder, so no texts lie in it beside photographs")
    place = source.place_of(source.path)
    home = source.path if place is not None else source.images
    texts = set(_texts(source.path))
    used = set()
    for path in find_pictures(home):
        below = path.relative_to(home)
        text = below.with_suffix(SUFFIX).as_posix()
        _add_photograph(source, f"{place or ''}{below.as_posix()}", text if text in texts else None)
        used.add(text)
    if not texts & used:
        raise DataError(f"{source.path}: no {SUFFIX} in it has the name of a photograph in {home}")
    for text in sorted(texts - used):
        source.gathering.complain("missing", text, f"no photograph of its name in {home.name or home}")


def _add_photograph(source: Source, file: str, text: str | None) -> None:
    record = source.gathering.add_image(file, file, source.where(file), split=source.fallback_split(file))
    if record is None:
        return
    if text is None:
        source.gathering.complain("captionless", file, f"no {SUFFIX} of its name: kept without a sentence")
        return
    try:
        with (source.path / text).open("rb") as stream:
            data = stream.read(LONGEST_TEXT + 1)
    except OSError as error:
        source.gathering.complain("malformed", source.where(text), reason(error))
        return
    add_text(source, record, data, source.where(text))


def add_text(source: Source, record: Record, data: bytes, where: str) -> None:
    """Take a text's lines as sentences of an image."""
    if len(data) > LONGEST_TEXT:
        source.gathering.complain("malformed", where, f"is longer than {LONGEST_TEXT} bytes: no caption")
        return
    try:
        lines = lines_of(data, where)
    except DataError as error:
        source.gathering.complain("malformed", where, str(error).removeprefix(f"{where}: "))
        return
    for line in filter(None, map(str.strip, lines)):
        source.gathering.add_sentence(record, line, where)
    if not record.sentences:
        source.gathering.complain("captionless", record.key, f"no sentence in {where}: kept without one")


def folder_sha256(folder: Path) -> str:
    """SHA-256 of the texts in a folder, by their names and contents; photographs have their own in the corpus.

    Raises:
        DataError: a text cannot be read.
    """
    digest = hashlib.sha256()
    for text in _texts(folder):
        digest.update(f"{text}\0{file_sha256(folder / text)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _texts(folder: Path) -> list[str]:
    """The texts below a folder, as posix paths in order; only files, for on a pipe one would wait."""

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: {reason(error)}") from error

    paths = (Path(parent) / name for parent, _, names in os.walk(folder, onerror=refuse) for name in names)
    return sorted(path.relative_to(folder).as_posix() for path in paths if path.suffix == SUFFIX and path.is_file())
