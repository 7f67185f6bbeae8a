"""Reads caption files: detects the format of each and calls the matching reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from vsa_cli.core.config import CaptionFileFormat
from vsa_cli.core.corpus.readers.caption_file import CaptionFile
from vsa_cli.core.corpus.readers.entries import NEEDED_COLUMNS, FileKind, is_text_of_photos, kind_of
from vsa_cli.core.corpus.readers.json import read_coco, read_karpathy
from vsa_cli.core.corpus.readers.lines import (
    FLICKR_LINE,
    read_flickr,
    read_imagefolder,
    read_list,
    read_plain_sentences,
    read_table,
    read_text,
)
from vsa_cli.core.corpus.readers.sidecars import folder_sha256, read_sidecars
from vsa_cli.core.corpus.readers.webdataset import place_of, read_webdataset
from vsa_cli.core.corpus.records import Collector, Problem, Record
from vsa_cli.core.corpus.tars import looks_like_tar
from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.core.io.envelope import parent
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.io.image_formats import is_picture_name
from vsa_cli.core.io.json import is_text, read_json
from vsa_cli.core.io.table import DELIMITERS
from vsa_cli.core.io.text import text_lines

_JSON_READERS: dict[str, Callable[[CaptionFile, object], None]] = {
    "karpathy": read_karpathy,
    "coco": read_coco,
    "list": read_list,
}
_READERS: dict[str, Callable[[CaptionFile], None]] = {
    "flickr": read_flickr,
    "imagefolder": read_imagefolder,
    "csv": read_table,
    "text": read_text,
    "sidecar": read_sidecars,
    "webdataset": read_webdataset,
    "plain": read_plain_sentences,
}
_FORMATS: dict[FileKind | None, str] = {"json": "json", "json-lines": "imagefolder", "table": "csv"}
_SENTENCE_FILES = frozenset({"", ".txt", ".text", ".caption"})
"""Suffixes of files that are detected as lines of one sentence each; a table has commas, but so has a sentence."""
_DETECTION_LINES = 20
_DETECTION_BYTES = 65_536


@dataclass(frozen=True)
class Reading:
    """The contents of caption files.

    Attributes:
        records: the images, in the order in which they are first named.
        problems: the entries that could not be used.
        formats: the format of each file.
        parents: the files, as `parents` of an envelope.
    """

    records: list[Record]
    problems: list[Problem]
    formats: tuple[str, ...]
    parents: dict[str, dict[str, str]]


def read_captions(
    paths: Sequence[Path], images: Path | None, captions_format: CaptionFileFormat = "auto", split: str | None = None
) -> Reading:
    """Read caption files; an image that several of them name becomes one record.

    Args:
        paths: caption files, and folders of sidecars.
        images: the folder of the photographs; None if the sentences have none, and names are only ids.
        captions_format: the format of all files; `auto` detects it per file.
        split: the split of images whose split the files do not give.

    Raises:
        DataError: a file is missing, unreadable, or not in the format; two shards, or two files of plain
            sentences, have the same name.
        ConfigError: `captions_format` is not a format.
    """
    if captions_format not in get_args(CaptionFileFormat):
        choices = ", ".join(get_args(CaptionFileFormat))
        raise ConfigError(f"`captions_format` {captions_format}: choose from {choices}")
    collector = Collector()
    formats = tuple(_read_one(CaptionFile(path, collector, images, split), captions_format) for path in paths)
    _check_names([path for path, kind in zip(paths, formats, strict=True) if kind in ("webdataset", "plain")])
    parents = {
        f"captions[{number}]": parent(kind, folder_sha256(path) if path.is_dir() else file_sha256(path))
        for number, (path, kind) in enumerate(zip(paths, formats, strict=True))
    }
    collector.note_missing_sentences()
    return Reading(collector.records(), collector.problems, formats, parents)


def shards_among(paths: Sequence[Path], formats: Sequence[str]) -> list[Path]:
    """The caption files that are webdataset shards, given the formats of all files."""
    return [path for path, kind in zip(paths, formats, strict=True) if kind == "webdataset"]


def _check_names(paths: Sequence[Path]) -> None:
    """Check the names of files that are part of the ids in them."""
    named: dict[str, Path] = {}
    for path in paths:
        other = named.setdefault(place_of(path, ""), path)
        if other is not path:
            raise DataError(f"{path}: has the same name as {other}, and so the same ids; rename one of them")


def _read_one(captions: CaptionFile, wanted: CaptionFileFormat) -> str:
    collector, path = captions.collector, captions.path
    named, sentences, problems = collector.named, collector.sentences, len(collector.problems)
    found = _detect(captions.path, alone=captions.images is None) if wanted == "auto" else wanted
    if found in _READERS:
        _READERS[found](captions)
    else:
        document = read_json(captions.path)
        found = _detect_json(document, captions.path) if found == "json" else found
        _JSON_READERS[found](captions, document)
    if collector.named == named and len(collector.problems) > problems:
        first = collector.problems[problems]
        raise DataError(f"{path}: nothing in it can be read; {first.name}: {first.message}")
    if collector.named == named:
        raise DataError(f"{path}: names no image (read as {found}; set `captions_format` if it has another format)")
    if collector.sentences == sentences and found not in ("sidecar", "webdataset"):  # these note each photograph
        names = "caption, captions, text, sentence or raw"
        collector.report("malformed", path.name, f"names images, but no sentence (read as {found}; named {names})")
    return found


def _detect(path: Path, *, alone: bool) -> str:
    """The format of a file by its first lines, with `json` for both JSON formats; a folder contains sidecars.

    Args:
        path: the file or folder.
        alone: whether its sentences have no photographs.
    """
    if path.is_dir():
        return "sidecar"
    if looks_like_tar(path):
        return "webdataset"
    lines = [line for line in text_lines(path, _DETECTION_BYTES) if line.strip()][:_DETECTION_LINES]
    if not lines:
        raise DataError(f"{path}: is empty")
    kind = kind_of(lines)
    if kind in _FORMATS:
        return _FORMATS[kind]
    if any(map(FLICKR_LINE.fullmatch, lines)):
        return "flickr"
    if is_text_of_photos(lines):
        return "text"
    if alone and _are_sentences(lines, path):
        return "plain"
    hint = f"; {NEEDED_COLUMNS}" if any(delimiter in lines[0] for delimiter in DELIMITERS) else ""
    raise DataError(
        f"{path}: not a caption file in a known format ({', '.join(get_args(CaptionFileFormat)[1:])}){hint}"
    )


def _are_sentences(lines: Sequence[str], path: Path) -> bool:
    """Whether the first lines of a file can be sentences: text without tabs, and not all names of photographs."""
    whole = lines[:-1] or lines  # the last one may be cut inside a letter
    plain = all(is_text(line) and "\t" not in line for line in whole)
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    return plain and suffix in _SENTENCE_FILES and not all(is_picture_name(line.strip()) for line in lines)


def _detect_json(document: object, path: Path) -> str:
    """The JSON format of a document."""
    if isinstance(document, list) or (isinstance(document, dict) and _maps_to_sentences(document)):
        return "list"
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, list):
        raise DataError(f"{path}: JSON, but neither Karpathy's nor COCO's format (no list 'images')")
    keys = {key for entry in images[:_DETECTION_LINES] if isinstance(entry, dict) for key in entry}
    return "karpathy" if "filename" in keys or "sentences" in keys else "coco"


def _maps_to_sentences(document: dict[str, object]) -> bool:
    """Whether an object maps names to a sentence or to a list of sentences each."""
    texts = [text for value in document.values() for text in (value if isinstance(value, list) else [value])]
    return bool(texts) and all(isinstance(text, str) for text in texts)
