"""The manifest of an index: `library.json`, a small file that lists the segments and the rows deleted in them.

The index is a folder::

    library.json                  {"envelope": {...}, "next": int, "segments": [segment]}
    segment-000001.safetensors    the rows of a segment (see `segment`), never changed after it is written
    .lock                         locked by the process that writes

where a segment is `{"file": str, "bytes": int, "rows": int, "vectors": int, "text": int, "deleted": [row]}`: the size
of the file, its rows, which are photographs or sentences, the vectors of their regions or words, the bytes of their
paths or texts, and the rows that are no longer valid, in ascending order. The envelope has the format `vsa-index`; its
config is an `IndexConfig`, its parent the alignment model. The manifest is replaced in one step, so a reader finds
either the old or the new state, and a segment that no manifest lists does not exist.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeGuard

from vsa_cli.core.config import IndexConfig
from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.io.envelope import INDEX, VERSIONS, Envelope, from_dict, parent, remedy, to_dict
from vsa_cli.core.io.files import write_text
from vsa_cli.core.io.json import dump_json, read_json

MANIFEST = "library.json"

_SEGMENT = re.compile(r"segment-[0-9]{6,15}\.safetensors")
_MAX_COUNT = 2**40
_COUNTS = ("bytes", "rows", "vectors", "text")


@dataclass(frozen=True)
class SegmentRecord:
    """What the manifest lists of a segment.

    Attributes:
        file: the name of its file.
        bytes: the size of the file.
        rows: the number of its rows.
        vectors: the number of vectors of all rows.
        text: bytes of the texts of all rows.
        deleted: the rows that are no longer valid, in ascending order.
    """

    file: str
    bytes: int
    rows: int
    vectors: int
    text: int
    deleted: tuple[int, ...] = ()

    @property
    def valid(self) -> int:
        """The number of rows that are not deleted."""
        return self.rows - len(self.deleted)


@dataclass(frozen=True)
class Manifest:
    """The state of an index.

    Attributes:
        envelope: its metadata header; the parent is the alignment model.
        config: the configuration in the envelope.
        segments: the segments, in the order in which their rows were added.
        next: the number of the next segment; numbers are not used again.
    """

    envelope: Envelope
    config: IndexConfig
    segments: tuple[SegmentRecord, ...] = ()
    next: int = 1

    @property
    def valid(self) -> int:
        """The number of rows, without deleted ones."""
        return sum(record.valid for record in self.segments)

    @property
    def model_sha256(self) -> str:
        """SHA-256 of the weights of the alignment model."""
        return self.envelope.parents["embedding"]["sha256"]

    def emptied(self) -> Manifest:
        """The manifest of an empty index for the same model."""
        return replace(self, segments=(), next=1)


def new_manifest(config: IndexConfig, model_format: str, model_sha256: str, seed: int) -> Manifest:
    """The manifest of an empty index for a model."""
    parents = {"embedding": parent(model_format, model_sha256)}
    return Manifest(Envelope(INDEX, VERSIONS[INDEX], to_dict(config), parents, seed), config)


def segment_file(number: int) -> str:
    """The name of the file of a segment."""
    return f"segment-{number:06d}.safetensors"


def _number_of(file: str) -> int:
    return int(file.removeprefix("segment-").removesuffix(".safetensors"))


def is_segment_file(name: str) -> bool:
    """Whether a file of an index has the name of a segment."""
    return _SEGMENT.fullmatch(name) is not None


def is_library(folder: Path) -> bool:
    """Whether a folder has the manifest of an index."""
    return (folder / MANIFEST).is_file()


def indices_in(folder: Path) -> list[Path]:
    """The indices directly in a folder, by name; none if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            found = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return sorted(filter(is_library, found))


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of an index, checking every value.

    Raises:
        DataError: the folder is not an index, or the manifest cannot be read.
        ArtifactError: it is damaged, or of another format or version.
    """
    if not is_library(folder):
        raise DataError(f"{folder}: not an index (it has no {MANIFEST}){remedy(INDEX)}")
    where = str(folder / MANIFEST)
    data = read_json(folder / MANIFEST)
    if not isinstance(data, dict):
        raise ArtifactError(f"{where}: not a vsa artifact")
    envelope = Envelope.from_dict(data.get("envelope"), where, INDEX, VERSIONS[INDEX])
    config = from_dict(IndexConfig, envelope.config, where)
    if not isinstance(envelope.parents.get("embedding", {}).get("sha256"), str):
        raise ArtifactError(f"{where}: damaged (it does not record its model)")
    number, segments = data.get("next"), data.get("segments")
    if not _is_count(number) or not isinstance(segments, list):
        raise ArtifactError(f"{where}: damaged (next or segments)")
    records = tuple(_record(one, f"{where}: segments[{place}]") for place, one in enumerate(segments))
    if len({record.file for record in records}) < len(records):
        raise ArtifactError(f"{where}: damaged (a segment is listed twice)")
    if any(_number_of(record.file) >= number for record in records):  # the next segment would replace that one
        raise ArtifactError(f"{where}: damaged (next)")
    return Manifest(envelope, config, records, number)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of an index in one step.

    Raises:
        DataError: it cannot be written.
    """
    records = [{**vars(record), "deleted": list(record.deleted)} for record in manifest.segments]
    # one segment on each line
    lines = ",\n".join(map(dump_json, records))
    head = dump_json({"envelope": manifest.envelope.to_dict(), "next": manifest.next})
    write_text(folder / MANIFEST, f'{head.removesuffix("}")}, "segments": [\n{lines}\n]}}\n')


def _record(entry: object, where: str) -> SegmentRecord:
    if not isinstance(entry, Mapping) or set(entry) != {"file", "deleted", *_COUNTS}:
        raise ArtifactError(f"{where}: damaged (its fields)")
    fields: dict[str, Any] = dict(entry)
    if not isinstance(fields["file"], str) or not is_segment_file(fields["file"]):
        raise ArtifactError(f"{where}: damaged (file)")
    for name in _COUNTS:
        if not _is_count(fields[name]):
            raise ArtifactError(f"{where}: damaged ({name})")
    deleted = fields["deleted"]
    if not isinstance(deleted, list) or not all(map(_is_count, deleted)):
        raise ArtifactError(f"{where}: damaged (deleted)")
    is_ascending = all(a < b for a, b in pairwise(deleted))
    if not is_ascending or (deleted and deleted[-1] >= fields["rows"]):
        raise ArtifactError(f"{where}: damaged (deleted)")
    return SegmentRecord(**{**fields, "deleted": tuple(deleted)})


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < _MAX_COUNT
