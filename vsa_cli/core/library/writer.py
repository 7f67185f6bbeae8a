"""Writes to an index: adds photographs or sentences in segments, deletes rows, and merges small segments.

A segment is written to a new file, then the manifest that lists it replaces the old one; only then are files removed
that no manifest lists any more. A process that is killed leaves the state of the last manifest, and at most a file that
the next writer removes. A lock keeps a second writer out.

Segments grow as in a log-structured merge tree: a new segment absorbs those before it that are not twice as large, up
to `_FULL` rows. So an index has few segments, a row is copied a few times at most, and adding 100 rows to 100,000 costs
no more than copying `_FULL` of them.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar

from vsa_cli.core.errors import ConfigError, DataError, reason
from vsa_cli.core.io.lock import exclusive_lock
from vsa_cli.core.library.library import SegmentT, open_library, open_sentences, require_model
from vsa_cli.core.library.manifest import (
    MANIFEST,
    Manifest,
    SegmentRecord,
    is_library,
    is_segment_file,
    read_manifest,
    segment_file,
    write_manifest,
)
from vsa_cli.core.library.photographs import PhotoEntry, PhotoSegment, Stamp, write_photos
from vsa_cli.core.library.segment import Entry
from vsa_cli.core.library.sentences import SentenceEntry, SentenceSegment, write_sentences

_UNSAVED = 256  # rows kept in memory until they are written
_FULL = 4096  # rows of a segment that no other absorbs
_LOCK = ".lock"

EntryT = TypeVar("EntryT", bound=Entry)
WriterT = TypeVar("WriterT", bound="LibraryWriter | SentenceWriter")


class IndexWriter(ABC, Generic[SegmentT, EntryT]):
    """An index opened for writing; `writing` or `writing_sentences` opens one, and saves what is pending at the end."""

    def __init__(self, folder: Path, manifest: Manifest, segments: Sequence[SegmentT]) -> None:
        self._folder, self._manifest = folder, manifest
        self._segments = list(segments)
        self._deleted = {segment.record.file: set(segment.record.deleted) for segment in segments}
        self._pending: dict[str, EntryT] = {}
        self._places: dict[str, tuple[SegmentT, int]] = {}
        for segment in segments:
            self._locate(segment)

    @abstractmethod
    def entry(self, segment: SegmentT, row: int) -> EntryT:
        """Everything about a row of a segment, of this index or another.

        Raises:
            ArtifactError: the segment is damaged.
        """

    @abstractmethod
    def _write(self, file: str, entries: Sequence[EntryT]) -> SegmentT:
        """Write a segment with a file name, and open it."""

    def __len__(self) -> int:
        """The number of photographs or sentences, those not saved yet included."""
        return len(self._places) + len(self._pending)

    @property
    def manifest(self) -> Manifest:
        """The state that is saved."""
        return self._manifest

    def __contains__(self, key: object) -> bool:
        """Whether the index has a photograph with this absolute path, or this sentence."""
        return key in self._pending or key in self._places

    def keys(self) -> list[str]:
        """The absolute paths of all photographs, or all sentences."""
        return [*self._places, *self._pending]

    def add(self, entry: EntryT) -> None:
        """Add a row, in place of any with the same key; saved with some hundred others.

        Raises:
            DataError: the index cannot be written.
        """
        self.remove(entry.key)
        self._pending[entry.key] = entry
        if len(self._pending) >= _UNSAVED:
            self.save()

    def remove(self, key: str) -> None:
        """Delete a row, if the index has it; saved together with the next additions."""
        self._pending.pop(key, None)
        if place := self._places.pop(key, None):
            segment, row = place
            self._deleted[segment.record.file].add(row)

    def save(self) -> None:
        """Write what is pending: a new segment, and the manifest.

        Raises:
            DataError: the index cannot be written.
            ArtifactError: the index is damaged.
        """
        kept, absorbed = self._split()
        added = [entry for segment in absorbed for entry in self._entries(segment)] + list(self._pending.values())
        number = self._manifest.next
        segments: list[SegmentT] = []
        rewritten = [segment for segment in kept if 2 * self._valid(segment) < len(segment)]
        for segment in kept:
            if segment not in rewritten:
                segments.append(segment)
            elif self._valid(segment):
                segments.append(self._write(segment_file(number), self._entries(segment)))
                number += 1
        if added:
            segments.append(self._write(segment_file(number), added))
            number += 1
        records = tuple(self._record(segment) for segment in segments)
        if records == self._manifest.segments:
            return
        manifest = replace(self._manifest, segments=records, next=number)
        write_manifest(self._folder, manifest)
        self._manifest, self._segments = manifest, segments
        self._pending.clear()
        for segment in segments:
            if segment.record.file not in self._deleted:
                self._deleted[segment.record.file] = set()
                self._locate(segment)
        for segment in [*absorbed, *rewritten]:
            del self._deleted[segment.record.file]
        _remove_unlisted(self._folder, {record.file for record in records})

    def _split(self) -> tuple[list[SegmentT], list[SegmentT]]:
        """The segments that stay, and those at the end that a new segment absorbs."""
        total, first = len(self._pending), len(self._segments)
        while first and total and self._valid(self._segments[first - 1]) < min(2 * total, _FULL - total + 1):
            first -= 1
            total += self._valid(self._segments[first])
        return self._segments[:first], self._segments[first:]

    def _valid(self, segment: SegmentT) -> int:
        return len(segment) - len(self._deleted[segment.record.file])

    def _entries(self, segment: SegmentT) -> list[EntryT]:
        deleted = self._deleted[segment.record.file]
        return [self.entry(segment, row) for row in range(len(segment)) if row not in deleted]

    def _record(self, segment: SegmentT) -> SegmentRecord:
        return replace(segment.record, deleted=tuple(sorted(self._deleted.get(segment.record.file, ()))))

    def _locate(self, segment: SegmentT) -> None:
        deleted = self._deleted[segment.record.file]
        for row in range(len(segment)):
            if row not in deleted:
                self._places[segment.key_of(row)] = (segment, row)


class LibraryWriter(IndexWriter[PhotoSegment, PhotoEntry]):
    """An index of photographs opened for writing."""

    def __init__(self, folder: Path, manifest: Manifest, segments: Sequence[PhotoSegment]) -> None:
        super().__init__(folder, manifest, segments)
        self._hashes: dict[str, str] | None = None

    def entry(self, segment: PhotoSegment, row: int) -> PhotoEntry:
        """Everything about a photograph."""
        return segment.entry(row)

    def _write(self, file: str, entries: Sequence[PhotoEntry]) -> PhotoSegment:
        return PhotoSegment(self._folder, write_photos(self._folder, file, entries), self._manifest.config)

    def add(self, entry: PhotoEntry) -> None:
        """Add a photograph, in place of any with the same path; saved with some hundred others.

        Raises:
            DataError: the index cannot be written.
        """
        super().add(entry)
        if self._hashes is not None:
            self._hashes[entry.sha256] = entry.path

    def stamp(self, path: str) -> Stamp | None:
        """The stamp of a photograph's file; None if the index does not have the photograph."""
        if path in self._pending:
            return self._pending[path].stamp
        if path not in self._places:
            return None
        segment, row = self._places[path]
        return segment.stamp_of(row)

    def sha256(self, path: str) -> str | None:
        """SHA-256 of a photograph's file; None if the index does not have the photograph."""
        if path in self._pending:
            return self._pending[path].sha256
        if path not in self._places:
            return None
        segment, row = self._places[path]
        return segment.hash_of(row)

    def find(self, sha256: str) -> PhotoEntry | None:
        """A photograph whose file has this content, under whatever path; None if there is none.

        Raises:
            ArtifactError: the index is damaged.
        """
        if self._hashes is None:
            self._hashes = {segment.hash_of(row): path for path, (segment, row) in self._places.items()}
            self._hashes |= {entry.sha256: path for path, entry in self._pending.items()}
        path = self._hashes.get(sha256)
        if path is None or path not in self:
            return None
        if path in self._pending:
            found = self._pending[path]
        else:
            segment, row = self._places[path]
            found = segment.entry(row)
        return found if found.sha256 == sha256 else None  # the photograph of that path may have changed meanwhile


class SentenceWriter(IndexWriter[SentenceSegment, SentenceEntry]):
    """An index of sentences opened for writing."""

    def entry(self, segment: SentenceSegment, row: int) -> SentenceEntry:
        """Everything about a sentence."""
        return segment.entry(row)

    def _write(self, file: str, entries: Sequence[SentenceEntry]) -> SentenceSegment:
        return SentenceSegment(self._folder, write_sentences(self._folder, file, entries), self._manifest.config)


def writing(folder: Path, empty: Manifest, *, force: bool = False) -> AbstractContextManager[LibraryWriter]:
    """An index of photographs opened for writing, which is created if it is missing.

    What is pending is saved at the end of the block, and also if the block is interrupted.

    Args:
        folder: the folder of the index.
        empty: the manifest of an empty index for the model; an existing index must have been made with that model.
        force: empty an existing index first.

    Raises:
        ConfigError: the folder has other files in it.
        DataError: another process is writing to the index, or it cannot be written, or is one of sentences.
        ArtifactError: the index is damaged, or was made with another model.
    """
    return _writing(folder, empty, lambda: _open_photos(folder), force=force)


def writing_sentences(folder: Path, empty: Manifest, *, force: bool = False) -> AbstractContextManager[SentenceWriter]:
    """An index of sentences opened for writing; see `writing`."""
    return _writing(folder, empty, lambda: _open_sentences(folder), force=force)


def _open_photos(folder: Path) -> LibraryWriter:
    library = open_library(folder)
    return LibraryWriter(folder, library.manifest, library.segments)


def _open_sentences(folder: Path) -> SentenceWriter:
    sentences = open_sentences(folder)
    return SentenceWriter(folder, sentences.manifest, sentences.segments)


@contextmanager
def _writing(folder: Path, empty: Manifest, open_writer: Callable[[], WriterT], *, force: bool) -> Iterator[WriterT]:
    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot write: {reason(error)}") from error
    with exclusive_lock(folder / _LOCK):
        if force or not is_library(folder):
            write_manifest(folder, empty)
        require_model(folder, read_manifest(folder), empty)
        writer = open_writer()
        _remove_unlisted(folder, {record.file for record in writer.manifest.segments})
        try:
            yield writer
        except KeyboardInterrupt:
            writer.save()
            raise
        writer.save()


def check_folder(folder: Path) -> None:
    """Check that a folder is an index, or may become one: it is missing, or has no other files.

    Raises:
        ConfigError: it is a file, or has other files in it.
    """
    if not folder.exists() or is_library(folder):
        return
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is a file; name a folder")
    if others := [name for name in sorted(os.listdir(folder)) if not _is_known(name)]:  # noqa: PTH208  names, not paths
        raise ConfigError(f"{folder}: has other files in it, such as {others[0]}; name a new folder")


def _is_known(name: str) -> bool:
    part = name.removeprefix(".").removesuffix(".part")
    return name == _LOCK or is_segment_file(part) or part == MANIFEST


def _remove_unlisted(folder: Path, listed: set[str]) -> None:
    """Remove the segments of a process that was killed before it listed them, or after it replaced them."""
    for path in folder.iterdir():
        part = path.name.removeprefix(".").removesuffix(".part")
        if is_segment_file(part) and path.name not in listed:
            with suppress(OSError):
                path.unlink()
