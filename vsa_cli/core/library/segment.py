"""A segment of an index: rows, each with a text and vectors, in one safetensors file.

A row is a photograph (see `photographs`) or a sentence (see `sentences`). With n rows, s vectors in all (those of a row
are adjacent), texts of p bytes in all, and H the size of the common space::

    vectors        (s, H)  float16   of every region or word
    offsets        (n+1,)  int64     row r has the vectors offsets[r] to offsets[r+1] - 1
    texts          (p,)    uint8     the texts, which no two rows of an index share: paths or sentences
    text_offsets   (n+1,)  int64     row r has the text texts[text_offsets[r]:text_offsets[r+1]]

and, for a model with vectors of whole images, with d the size of short vectors (see `short_vectors`)::

    whole          (n, H)  float16   the vector of each whole image or sentence
    axes           (H, d)  float16   orthonormal columns: directions in which the vectors of this segment differ most
    short_vectors  (s, d)  float16   vectors @ axes
    short_whole    (n, d)  float16   whole @ axes

and, for a model with a bank::

    hubness        (n,)    float32   of each photograph or sentence (see `embedding.hubness`)

Segments of photographs have further tensors. The file is mapped, not read: pages are loaded when they are used. It is
untrusted: types and shapes are compared with the manifest when it is opened, positions when they are used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core.config import IndexConfig
from vsa_cli.core.device import one_thread_each
from vsa_cli.core.errors import ArtifactError, DataError, reason
from vsa_cli.core.io.mapped_file import Layout, MappedFile
from vsa_cli.core.learning.model_dir import write_tensors
from vsa_cli.core.library.manifest import SegmentRecord
from vsa_cli.core.library.short_vectors import SHORT, principal_axes, stored

_VECTORS = {"vectors", "short_vectors", "whole", "short_whole", "axes", "hubness"}


@dataclass(frozen=True)
class Vectors:
    """The vectors of a row.

    Attributes:
        parts: (R, H) float16, one for each region or known word.
        whole: (H,) float16, the vector of the whole image or sentence; None for a model without them.
        hubness: its hubness; None for a model without a bank.
    """

    parts: Tensor
    whole: Tensor | None
    hubness: float | None = None


class Entry(Protocol):
    """A row of an index, with everything that is stored of it."""

    @property
    def key(self) -> str:
        """The text that no other row of the index has."""

    @property
    def text(self) -> bytes:
        """The same as bytes."""

    @property
    def vectors(self) -> Vectors:
        """Its vectors."""


def write_rows(folder: Path, file: str, entries: Sequence[Entry], more: Mapping[str, Tensor]) -> SegmentRecord:
    """Write the file of a segment in one step; return its record.

    Args:
        folder: the folder of the index.
        file: the name of the file.
        entries: at least one row.
        more: further tensors.

    Raises:
        DataError: the file cannot be written.
    """
    texts, parts = [entry.text for entry in entries], [entry.vectors.parts for entry in entries]
    tensors = {
        **more,
        "vectors": torch.cat(parts),
        "offsets": _offsets(list(map(len, parts))),
        "texts": torch.frombuffer(bytearray(b"".join(texts)), dtype=torch.uint8),
        "text_offsets": _offsets(list(map(len, texts))),
    }
    whole = [entry.vectors.whole for entry in entries if entry.vectors.whole is not None]
    if whole:
        tensors["whole"] = torch.stack(whole)
        with one_thread_each(torch.device("cpu")):  # one process alone has more threads than each of several
            tensors["axes"] = axes = principal_axes(tensors["vectors"], tensors["whole"])
            tensors |= {f"short_{name}": stored(tensors[name], axes) for name in ("vectors", "whole")}
    hubness = [entry.vectors.hubness for entry in entries if entry.vectors.hubness is not None]
    if hubness:
        tensors["hubness"] = torch.tensor(hubness, dtype=torch.float32)
    write_tensors(folder / file, tensors, {})
    try:
        size = (folder / file).stat().st_size
    except OSError as error:
        raise DataError(f"{folder / file}: {reason(error)}") from error
    return SegmentRecord(file, size, len(entries), len(tensors["vectors"]), len(tensors["texts"]))


def _offsets(lengths: Sequence[int]) -> Tensor:
    return torch.cat([torch.zeros(1, dtype=torch.int64), torch.tensor(lengths, dtype=torch.int64).cumsum(0)])


class Segment:
    """A segment, mapped into memory; `PhotoSegment` and `SentenceSegment` are its two kinds.

    Attributes:
        path: its file.
        record: what the manifest lists of it.
        whole: (n, H) float16 vectors of whole images or sentences; None for a model without them.
        short_whole: (n, d) float16, the same in short; None for a model without them.
        axes: (H, d) float16, the axes of short vectors; None for a model without vectors of whole images.
        hubness: (n,) float32, the hubness of photographs or sentences; None for a model without a bank.

    Args:
        folder: the folder of the index.
        record: what the manifest lists of it.
        config: what the index stores.

    Raises:
        DataError: the file is missing.
        ArtifactError: it is damaged, or is not the file that the manifest lists.
    """

    def __init__(self, folder: Path, record: SegmentRecord, config: IndexConfig) -> None:
        self.path, self.record = folder / record.file, record
        try:
            size = self.path.stat().st_size
        except OSError as error:
            kind = DataError if isinstance(error, FileNotFoundError) else ArtifactError
            raise kind(f"{self.path}: {reason(error)}") from error
        if size != record.bytes:
            raise ArtifactError(f"{self.path}: damaged ({size} bytes; the manifest has {record.bytes})")
        self._file = MappedFile(self.path, {**_layout(record, config), **self._further(record)})
        tensors = self._file.tensors
        self.whole, self.short_whole, self.axes = map(tensors.get, ("whole", "short_whole", "axes"))
        self.hubness = tensors.get("hubness")
        self._vectors, self._short_vectors = tensors["vectors"], tensors.get("short_vectors")
        self._arrays = {name: one.numpy() for name, one in tensors.items() if name not in _VECTORS}
        self._offsets, self._texts = self._arrays["offsets"], self._arrays["texts"]
        self._text_offsets = self._arrays["text_offsets"]

    @staticmethod
    def _further(record: SegmentRecord) -> Layout:
        """The tensors of this kind of segment that not every kind has."""
        return {}

    def __len__(self) -> int:
        """The number of rows, deleted ones included."""
        return self.record.rows

    @property
    def most_vectors(self) -> int:
        """The number of vectors of the row that has the most; of a damaged segment, any number from 1."""
        return int(np.diff(self._offsets).max(initial=1))

    def rows(self) -> NDArray[np.int64]:
        """The rows that are not deleted, in ascending order."""
        return np.delete(np.arange(len(self)), list(self.record.deleted))

    def vectors_of(self, row: int) -> Vectors:
        """The vectors of a row.

        Raises:
            ArtifactError: the segment is damaged.
        """
        start, end = self._span(row)
        hubness = None if self.hubness is None else float(self.hubness[row])
        found = Vectors(self._vectors[start:end], None if self.whole is None else self.whole[row], hubness)
        self._check(hubness is None or math.isfinite(hubness))
        self._check(all(bool(torch.isfinite(one).all()) for one in (found.parts, found.whole) if one is not None))
        return found

    def whole_of(self, rows: NDArray[np.int64], *, short: bool = False) -> Tensor | None:
        """(K, H) float16 vectors of some whole images or sentences, or (K, d) short ones; None if there are none."""
        whole = self.short_whole if short else self.whole
        return None if whole is None else whole[torch.from_numpy(rows)]

    def hubness_of(self, rows: NDArray[np.int64]) -> Tensor | None:
        """(K,) float32 hubness of some photographs or sentences; None for a model without a bank."""
        return None if self.hubness is None else self.hubness[torch.from_numpy(rows)]

    def parts_of(self, *, short: bool) -> Tensor:
        """(s, H) float16 vectors of all regions or words, or (s, d) short ones.

        Raises:
            ArtifactError: the segment is damaged.
        """
        vectors = self._short_vectors if short else self._vectors
        if vectors is None:
            raise self.damage()
        return vectors

    def release(self) -> None:
        """Give the memory back into which vectors of regions or words, and of whole images, were read.

        They are many and used at random. Those that are read in every search, `short_whole`, are kept.
        """
        self._file.release("vectors", "short_vectors", "whole")

    def key_of(self, row: int) -> str:
        """The text of a row.

        Raises:
            ArtifactError: the segment is damaged.
        """
        raise NotImplementedError

    def _text(self, row: int) -> bytes:
        start, end = int(self._text_offsets[row]), int(self._text_offsets[row + 1])
        self._check(0 <= start < end <= len(self._texts))
        return bytes(self._texts[start:end])

    def _span(self, row: int) -> tuple[int, int]:
        start, end = int(self._offsets[row]), int(self._offsets[row + 1])
        self._check(0 <= start <= end <= len(self._vectors))
        return start, end

    def _check(self, is_sound: bool) -> None:
        if not is_sound:
            raise self.damage()

    def damage(self) -> ArtifactError:
        """The error of a damaged segment."""
        return ArtifactError(f"{self.path}: damaged; make the index again (`force` replaces it)")


def _layout(record: SegmentRecord, config: IndexConfig) -> Layout:
    n, h = record.rows, config.size
    layout = {
        "vectors": ((record.vectors, h), torch.float16),
        "offsets": ((n + 1,), torch.int64),
        "texts": ((record.text,), torch.uint8),
        "text_offsets": ((n + 1,), torch.int64),
    }
    if config.hubness:
        layout["hubness"] = ((n,), torch.float32)
    if not config.whole:
        return layout
    d = min(SHORT, h)
    shapes = {"whole": (n, h), "axes": (h, d), "short_whole": (n, d), "short_vectors": (record.vectors, d)}
    return layout | {name: (shape, torch.float16) for name, shape in shapes.items()}
