"""The front desk for caption files: finds out what each file is and sends it to its reader."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from vsa_cli.core.config import CaptionFileFormat
from vsa_cli.core.corpus.readers.csv import find_header, read_csv
from vsa_cli.core.corpus.readers.json import read_coco, read_karpathy
from vsa_cli.core.corpus.readers.lines import FLICKR_LINE, read_flickr, read_imagefolder
from vsa_cli.core.corpus.readers.sidecars import folder_sha256, read_sidecars
from vsa_cli.core.corpus.readers.source import Source, read_lines
from vsa_cli.core.corpus.readers.webdataset import place_of, read_webdataset
from vsa_cli.core.corpus.records import Gathering, Problem, Record
from vsa_cli.core.corpus.tars import looks_like_tar
from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.core.io.envelope import parent
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.io.json import read_json

_JSON_READERS: dict[str, Callable[[Source, object], None]] = {"karpathy": read_karpathy, "coco": read_coco}
_READERS: dict[str, Callable[[Source], None]] = {
    "flickr": read_flickr,
    "imagefolder": read_imagefolder,
    "csv": read_csv,
    "sidecar": read_sidecars,
    "webdataset": read_webdataset,
}
_LINES_LOOKED_AT = 20
_BYTES_LOOKED_AT = 65_536


@dataclass(frozen=True)
class Reading:
    """What caption files say.

    Attributes:
        records: the images, in the order in which they are first named.
        problems: what could not be understood.
        formats: of each file.
        parents: the files as an envelope names them.
    """

    records: list[Record]
    problems: list[Problem]
    formats: tuple[str, ...]
    parents: dict[str, dict[str, str]]


def read_captions(
    paths: Sequence[Path], images: Path, captions_format: CaptionFileFormat = "auto", split: str | None = None
) -> Reading:
    """Read caption files; an image that several of them name becomes one record.

    Args:
        paths: the files, and folders of sidecars, which may be of different formats when `captions_format` is `auto`.
        images: the folder that holds the photographs.
        captions_format: what the files are; `auto` looks at each.
        split: the split of images of which the files do not tell one.

    Raises:
        DataError: a file is missing, unreadable, or wholly of another kind; two shards have one name.
        UsageError: `captions_format` is not a format.
    """
    if captions_format not in get_args(CaptionFileFormat):
        raise ConfigError(f"--captions-format {captions_format}: choose from {', '.join(get_args(CaptionFileFormat))}")
    gathering = Gathering()
    formats = tuple(_read_one(Source(path, gathering, images, split), captions_format) for path in paths)
    _refuse_namesakes(shards_among(paths, formats))
    parents = {
        f"captions[{number}]": parent(kind, folder_sha256(path) if path.is_dir() else file_sha256(path))
        for number, (path, kind) in enumerate(zip(paths, formats, strict=True))
    }
    return Reading(gathering.records(), gathering.problems, formats, parents)


def shards_among(paths: Sequence[Path], formats: Sequence[str]) -> list[Path]:
    """The caption files whose photographs are inside them, by the files' formats."""
    return [path for path, kind in zip(paths, formats, strict=True) if kind == "webdataset"]


def _refuse_namesakes(shards: Sequence[Path]) -> None:
    places: dict[str, Path] = {}
    for shard in shards:
        other = places.setdefault(place_of(shard, ""), shard)
        if other is not shard:
            raise DataError(f"{shard}: has the name of {other}, hence its ids and folder; rename one of them")


def _read_one(source: Source, wanted: CaptionFileFormat) -> str:
    before = source.gathering.named
    found = _look(source.path) if wanted == "auto" else wanted
    if found in _READERS:
        _READERS[found](source)
    else:
        document = read_json(source.path)
        found = _look_into(document, source.path) if found == "json" else found
        _JSON_READERS[found](source, document)
    if source.gathering.named == before:
        raise DataError(f"{source.path}: names no image (read as {found}; --captions-format says otherwise)")
    return found


def _look(path: Path) -> str:
    """A file's format by its first lines: a line format, or `json`; folders hold sidecars."""
    if path.is_dir():
        return "sidecar"
    if looks_like_tar(path):
        return "webdataset"
    lines = [line for line in read_lines(path, _BYTES_LOOKED_AT) if line.strip()][:_LINES_LOOKED_AT]
    if not lines:
        raise DataError(f"{path}: is empty")
    if lines[0].lstrip()[0] in "{[":
        return "imagefolder" if any(map(_names_file, lines)) else "json"
    if find_header(lines[0]) is not None:
        return "csv"
    if any(map(FLICKR_LINE.fullmatch, lines)):
        return "flickr"
    raise DataError(f"{path}: not a caption file that vsa knows ({', '.join(get_args(CaptionFileFormat)[1:])})")


def _names_file(line: str) -> bool:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(entry, dict) and "file_name" in entry


def _look_into(document: object, path: Path) -> str:
    """Which of the JSON formats a document is."""
    images = document.get("images") if isinstance(document, dict) else None
    if not isinstance(images, list):
        raise DataError(f"{path}: JSON, but neither Karpathy's nor COCO's (no list 'images')")
    keys = {key for entry in images[:_LINES_LOOKED_AT] if isinstance(entry, dict) for key in entry}
    return "karpathy" if "filename" in keys or "sentences" in keys else "coco"
