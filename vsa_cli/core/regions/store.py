"""Reads and writes `regions.h5`: boxes and descriptors of many photographs.

With N images and S regions in total (the regions of an image are adjacent, and its region 0 is the whole image)::

    /descriptors  (S, D)  float16
    /boxes        (S, 4)  float32   x1 y1 x2 y2 in pixels of the upright original photograph
    /scores       (S,)    float32   the detector's; 1 for the whole image
    /offsets      (N+1,)  int64     image n has the regions offsets[n] to offsets[n+1] - 1
    /ids          (N,)    utf-8     the image's id
    /sizes        (N, 2)  int32     width and height in pixels
    /hashes       (N,)    utf-8     SHA-256 of the photograph's file
    /label_names  (M,)    utf-8     the names of what regions show; like the next three only in a file with labels
    /labels       (L,)    int32     label l has the name label_names[labels[l]]
    /label_rows   (L,)    int64     and the region at this row of /descriptors; ascending
    /label_scores (L,)    float32   and this confidence, from 0 to 1
    attributes: `envelope` (JSON, format `vsa-regions`; its config is a `FeatureSpec`)
                `sha256`   (SHA-256 of the contents, by which files made from this one refer to it)

Datasets are chunked, so that a split is read without the rest. The only module that imports h5py; independent of
detectors and CNNs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.errors import ArtifactError, DataError, reason
from vsa_cli.core.io.envelope import REGIONS, VERSIONS, Envelope, check_exists, remedy
from vsa_cli.core.io.files import atomic_path
from vsa_cli.core.io.guarded_file import sink
from vsa_cli.core.io.json import dump_json
from vsa_cli.core.io.threads import uninterrupted
from vsa_cli.core.regions.image_regions import ImageRegions, Label
from vsa_cli.core.regions.label_table import NO_LABELS, LabelCollector, LabelTable

CHUNK_ROWS = 512
_SHAPES = {"descriptors": 2, "boxes": 2, "scores": 1, "offsets": 1, "ids": 1, "sizes": 2, "hashes": 1}
_LABEL_COLUMNS = ("label_names", "labels", "label_rows", "label_scores")
_TEXT, _INTEGERS = ("ids", "hashes", "label_names"), ("offsets", "sizes", "labels", "label_rows")


class RegionStore:
    """An open `regions.h5`.

    Descriptors are read when they are needed; everything else is small and kept in memory.

    Attributes:
        path: the file.
        envelope: its envelope, the metadata header.
        sha256: SHA-256 of its contents.
        ids: the ids of the images, in the order of the file.
        sizes: (N, 2) int32, width and height in pixels.
        hashes: SHA-256 of each photograph's file.
        boxes: (S, 4) float32.
        scores: (S,) float32.
        descriptor_size: D.
    """

    def __init__(self, path: Path) -> None:
        """Open and check a file.

        Raises:
            DataError: the file cannot be read.
            ArtifactError: the file is damaged, is not a `vsa-regions` file, or has a newer version.
        """
        self.path = path
        check_exists(path, REGIONS)
        try:
            self._file = h5py.File(path, "r", locking=False)
        except OSError as error:
            raise DataError(f"{path}: cannot be read as HDF5 ({reason(error)}){remedy(REGIONS)}") from error
        try:
            self._read_head()
        except (KeyError, OSError, ValueError, TypeError, RuntimeError, RecursionError) as error:
            raise ArtifactError(f"{path}: damaged regions file ({reason(error)})") from error

    def _read_head(self) -> None:
        envelope = self._file.attrs.get("envelope")
        self.envelope = Envelope.from_dict(
            json.loads(envelope) if isinstance(envelope, str) else None, str(self.path), REGIONS, VERSIONS[REGIONS]
        )
        self.sha256 = str(self._file.attrs["sha256"])
        data = {name: self._dataset(name, rank) for name, rank in _SHAPES.items()}
        offsets = data["offsets"][:]
        self.ids: list[str] = [name.decode() for name in data["ids"][:]]
        self.hashes: list[str] = [name.decode() for name in data["hashes"][:]]
        self.sizes: NDArray[np.int32] = data["sizes"][:]
        self.boxes: NDArray[np.float32] = data["boxes"][:]
        self.scores: NDArray[np.float32] = data["scores"][:]
        self._descriptors = data["descriptors"]
        self.descriptor_size: int = self._descriptors.shape[1]
        n, total = len(self.ids), len(self._descriptors)
        consistent = (
            len(offsets) == n + 1
            and len(self.hashes) == n
            and self.sizes.shape == (n, 2)
            and self.boxes.shape == (total, 4)
            and self.scores.shape == (total,)
            and offsets[0] == 0
            and offsets[-1] == total
            and bool((np.diff(offsets) > 0).all())
            and len(set(self.ids)) == n
            and bool(np.isfinite(self.boxes).all())
        )
        if not consistent:
            raise ValueError("its datasets are inconsistent")
        self._offsets = offsets
        self._labels = self._read_labels(total)
        self._rows = {image_id: row for row, image_id in enumerate(self.ids)}

    def _read_labels(self, regions: int) -> LabelTable:
        present = [name for name in _LABEL_COLUMNS if self._file.get(name, getlink=True) is not None]
        if not present:
            return NO_LABELS
        if len(present) < len(_LABEL_COLUMNS):
            raise ValueError(f"has /{present[0]}, but not all of {', '.join(f'/{name}' for name in _LABEL_COLUMNS)}")
        names, labels, rows, scores = (self._dataset(name, 1)[:] for name in _LABEL_COLUMNS)
        table = LabelTable(tuple(name.decode() for name in names), labels, rows, scores)
        table.check(regions)
        return table

    def _dataset(self, name: str, rank: int) -> h5py.Dataset:
        # a link could lead to another file, and a shape could claim more than the file holds
        if self._file.get(name, getlink=True).__class__ is not h5py.HardLink:
            raise ValueError(f"/{name} is a link")
        data = self._file[name]
        if not isinstance(data, h5py.Dataset) or data.ndim != rank or data.external or data.is_virtual:
            raise ValueError(f"/{name} is not a plain {rank}-dimensional dataset")
        expected = "O" if name in _TEXT else "i" if name in _INTEGERS else "f"
        is_object = expected == "O"  # a string, or else a list or a reference
        if data.dtype.kind != expected or (is_object and h5py.check_string_dtype(data.dtype) is None):
            raise ValueError(f"/{name} has the type {data.dtype}")
        if data.id.get_storage_size() < data.nbytes:
            raise ValueError(f"/{name} claims more than is stored")
        return data

    def __len__(self) -> int:
        """The number of images."""
        return len(self.ids)

    def __contains__(self, image_id: object) -> bool:
        """Whether the file has regions of an image."""
        return image_id in self._rows

    def __getitem__(self, image_id: str) -> ImageRegions:
        """The regions of one image.

        Raises:
            ArtifactError: the image is not in the file, or cannot be read.
        """
        row = self._row(image_id)
        start, end = int(self._offsets[row]), int(self._offsets[row + 1])
        width, height = (int(side) for side in self.sizes[row])
        return ImageRegions(
            image_id=image_id,
            sha256=self.hashes[row],
            width=width,
            height=height,
            boxes=self.boxes[start:end],
            scores=self.scores[start:end],
            descriptors=self._read(slice(start, end)),
            labels=self._labels.between(start, end),
        )

    @property
    def label_names(self) -> tuple[str, ...]:
        """The distinct names of all labels; empty for a file without labels."""
        return self._labels.names

    def labels_of(self, image_id: str) -> tuple[Label, ...]:
        """The labels of an image, by region; its descriptors are not read.

        Raises:
            ArtifactError: the image is not in the file.
        """
        row = self._row(image_id)
        return self._labels.between(int(self._offsets[row]), int(self._offsets[row + 1]))

    def hash_of(self, image_id: str) -> str:
        """SHA-256 of the photograph with this id.

        Raises:
            ArtifactError: the image is not in the file.
        """
        return self.hashes[self._row(image_id)]

    def count_of(self, image_id: str) -> int:
        """The number of regions of an image.

        Raises:
            ArtifactError: the image is not in the file.
        """
        row = self._row(image_id)
        return int(self._offsets[row + 1] - self._offsets[row])

    def whole_images(self, image_ids: Sequence[str]) -> NDArray[np.float16]:
        """(N, D) float16: the descriptor of region 0 of each image, in the order of `image_ids`.

        Raises:
            ArtifactError: an image is not in the file, or cannot be read.
        """
        starts = self._offsets[[self._row(image_id) for image_id in image_ids]]
        result = np.empty((len(starts), self.descriptor_size), np.float16)
        # HDF5 reads whole chunks: pass through the file once, block by block, instead of row by row
        order = np.argsort(starts, kind="stable")
        block = 64 * CHUNK_ROWS
        position = 0
        while position < len(order):
            base = int(starts[order[position]]) // block * block
            rows = self._read(slice(base, min(base + block, len(self._descriptors))))
            end = int(np.searchsorted(starts[order], base + block))
            result[order[position:end]] = rows[starts[order[position:end]] - base]
            position = end
        return result

    def padded(self, image_ids: Sequence[str]) -> NDArray[np.float16]:
        """(K, R, D) float16: the descriptors of K images; those with fewer than R regions repeat their whole image.

        Raises:
            ArtifactError: an image is not in the file, or cannot be read.
        """
        rows = [self._row(image_id) for image_id in image_ids]
        counts = np.diff(self._offsets)[rows]
        result = np.empty((len(rows), int(counts.max(initial=1)), self.descriptor_size), np.float16)
        for filled, row in zip(result, rows, strict=True):
            start, end = int(self._offsets[row]), int(self._offsets[row + 1])
            filled[: end - start] = self._read(slice(start, end))
            filled[end - start :] = filled[0]
        return result

    def _row(self, image_id: str) -> int:
        try:
            return self._rows[image_id]
        except KeyError:
            raise ArtifactError(f"{self.path}: has no image {image_id}; extract its regions first") from None

    def _read(self, rows: slice) -> NDArray[np.float16]:
        try:
            data: NDArray[np.float16] = self._descriptors[rows]
        except OSError as error:
            raise ArtifactError(f"{self.path}: damaged descriptors ({reason(error)})") from error
        if not np.isfinite(data).all():  # scores would become NaN, which JSON cannot hold
            raise ArtifactError(f"{self.path}: damaged descriptors (not all are finite numbers); extract them again")
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def write_regions(path: Path, envelope: Envelope, parts: Iterable[Sequence[ImageRegions]], size: int) -> int:
    """Write `regions.h5` part by part, in memory bounded by one part.

    Args:
        path: the file; replaced in one step when everything is written.
        envelope: its envelope; the config is a `FeatureSpec`.
        parts: the images, in the order in which they are written.
        size: D.

    Returns:
        The number of images written.

    Raises:
        DataError: the file cannot be written, or the labels of an image are wrong.
    """
    digest = hashlib.sha256(dump_json(envelope.to_dict()).encode())
    with (
        atomic_path(path) as part_path,
        uninterrupted() as came,  # HDF5 crashes on a KeyboardInterrupt during a write to the sink
        sink(part_path) as out,
        h5py.File(out, "w", libver="latest") as file,
    ):
        text = h5py.string_dtype("utf-8")
        columns = {
            "descriptors": _column(file, "descriptors", (size,), "f2"),
            "boxes": _column(file, "boxes", (4,), "f4"),
            "scores": _column(file, "scores", (), "f4"),
            "ids": _column(file, "ids", (), text),
            "sizes": _column(file, "sizes", (2,), "i4"),
            "hashes": _column(file, "hashes", (), text),
        }
        offsets, labels = [0], LabelCollector()
        for images in parts:
            if came:
                raise KeyboardInterrupt
            if not images:
                continue
            _append(columns["descriptors"], np.concatenate([image.descriptors for image in images]))
            _append(columns["boxes"], np.concatenate([image.boxes for image in images]))
            _append(columns["scores"], np.concatenate([image.scores for image in images]))
            _append(columns["ids"], [image.image_id for image in images])
            _append(columns["sizes"], np.array([(image.width, image.height) for image in images], "i4"))
            _append(columns["hashes"], [image.sha256 for image in images])
            for image in images:
                digest.update(image.image_id.encode() + image.boxes.tobytes() + image.descriptors.tobytes())
                digest.update(_collect(labels, image, offsets[-1]))
                offsets.append(offsets[-1] + len(image.boxes))
        file.create_dataset("offsets", data=np.array(offsets, "i8"))
        _write_labels(file, labels.table())
        file.attrs["envelope"] = dump_json(envelope.to_dict())
        file.attrs["sha256"] = digest.hexdigest()
    return len(offsets) - 1


def _collect(labels: LabelCollector, image: ImageRegions, start: int) -> bytes:
    """Add the labels of an image; see `LabelCollector.add`.

    Raises:
        DataError: they are wrong.
    """
    try:
        return labels.add(image.labels, start, len(image.boxes))
    except ValueError as error:
        raise DataError(f"{image.image_id}: {reason(error)}") from error


def _write_labels(file: h5py.File, table: LabelTable) -> None:
    if len(table.labels) == 0:
        return
    names = h5py.string_dtype("utf-8")
    file.create_dataset("label_names", data=list(table.names), dtype=names, chunks=(min(CHUNK_ROWS, len(table.names)),))
    for name, column in (("labels", table.labels), ("label_rows", table.rows), ("label_scores", table.scores)):
        file.create_dataset(name, data=column, chunks=(min(64 * CHUNK_ROWS, len(column)),))


def _column(file: h5py.File, name: str, shape: tuple[int, ...], dtype: object) -> h5py.Dataset:
    return file.create_dataset(name, (0, *shape), maxshape=(None, *shape), dtype=dtype, chunks=(CHUNK_ROWS, *shape))


def _append(column: h5py.Dataset, rows: object) -> None:
    start = len(column)
    column.resize(start + len(rows), axis=0)  # type: ignore[arg-type]
    column[start:] = rows
