"""Reads `regions.h5`: boxes and descriptors of many photographs.

With N images and S regions in total (the regions of an image are adjacent, and its region 0 is the whole image)::

    /descriptors  (S, D)  float16   the CNN's numbers, and after them details, if there are any (`regions.details`)
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
    /maps         (E,)    float16   maps of the CNN's trunk, image by image; like the next only in a file with maps
    /map_shapes   (N, 3)  int32     h, w and C of the map of each image, in which C is innermost
    /mirrored     (S, D)  float16   like /descriptors, of the mirrored boxes in the photographs mirrored left to right
    /mirrored_maps (E,)   float16   like /maps, of the mirrored photographs, in a file with /mirrored and /maps
    /tail         (P,)    float32   `tail.tail_weights`, in a file with maps or whose CNN is tuned
    attributes: `envelope` (JSON, format `vsa-regions`; its config is a `FeatureSpec`)
                `sha256`   (SHA-256 of the contents, by which files made from this one refer to it)

Datasets are chunked, so that a split is read without the rest. `store_writer` writes these files; no module besides
these two imports h5py. This module does not depend on detectors and CNNs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core import boxes as geometry
from vsa_cli.core.errors import ArtifactError, DataError, reason
from vsa_cli.core.io.envelope import REGIONS, VERSIONS, Envelope, check_exists, remedy
from vsa_cli.core.regions.feature_spec import DETAILS
from vsa_cli.core.regions.image_regions import ImageRegions, Label, MappedImage, are_finite
from vsa_cli.core.regions.label_table import COLUMNS, LabelTable
from vsa_cli.core.regions.plain_rows import PlainRows, find_rows

if TYPE_CHECKING:
    import h5py

CHUNK_ROWS = 512
_SHAPES = {"descriptors": 2, "boxes": 2, "scores": 1, "offsets": 1, "ids": 1, "sizes": 2, "hashes": 1}
_TEXT, _INTEGERS = ("ids", "hashes", "label_names"), ("offsets", "sizes", "labels", "label_rows", "map_shapes")
_MOST_CELLS = 1 << 16  # a side of a map is smaller

Describe = Callable[[MappedImage], NDArray[np.float16]]
"""Computes the (R, D) descriptors of an image from its map."""


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
        boxes, scores: (S, 4) and (S,) float32.
        descriptor_size: D.
        has_maps: whether the file has the map of the CNN's trunk of each image.
        has_mirrored: whether the file has the mirrored view of each image, with a map if it has maps.
    """

    def __init__(self, path: Path, describe: Describe | None = None, size: int | None = None) -> None:
        """Open and check a file.

        Args:
            path: the file.
            describe: computes the descriptors from the maps, in place of those stored; None reads these.
            size: how many numbers of each descriptor to take, the first ones; None takes all.

        Raises:
            DataError: the file cannot be read.
            ArtifactError: the file is damaged, is not a `vsa-regions` file, or has a newer version.
        """
        import h5py  # not by modules that only know this class

        self.path, self._describe, self._size = path, describe, size
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
        self._offsets = offsets = data["offsets"][:]
        self.ids: list[str] = [name.decode() for name in data["ids"][:]]
        self.hashes: list[str] = [name.decode() for name in data["hashes"][:]]
        self.sizes: NDArray[np.int32] = data["sizes"][:]
        self.boxes: NDArray[np.float32] = data["boxes"][:]
        self.scores: NDArray[np.float32] = data["scores"][:]
        self._descriptors = {False: data["descriptors"]}  # by whether they are mirrored, like the maps
        total, stored = data["descriptors"].shape
        self.descriptor_size = self._size or stored
        n = len(self.ids)
        consistent = (
            len(offsets) == n + 1
            and len(self.hashes) == n
            and self.sizes.shape == (n, 2)
            and self.boxes.shape == (total, 4)
            and self.scores.shape == (total,)
            and offsets[0] == 0
            and offsets[-1] == total
            and self.descriptor_size <= stored
            and len(set(self.ids)) == n
            and bool((np.diff(offsets) > 0).all() and np.isfinite(self.boxes).all())
        )
        if not consistent:
            raise ValueError("its datasets are inconsistent")
        self._labels = LabelTable.read({name: self._dataset(name, 1)[:] for name in COLUMNS if self._has(name)}, total)
        self.has_maps = self._has("maps")
        if self.has_maps:
            self._read_map_shapes(n)
        self.has_mirrored = self._has("mirrored")
        if self.has_mirrored:
            self._read_mirrored()
        self._rows = {image_id: row for row, image_id in enumerate(self.ids)}

    def _has(self, name: str) -> bool:
        return self._file.get(name, getlink=True) is not None

    def _read_map_shapes(self, images: int) -> None:
        maps, shapes = self._dataset("maps", 1), self._dataset("map_shapes", 2)[:].astype(np.int64)
        if shapes.shape != (images, 3) or not ((shapes > 0) & (shapes < _MOST_CELLS)).all():
            raise ValueError("its maps have no shapes")
        if not (self.sizes > 0).all():
            raise ValueError("a photograph has no size")
        sizes = shapes.prod(1)
        self._maps, self._map_shapes, self._map_offsets = {False: maps}, shapes, np.concatenate([[0], sizes.cumsum()])
        if (sizes > len(maps)).any() or self._map_offsets[-1] != len(maps):  # their sum alone could overflow
            raise ValueError("its maps do not have their shapes")

    def _read_mirrored(self) -> None:
        self._descriptors[True] = self._dataset("mirrored", 2)
        if self._descriptors[True].shape != self._descriptors[False].shape:
            raise ValueError("its mirrored views are not those of its regions")
        if self.has_maps:
            self._maps[True] = self._dataset("mirrored_maps", 1)
            if len(self._maps[True]) != self._map_offsets[-1]:
                raise ValueError("its mirrored maps do not have their shapes")

    def _dataset(self, name: str, rank: int) -> h5py.Dataset:
        import h5py

        # a link could lead to another file, and a shape could claim more than the file holds
        if self._file.get(name, getlink=True).__class__ is not h5py.HardLink:
            raise ValueError(f"/{name} is a link")
        data = self._file[name]
        if not isinstance(data, h5py.Dataset) or data.ndim != rank or data.external or data.is_virtual:
            raise ValueError(f"/{name} is not a plain {rank}-dimensional dataset")
        expected = "O" if name in _TEXT else "i" if name in _INTEGERS else "f"
        if data.dtype.kind != expected or (expected == "O" and h5py.check_string_dtype(data.dtype) is None):
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
        return ImageRegions(  # without maps and mirrored views, which few need
            image_id=image_id,
            sha256=self.hashes[row],
            width=width,
            height=height,
            boxes=self.boxes[start:end],
            scores=self.scores[start:end],
            descriptors=self._described(row),
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

    def whole_images(self, image_ids: Sequence[str], *, mirrored: bool = False) -> NDArray[np.float16]:
        """(N, D) float16: the descriptor of region 0 of each image, in the order of `image_ids`.

        Raises:
            ArtifactError: an image is not in the file, or cannot be read.
        """
        images = [self._row(image_id) for image_id in image_ids]
        starts = self._offsets[images]
        result = np.empty((len(starts), self.descriptor_size), np.float16)
        if self._describe is not None:
            for index, row in enumerate(images):
                result[index] = self._compute(self._describe, row, regions=1, mirrored=mirrored)[0]
            return result
        # HDF5 reads whole chunks: pass through the file once, block by block, instead of row by row
        order = np.argsort(starts, kind="stable")
        block, position = 64 * CHUNK_ROWS, 0
        while position < len(order):
            base = int(starts[order[position]]) // block * block
            part = slice(base, min(base + block, len(self.boxes)))
            rows = self._read("descriptors", self._descriptors, part, mirrored=mirrored)
            end = int(np.searchsorted(starts[order], base + block))
            result[order[position:end]] = rows[starts[order[position:end]] - base]
            position = end
        return result

    def padded(self, image_ids: Sequence[str], *, mirrored: bool = False) -> NDArray[np.float16]:
        """(K, R, D) float16: the descriptors of K images; those with fewer than R regions repeat their whole image.

        Raises:
            ArtifactError: an image is not in the file, or cannot be read.
        """
        rows = [self._row(image_id) for image_id in image_ids]
        counts = np.diff(self._offsets)[rows]
        result = np.empty((len(rows), int(counts.max(initial=1)), self.descriptor_size), np.float16)
        for filled, row in zip(result, rows, strict=True):
            found = self._described(row, mirrored=mirrored)
            filled[: len(found)] = found
            filled[len(found) :] = found[0]
        return result

    def padded_bytes(self, image_ids: Sequence[str], *, whole_only: bool = False) -> int:
        """The bytes of `padded`, or of `whole_images`, for these images.

        Raises:
            ArtifactError: an image is not in the file.
        """
        most = 1 if whole_only else max(map(self.count_of, image_ids), default=1)
        return len(image_ids) * most * int(self.descriptor_size) * np.dtype(np.float16).itemsize

    def rows_of(self, image_ids: Sequence[str]) -> NDArray[np.int64]:
        """(K, R) rows of /descriptors: those that `padded` reads for these images.

        Raises:
            ArtifactError: an image is not in the file.
        """
        images = [self._row(image_id) for image_id in image_ids]
        counts = np.diff(self._offsets)[images]
        place = np.arange(int(counts.max(initial=1)))
        rows: NDArray[np.int64] = self._offsets[images][:, None] + np.where(place < counts[:, None], place, 0)
        return rows

    def plain_rows(self, *, mirrored: bool = False) -> PlainRows:
        """Where the descriptors are in the file, for reading them without HDF5.

        Raises:
            ArtifactError: they are not stored plainly, row after row, but compressed for instance.
        """
        if mirrored:
            self.require_mirrored()
        found = find_rows(self._descriptors[mirrored], self._file)
        if found is None:
            raise ArtifactError(f"{self.path}: its descriptors are compressed, so they must fit in memory")
        return found

    def mapped(self, image_id: str, *, mirrored: bool = False) -> MappedImage:
        """The map and the boxes of an image, or those of the mirrored image.

        Raises:
            ArtifactError: the file has no such maps, the image is not in it, or its map cannot be read.
        """
        if not self.has_maps:
            raise ArtifactError(f"{self.path}: has no maps of the CNN")
        return self._mapped(self._row(image_id), mirrored=mirrored)

    def require_mirrored(self) -> None:
        """Check that the file has mirrored views.

        Raises:
            ArtifactError: it has none.
        """
        if not self.has_mirrored:
            raise ArtifactError(f"{self.path}: has no mirrored views; `mirrored` of `vsa extract-regions` adds them")

    @property
    def map_bytes(self) -> int:
        """The bytes of all maps; mirrored ones need as many."""
        return np.dtype(np.float16).itemsize * int(self._map_offsets[-1]) if self.has_maps else 0

    @property
    def map_channels(self) -> set[int]:
        """The numbers of channels that maps have: a single one, unless the file is damaged."""
        return set(self._map_shapes[:, 2].tolist()) if self.has_maps else set()

    def tail_weights(self) -> NDArray[np.float32]:
        """(P,) the weights of the CNN's tail that computed the descriptors.

        Raises:
            ArtifactError: the file does not have them, or they cannot be read.
        """
        try:
            weights: NDArray[np.float32] = self._dataset("tail", 1)[:].astype(np.float32)
        except (KeyError, OSError, ValueError) as error:
            raise ArtifactError(f"{self.path}: the tail of its CNN is missing or damaged ({reason(error)})") from error
        return weights

    def _mapped(self, row: int, regions: int | None = None, *, mirrored: bool = False) -> MappedImage:
        start, end = int(self._offsets[row]), int(self._offsets[row + 1])
        width, height = (int(side) for side in self.sizes[row])
        numbers = slice(int(self._map_offsets[row]), int(self._map_offsets[row + 1]))
        data = self._read("maps", self._maps, numbers, mirrored=mirrored)
        boxes = self.boxes[start:end][:regions]
        boxes = geometry.mirrored(boxes, width) if mirrored else boxes
        rows, detailed = slice(start, start + len(boxes)), self.envelope.config.get(DETAILS)
        stored = self._read("descriptors", self._descriptors, rows, mirrored=mirrored) if detailed else None
        return MappedImage(data.reshape(self._map_shapes[row]), boxes, width, height, stored)

    def _compute(
        self, describe: Describe, row: int, regions: int | None = None, *, mirrored: bool = False
    ) -> NDArray[np.float16]:
        described = describe(self._mapped(row, regions, mirrored=mirrored))
        if not are_finite(described):
            raise ArtifactError(f"{self.path}: the tail of the CNN computes numbers that are not finite")
        return described

    def _described(self, row: int, *, mirrored: bool = False) -> NDArray[np.float16]:
        """(R, D): the descriptors of an image."""
        if self._describe is not None:
            return self._compute(self._describe, row, mirrored=mirrored)
        rows = slice(int(self._offsets[row]), int(self._offsets[row + 1]))
        return self._read("descriptors", self._descriptors, rows, mirrored=mirrored)

    def _row(self, image_id: str) -> int:
        try:
            return self._rows[image_id]
        except KeyError:
            raise ArtifactError(f"{self.path}: has no image {image_id}; extract its regions first") from None

    def _read(self, what: str, views: dict[bool, h5py.Dataset], rows: slice, *, mirrored: bool) -> NDArray[np.float16]:
        if mirrored:
            self.require_mirrored()
        try:
            data: NDArray[np.float16] = views[mirrored][rows].astype(np.float16, copy=False)
        except OSError as error:
            raise ArtifactError(f"{self.path}: damaged {what} ({reason(error)})") from error
        data = data[:, : self.descriptor_size] if data.ndim > 1 else data
        if data.size and not are_finite(data):  # scores would become NaN, which JSON cannot hold
            raise ArtifactError(f"{self.path}: damaged {what} (not all are finite numbers); extract them again")
        return data

    def close(self) -> None:
        """Close the file."""
        self._file.close()
