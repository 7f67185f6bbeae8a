"""The photographs of an index: what is stored of each.

With n photographs and s regions in all, the segments have these tensors beside those of `segment`; a photograph's text
is its absolute path, in the bytes of the file system, and its vectors are v_i of its regions, the first being the whole
image::

    boxes         (s, 4)  float32   x1 y1 x2 y2, in pixels of the upright original
    sizes         (n, 2)  int32     width and height, in pixels
    hashes        (n, 32) uint8     SHA-256 of the file
    stamps        (n, 2)  int64     bytes of the file, and its modification time in nanoseconds; -1 if unknown
    name_lengths  (n,)    int32     the last bytes of the path that are the photograph's name in its folder
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core.io.mapped_file import Layout
from vsa_cli.core.library.manifest import SegmentRecord
from vsa_cli.core.library.segment import Segment, Vectors, write_rows

Stamp = tuple[int, int]
"""Bytes of a file, and its modification time in nanoseconds: a file whose stamp is the same has not changed."""

NO_STAMP: Stamp = (-1, -1)


@dataclass(frozen=True)
class PhotoEntry:
    """A photograph of an index.

    Attributes:
        path: its absolute path.
        name: the end of the path that is its name in the folder that was indexed.
        sha256: SHA-256 of its file, in hexadecimal.
        stamp: the stamp of its file.
        size: width and height of the upright original, in pixels.
        boxes: (R, 4) float32, in pixels of the upright original; the first is the whole image.
        vectors: v_i of each region, and the vector of the whole image.
    """

    path: str
    name: str
    sha256: str
    stamp: Stamp
    size: tuple[int, int]
    boxes: NDArray[np.float32]
    vectors: Vectors

    @property
    def key(self) -> str:
        """Its absolute path."""
        return self.path

    @property
    def text(self) -> bytes:
        """Its absolute path, in the bytes of the file system."""
        return os.fsencode(self.path)


def write_photos(folder: Path, file: str, entries: Sequence[PhotoEntry]) -> SegmentRecord:
    """Write the file of a segment of photographs in one step; return its record.

    Args:
        folder: the folder of the index.
        file: the name of the file.
        entries: at least one photograph.

    Raises:
        DataError: the file cannot be written.
    """
    hashes = bytearray.fromhex("".join(entry.sha256 for entry in entries))
    more = {
        "boxes": torch.from_numpy(np.concatenate([entry.boxes for entry in entries]).astype(np.float32)),
        "sizes": torch.tensor([entry.size for entry in entries], dtype=torch.int32),
        "hashes": torch.frombuffer(hashes, dtype=torch.uint8).view(-1, 32),
        "stamps": torch.tensor([entry.stamp for entry in entries], dtype=torch.int64),
        "name_lengths": torch.tensor([len(os.fsencode(entry.name)) for entry in entries], dtype=torch.int32),
    }
    return write_rows(folder, file, entries, more)


class PhotoSegment(Segment):
    """A segment of photographs, mapped into memory."""

    @staticmethod
    def _further(record: SegmentRecord) -> Layout:
        n = record.rows
        return {
            "boxes": ((record.vectors, 4), torch.float32),
            "sizes": ((n, 2), torch.int32),
            "hashes": ((n, 32), torch.uint8),
            "stamps": ((n, 2), torch.int64),
            "name_lengths": ((n,), torch.int32),
        }

    def regions_of(self, rows: NDArray[np.int64], buffer: Tensor | None = None, *, short: bool = False) -> Tensor:
        """(K, R, H) float16: v_i of the regions of some photographs; those with fewer than R repeat their first.

        Args:
            rows: (K,) the photographs.
            buffer: a float16 tensor that is resized for the result; allocating another for each call takes time.
            short: whether to return (K, R, d) short vectors.

        Raises:
            ArtifactError: the segment is damaged.
        """
        vectors = self.parts_of(short=short)
        starts, ends = self._offsets[rows], self._offsets[rows + 1]
        self._check(bool((starts >= 0).all() and (starts < ends).all() and (ends <= len(vectors)).all()))
        counts = ends - starts
        steps = np.arange(int(counts.max()))
        index = starts[:, None] + np.where(steps < counts[:, None], steps, 0)
        out = torch.empty(0, dtype=torch.float16) if buffer is None else buffer
        out.resize_(index.size, vectors.shape[1])
        torch.index_select(vectors, 0, torch.from_numpy(index.ravel()), out=out)
        return out.view(*index.shape, -1)

    def key_of(self, row: int) -> str:
        """The absolute path of a photograph.

        Raises:
            ArtifactError: the segment is damaged.
        """
        return os.fsdecode(self._path_bytes(row))

    def name_of(self, row: int) -> str:
        """The name of a photograph in the folder that was indexed.

        Raises:
            ArtifactError: the segment is damaged.
        """
        path, length = self._path_bytes(row), int(self._arrays["name_lengths"][row])
        self._check(0 < length <= len(path))
        return os.fsdecode(path[len(path) - length :])

    def _path_bytes(self, row: int) -> bytes:
        path = self._text(row)
        self._check(b"\0" not in path)
        return path

    def hash_of(self, row: int) -> str:
        """SHA-256 of a photograph's file, in hexadecimal."""
        return bytes(self._arrays["hashes"][row]).hex()

    def stamp_of(self, row: int) -> Stamp:
        """The stamp of a photograph's file."""
        size, modified = self._arrays["stamps"][row].tolist()
        return size, modified

    def size_of(self, row: int) -> tuple[int, int]:
        """Width and height of a photograph, in pixels.

        Raises:
            ArtifactError: the segment is damaged.
        """
        width, height = self._arrays["sizes"][row].tolist()
        self._check(width > 0 and height > 0)
        return width, height

    def boxes_of(self, row: int) -> NDArray[np.float32]:
        """(R, 4) float32: the boxes of a photograph, in pixels of the upright original.

        Raises:
            ArtifactError: the segment is damaged.
        """
        start, end = self._span(row)
        boxes: NDArray[np.float32] = self._arrays["boxes"][start:end]
        self._check(start < end and bool(np.isfinite(boxes).all()))
        return boxes

    def entry(self, row: int) -> PhotoEntry:
        """Everything about a photograph.

        Raises:
            ArtifactError: the segment is damaged.
        """
        return PhotoEntry(
            path=self.key_of(row),
            name=self.name_of(row),
            sha256=self.hash_of(row),
            stamp=self.stamp_of(row),
            size=self.size_of(row),
            boxes=self.boxes_of(row),
            vectors=self.vectors_of(row),
        )
