"""An index of photographs or sentences, opened for search: its manifest and its segments, mapped into memory.

Opening costs one system call or two a segment, whatever is in it; of a full index, a segment holds thousands of rows. A
process that writes to the index meanwhile does no harm: an open index keeps the state that it found.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.config import IndexConfig, Items
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.io.sources import Photo
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.library.manifest import Manifest, new_manifest, read_manifest
from vsa_cli.core.library.photographs import PhotoSegment
from vsa_cli.core.library.segment import Segment
from vsa_cli.core.library.sentences import SentenceSegment

_TRIES = 5  # a segment may be replaced between reading the manifest and opening the segment

SegmentT = TypeVar("SegmentT", bound=Segment)


class Index(Generic[SegmentT]):
    """An index. A *row* is the position of a photograph or sentence in it, from 0, deleted ones counted.

    Attributes:
        folder: its folder.
        manifest: its state when it was opened.
        segments: its segments.
        rows: the number of rows, deleted ones included.

    Args:
        folder: the folder of the index.
        manifest: its state.
        segments: its segments.
    """

    def __init__(self, folder: Path, manifest: Manifest, segments: Sequence[SegmentT]) -> None:
        self.folder, self.manifest, self.segments = folder, manifest, tuple(segments)
        *self._starts, self.rows = accumulate(map(len, segments), initial=0)

    def __len__(self) -> int:
        """The number of photographs or sentences."""
        return self.manifest.valid

    def require_model(self, wanted: Manifest) -> None:
        """Check that the index was made with a model.

        Args:
            wanted: the manifest of an index of that model, such as an empty one.

        Raises:
            ArtifactError: it was made with another one.
        """
        require_model(self.folder, self.manifest, wanted)

    def place_of(self, row: int) -> tuple[SegmentT, int]:
        """The segment of a row, and the row in it."""
        number = bisect_right(self._starts, row) - 1
        return self.segments[number], row - self._starts[number]

    def has(self, row: int) -> bool:
        """Whether a number is a row that is not deleted."""
        if not 0 <= row < self.rows:
            return False
        segment, place = self.place_of(row)
        return place not in segment.record.deleted

    def parts(self) -> Iterator[tuple[int, SegmentT]]:
        """The segments, each with its first row."""
        return zip(self._starts, self.segments, strict=True)

    def valid_rows(self) -> NDArray[np.int64]:
        """The rows that are not deleted, in ascending order."""
        found = [start + segment.rows() for start, segment in self.parts()]
        return np.concatenate(found) if found else np.empty(0, np.int64)


class Library(Index[PhotoSegment]):
    """An index of photographs.

    Args:
        folder: the folder of the index.
        manifest: its state.
        segments: its segments.
        images: the folder in which the photographs are now, by their names; None for the recorded paths.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, segments: Sequence[PhotoSegment], images: Path | None = None
    ) -> None:
        super().__init__(folder, manifest, segments)
        self._images = images

    def photo(self, row: int) -> Photo:
        """A photograph, in the folder in which the photographs are now.

        Raises:
            ArtifactError: the index is damaged.
        """
        segment, place = self.place_of(row)
        name, path = segment.name_of(place), segment.key_of(place)
        if self._images is not None:
            path = str(self._images / name)
        return Photo(path, name, Path(path))


SentenceIndex = Index[SentenceSegment]
"""An index of sentences."""


def empty_manifest(trained: Trained[Embedding], items: Items = "photographs") -> Manifest:
    """The manifest of an empty index for a model."""
    config, hubness = trained.model.config, trained.model.bank is not None
    index = IndexConfig(size=config.size, whole=config.whole_weight > 0, items=items, hubness=hubness)
    return new_manifest(index, trained.envelope.format, trained.sha256, trained.envelope.seed)


def require_model(folder: Path, manifest: Manifest, wanted: Manifest) -> None:
    """Check that an index was made with the same model as another one, and has the same kind of items.

    Raises:
        ArtifactError: it was made with another model.
        DataError: it has the other kind of items.
    """
    require_items(folder, manifest, wanted.config.items)
    if manifest.model_sha256 != wanted.model_sha256:
        raise ArtifactError(
            f"{folder}: was made with another model ({manifest.model_sha256[:12]}, not {wanted.model_sha256[:12]}); "
            "name its model with `model`, or make the index again"
        )
    if manifest.config != wanted.config:
        raise ArtifactError(f"{folder}: damaged (its vectors are not those of its model); make the index again")


def require_items(folder: Path, manifest: Manifest, items: Items) -> None:
    """Check that an index is one of photographs, or of sentences.

    Raises:
        DataError: it is not.
    """
    if manifest.config.items != items:
        hint = "; `image` of `vsa retrieve` searches it" if items == "photographs" else ""
        raise DataError(f"{folder}: is an index of {manifest.config.items}, not of {items}{hint}")


def open_library(folder: Path, images: Path | None = None) -> Library:
    """Open an index of photographs for reading.

    Args:
        folder: its folder.
        images: the folder in which the photographs are now; None for the recorded paths.

    Raises:
        DataError: the folder is not an index of photographs, or `images` is not a folder.
        ArtifactError: the index is damaged, or has another format or version.
    """
    if images is not None and not images.is_dir():
        raise DataError(f"{images}: not a folder")
    return Library(folder, *_open(folder, "photographs", PhotoSegment), images)


def open_sentences(folder: Path) -> SentenceIndex:
    """Open an index of sentences for reading.

    Raises:
        DataError: the folder is not an index of sentences.
        ArtifactError: the index is damaged, or has another format or version.
    """
    return SentenceIndex(folder, *_open(folder, "sentences", SentenceSegment))


def open_index(folder: Path) -> Library | SentenceIndex:
    """Open an index of either kind for reading; see `open_library` and `open_sentences`."""
    return open_library(folder) if read_manifest(folder).config.items == "photographs" else open_sentences(folder)


def _open(folder: Path, items: Items, kind: type[SegmentT]) -> tuple[Manifest, list[SegmentT]]:
    for _ in range(_TRIES):
        manifest = read_manifest(folder)
        require_items(folder, manifest, items)
        try:
            return manifest, [kind(folder, record, manifest.config) for record in manifest.segments]
        except DataError as error:
            missing = error
    raise ArtifactError(f"{missing}; the index is damaged: make it again") from missing
