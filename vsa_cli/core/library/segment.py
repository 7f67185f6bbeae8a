"""A segment of an index: some photographs with everything that a query needs of them, in one safetensors file.

With n photographs, s regions in all (those of a photograph are adjacent, and its region 0 is the whole image), paths of
p bytes in all, and H the size of the common space::

    whole         (n, H)  float16   vectors of whole images; absent for a model without them
    regions       (s, H)  float16   v_i of every region
    boxes         (s, 4)  float32   x1 y1 x2 y2, in pixels of the upright original
    offsets       (n+1,)  int64     photograph r has the regions offsets[r] to offsets[r+1] - 1
    sizes         (n, 2)  int32     width and height, in pixels
    hashes        (n, 32) uint8     SHA-256 of the file
    stamps        (n, 2)  int64     bytes of the file, and its modification time in nanoseconds; -1 if unknown
    paths         (p,)    uint8     absolute paths, in the bytes of the file system
    path_offsets  (n+1,)  int64     photograph r has the path paths[path_offsets[r]:path_offsets[r+1]]
    name_lengths  (n,)    int32     the last bytes of the path that are the photograph's name in its folder

The file is mapped, not read: pages are loaded when they are used, and the operating system may drop them again. It is
untrusted: types and shapes are compared with the manifest when it is opened, positions when they are used.
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

from vsa_cli.core.config import IndexConfig
from vsa_cli.core.errors import ArtifactError, DataError, reason
from vsa_cli.core.learning.model_dir import read_tensors, write_tensors
from vsa_cli.core.library.manifest import SegmentRecord

Stamp = tuple[int, int]
"""Bytes of a file, and its modification time in nanoseconds: a file whose stamp is the same has not changed."""

NO_STAMP: Stamp = (-1, -1)


@dataclass(frozen=True)
class Entry:
    """A photograph of an index.

    Attributes:
        path: its absolute path.
        name: the end of the path that is its name in the folder that was indexed.
        sha256: SHA-256 of its file, in hexadecimal.
        stamp: the stamp of its file.
        size: width and height of the upright original, in pixels.
        boxes: (R, 4) float32, in pixels of the upright original; the first is the whole image.
        regions: (R, H) float16, v_i of each region.
        whole: (H,) float16, the vector of the whole image; None for a model without them.
    """

    path: str
    name: str
    sha256: str
    stamp: Stamp
    size: tuple[int, int]
    boxes: NDArray[np.float32]
    regions: Tensor
    whole: Tensor | None


def write_segment(folder: Path, file: str, entries: Sequence[Entry]) -> SegmentRecord:
    """Write the file of a segment in one step; return its record.

    Args:
        folder: the folder of the index.
        file: the name of the file.
        entries: at least one photograph.

    Raises:
        DataError: the file cannot be written.
    """
    paths = [os.fsencode(entry.path) for entry in entries]
    text = b"".join(paths)
    tensors = {
        "regions": torch.cat([entry.regions for entry in entries]),
        "boxes": torch.from_numpy(np.concatenate([entry.boxes for entry in entries]).astype(np.float32)),
        "offsets": _offsets([len(entry.regions) for entry in entries]),
        "sizes": torch.tensor([entry.size for entry in entries], dtype=torch.int32),
        "hashes": torch.frombuffer(bytearray.fromhex("".join(e.sha256 for e in entries)), dtype=torch.uint8).view(
            -1, 32
        ),
        "stamps": torch.tensor([entry.stamp for entry in entries], dtype=torch.int64),
        "paths": torch.frombuffer(bytearray(text), dtype=torch.uint8),
        "path_offsets": _offsets(list(map(len, paths))),
        "name_lengths": torch.tensor([len(os.fsencode(entry.name)) for entry in entries], dtype=torch.int32),
    }
    whole = [entry.whole for entry in entries if entry.whole is not None]
    if whole:
        tensors["whole"] = torch.stack(whole)
    write_tensors(folder / file, tensors, {})
    try:
        size = (folder / file).stat().st_size
    except OSError as error:
        raise DataError(f"{folder / file}: {reason(error)}") from error
    return SegmentRecord(file, size, len(entries), len(tensors["regions"]), len(text))


def _offsets(lengths: Sequence[int]) -> Tensor:
    return torch.cat([torch.zeros(1, dtype=torch.int64), torch.tensor(lengths, dtype=torch.int64).cumsum(0)])


class Segment:
    """A segment, mapped into memory.

    Attributes:
        path: its file.
        record: what the manifest lists of it.
        whole: (n, H) float16 vectors of whole images; None for a model without them.

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
        tensors, _ = read_tensors(self.path)
        expected = _layout(record, config)
        found = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
        if found != expected:
            raise ArtifactError(f"{self.path}: damaged (its contents differ from the manifest)")
        self.whole = tensors.get("whole")
        self._regions = tensors["regions"]
        arrays = {name: tensor.numpy() for name, tensor in tensors.items() if name not in ("whole", "regions")}
        self._boxes, self._sizes, self._hashes = arrays["boxes"], arrays["sizes"], arrays["hashes"]
        self._stamps, self._paths, self._name_lengths = arrays["stamps"], arrays["paths"], arrays["name_lengths"]
        self._offsets, self._path_offsets = arrays["offsets"], arrays["path_offsets"]

    def __len__(self) -> int:
        """The number of rows, deleted ones included."""
        return self.record.photographs

    @property
    def most_regions(self) -> int:
        """The number of regions of the photograph that has the most; of a damaged segment, any number from 1."""
        return int(np.diff(self._offsets).max(initial=1))

    def rows(self) -> NDArray[np.int64]:
        """The rows that are not deleted, in ascending order."""
        return np.delete(np.arange(len(self)), list(self.record.deleted))

    def regions_of(self, rows: NDArray[np.int64], buffer: Tensor | None = None) -> Tensor:
        """(K, R, H) float16: v_i of the regions of some photographs; those with fewer than R repeat their first.

        Args:
            rows: (K,) the photographs.
            buffer: a float16 tensor that is resized for the result; allocating another for each call takes time.

        Raises:
            ArtifactError: the segment is damaged.
        """
        starts, ends = self._offsets[rows], self._offsets[rows + 1]
        self._check(bool((starts >= 0).all() and (starts < ends).all() and (ends <= len(self._regions)).all()))
        counts = ends - starts
        steps = np.arange(int(counts.max()))
        index = starts[:, None] + np.where(steps < counts[:, None], steps, 0)
        out = torch.empty(0, dtype=torch.float16) if buffer is None else buffer
        out.resize_(index.size, self._regions.shape[1])
        torch.index_select(self._regions, 0, torch.from_numpy(index.ravel()), out=out)
        return out.view(*index.shape, -1)

    def path_of(self, row: int) -> str:
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
        path, length = self._path_bytes(row), int(self._name_lengths[row])
        self._check(0 < length <= len(path))
        return os.fsdecode(path[len(path) - length :])

    def _path_bytes(self, row: int) -> bytes:
        start, end = int(self._path_offsets[row]), int(self._path_offsets[row + 1])
        self._check(0 <= start < end <= len(self._paths))
        path = self._paths[start:end].tobytes()
        self._check(b"\0" not in path)
        return path

    def hash_of(self, row: int) -> str:
        """SHA-256 of a photograph's file, in hexadecimal."""
        return bytes(self._hashes[row]).hex()

    def stamp_of(self, row: int) -> Stamp:
        """The stamp of a photograph's file."""
        size, modified = self._stamps[row].tolist()
        return size, modified

    def size_of(self, row: int) -> tuple[int, int]:
        """Width and height of a photograph, in pixels.

        Raises:
            ArtifactError: the segment is damaged.
        """
        width, height = self._sizes[row].tolist()
        self._check(width > 0 and height > 0)
        return width, height

    def boxes_of(self, row: int) -> NDArray[np.float32]:
        """(R, 4) float32: the boxes of a photograph, in pixels of the upright original.

        Raises:
            ArtifactError: the segment is damaged.
        """
        start, end = int(self._offsets[row]), int(self._offsets[row + 1])
        self._check(0 <= start < end <= len(self._boxes))
        boxes: NDArray[np.float32] = self._boxes[start:end]
        self._check(bool(np.isfinite(boxes).all()))
        return boxes

    def entry(self, row: int) -> Entry:
        """Everything about a photograph.

        Raises:
            ArtifactError: the segment is damaged.
        """
        return Entry(
            path=self.path_of(row),
            name=self.name_of(row),
            sha256=self.hash_of(row),
            stamp=self.stamp_of(row),
            size=self.size_of(row),
            boxes=self.boxes_of(row),
            regions=self.regions_of(np.array([row]))[0],
            whole=None if self.whole is None else self.whole[row],
        )

    def _check(self, is_sound: bool) -> None:
        if not is_sound:
            raise self.damage()

    def damage(self) -> ArtifactError:
        """The error of a damaged segment."""
        return ArtifactError(f"{self.path}: damaged; make the index again (`force` replaces it)")


def _layout(record: SegmentRecord, config: IndexConfig) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    n, s, h = record.photographs, record.regions, config.size
    layout: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
        "regions": ((s, h), torch.float16),
        "boxes": ((s, 4), torch.float32),
        "offsets": ((n + 1,), torch.int64),
        "sizes": ((n, 2), torch.int32),
        "hashes": ((n, 32), torch.uint8),
        "stamps": ((n, 2), torch.int64),
        "paths": ((record.text,), torch.uint8),
        "path_offsets": ((n + 1,), torch.int64),
        "name_lengths": ((n,), torch.int32),
    }
    return {**layout, "whole": ((n, h), torch.float16)} if config.whole else layout
