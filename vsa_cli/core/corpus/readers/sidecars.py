"""Reader of sidecars: a folder in which `photo.jpg` has a text `photo.txt` or `photo.caption`, a sentence per line.

`vsa caption` can write sidecars, as can the tagging tools used to train image generators. A photograph with both texts
has the sentences of both. If photographs share a text (`photo.jpg` and `photo.png`), a clash is reported and they are
left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from vsa_cli.core.corpus.photo_names import plain_name
from vsa_cli.core.corpus.readers.caption_file import CaptionFile, folder_prefix
from vsa_cli.core.corpus.records import Record
from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.io.image_formats import find_pictures, is_system_path
from vsa_cli.core.io.text import split_lines

SUFFIXES = (".txt", ".caption")
"""Suffixes of texts, in any case."""
MAX_TEXT_BYTES = 1 << 16
"""Limit on the sentences of one photograph; a longer file is not a caption, and is not read into memory."""


def read_sidecars(captions: CaptionFile) -> None:
    """Read a folder of texts; an image's id is its path relative to the images' folder.

    If the folder is the images' folder or inside it, photographs are beside their texts; otherwise they have the same
    names in the images' folder. Photographs without a text are kept, and noted. Without photographs, a text's path
    without its suffix is the id.

    Raises:
        DataError: not a folder, cannot be listed, or contains no text of a photograph.
    """
    if not captions.path.is_dir():
        raise DataError(f"{captions.path}: not a folder of texts beside photographs")
    texts: dict[str, list[str]] = {}
    for text in _texts(captions.path):
        texts.setdefault(_stem(text), []).append(text)
    if captions.images is None:
        for stem, files in texts.items():
            _add_photograph(captions, stem, files)
    else:
        _match_photographs(captions, captions.images, texts)


def _match_photographs(captions: CaptionFile, images: Path, texts: dict[str, list[str]]) -> None:
    prefix = folder_prefix(captions.path, images)
    home = captions.path if prefix is not None else images
    found = find_pictures(home)
    for failure in found.failures:
        captions.collector.report("unreadable", captions.path.name, failure)
    photos: dict[str, list[str]] = {}
    for path in found.paths:
        below = path.relative_to(home).as_posix()
        photos.setdefault(_stem(below), []).append(f"{prefix or ''}{below}")
    if photos.keys().isdisjoint(texts):
        names = " or ".join(SUFFIXES)
        raise DataError(f"{captions.path}: no {names} file in it has the name of a photograph in {home}")
    for stem, files in photos.items():
        if stem in texts and len(files) > 1:
            captions.collector.named += len(files)
            captions.collector.report("clash", texts[stem][0], f"is the text of {' and of '.join(files)}: rename one")
        else:
            for file in files:
                _add_photograph(captions, file, texts.get(stem, ()))
    for stem in sorted(texts.keys() - photos.keys()):
        for text in texts[stem]:
            captions.collector.report("missing", text, f"no photograph of this name in {home.name or home}")


def _stem(path: str) -> str:
    """A path without its suffix, in one spelling."""
    return plain_name(str(PurePosixPath(path).with_suffix("")))


def _add_photograph(captions: CaptionFile, file: str, texts: Sequence[str]) -> None:
    record = captions.collector.add_image(file, file, captions.where(file), split=captions.fallback_split(file))
    if record is None:
        return
    if not texts:
        names = " or ".join(SUFFIXES)
        captions.collector.report("no-sentence", file, f"no {names} file of this name: kept without a sentence")
    for text in texts:
        _read_text(captions, record, text)


def _read_text(captions: CaptionFile, record: Record, text: str) -> None:
    try:
        with (captions.path / text).open("rb") as stream:
            data = stream.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        captions.collector.report("malformed", captions.where(text), reason(error))
        return
    add_text(captions, record, data, captions.where(text))


def add_text(captions: CaptionFile, record: Record, data: bytes, where: str) -> None:
    """Add the lines of a text to an image as sentences, without those that another text has given it.

    Args:
        captions: the caption file that the text belongs to.
        record: the image.
        data: the text, or the start of one that is longer than `MAX_TEXT_BYTES`.
        where: the text's place, for problems.
    """
    if len(data) > MAX_TEXT_BYTES:
        captions.collector.report("malformed", where, f"is longer than {MAX_TEXT_BYTES} bytes: not a caption")
        return
    known = set(record.sentences.values())
    for line in filter(None, map(str.strip, split_lines(data))):
        if line not in known:
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
    found = find_pictures(folder, _is_text_name)
    if found.failures and not found.paths:
        raise DataError(found.failures[0])
    return [path.relative_to(folder).as_posix() for path in found.paths if path.is_file()]


def _is_text_name(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES and not is_system_path(name)
