"""Descriptors of many images, in memory or left in their regions file.

Those left in the file are read when they are indexed, without HDF5, whose lock would make threads wait for each other:
by `preadv` from where HDF5 has put them, so that any number of threads read at the same time while others compute. What
is read often stays in the system's page cache, which is no memory of the process.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core.errors import ArtifactError, reason
from vsa_cli.core.regions.image_regions import are_finite
from vsa_cli.core.regions.store import CHUNK_ROWS, RegionStore

CAN_STREAM = hasattr(os, "preadv")
"""Whether this system reads at a place of a file in one call; Windows does not."""


class StoredDescriptors:
    """The descriptors of K images in a regions file; indexed by images, they are read as a float16 tensor.

    Args:
        store: the regions file.
        rows: (K, R) or, for one region of each image, (K,) int64: rows of its /descriptors.
        mirrored: take the descriptors of the mirrored images, in the same rows of /mirrored.

    Raises:
        ArtifactError: the file does not store its descriptors plainly.
    """

    def __init__(self, store: RegionStore, rows: NDArray[np.int64], *, mirrored: bool = False) -> None:
        self._store, self._rows, self._mirrored = store, rows, mirrored
        self._plain = store.plain_rows(mirrored=mirrored)
        # another descriptor of the same file, which a new file of its name does not replace
        self._file = os.dup(self._plain.file)
        weakref.finalize(self, os.close, self._file)

    def __len__(self) -> int:
        """K, the number of images."""
        return len(self._rows)

    def first_regions(self) -> StoredDescriptors:
        """(K, 1, D): the first region of each image."""
        return StoredDescriptors(self._store, self._rows.reshape(len(self), -1)[:, :1], mirrored=self._mirrored)

    def __getitem__(self, images: Tensor | slice) -> Tensor:
        """(B, R, D) or (B, D) float16 descriptors of images.

        Raises:
            ArtifactError: the file is damaged.
        """
        wanted = self._rows[images.numpy() if isinstance(images, Tensor) else images]
        rows, place = np.unique(wanted, return_inverse=True)
        found = self._read(rows)
        in_order = wanted.size == len(rows) and bool((place.ravel() == np.arange(len(rows))).all())
        ordered = found if in_order else found[place.ravel()]
        return torch.from_numpy(ordered.reshape(*wanted.shape, self._store.descriptor_size))

    def _read(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """(N, D): rows of the file, in ascending order; those adjacent in the file are read by one call."""
        plain, path = self._plain, self._store.path
        data = np.empty((len(rows), self._store.descriptor_size), plain.dtype)
        size = data.shape[1] * data.itemsize
        places = plain.starts[rows // plain.chunk_rows] + rows % plain.chunk_rows * size
        content = data.reshape(-1).view(np.uint8)
        cuts = [0, *(np.flatnonzero(np.diff(places) != size) + 1).tolist(), len(rows)]
        for start, end in pairwise(cuts if len(rows) else []):
            self._fill(content[start * size : end * size], int(places[start]))
        halves = data.astype(np.float16, copy=False)
        if len(rows) and not are_finite(halves):
            raise ArtifactError(f"{path}: damaged descriptors (not all are finite numbers); extract them again")
        return halves

    def _fill(self, content: NDArray[np.uint8], place: int) -> None:
        done = 0
        while done < len(content):  # a call may read less than all
            try:
                count = os.preadv(self._file, [content[done:].data], place + done)
            except OSError as error:
                raise ArtifactError(f"{self._store.path}: damaged descriptors ({reason(error)})") from error
            if count == 0:
                raise ArtifactError(f"{self._store.path}: damaged descriptors (the file is cut short)")
            done += count


Descriptors = Tensor | StoredDescriptors
"""(K, R, D) or (K, D) descriptors of K images."""


def descriptors_of(
    store: RegionStore, image_ids: Sequence[str], *, stream: bool, whole_only: bool = False, mirrored: bool = False
) -> Descriptors:
    """The descriptors of images: (K, R, D), where those with fewer than R regions repeat their whole image.

    Args:
        store: the regions file.
        image_ids: the K images.
        stream: leave them in the file, rather than reading them into memory.
        whole_only: the whole images alone, (K, D).
        mirrored: those of the mirrored images.

    Raises:
        ArtifactError: an image is not in the file or cannot be read, or the file has no mirrored views.
    """
    if stream:
        rows = store.rows_of(image_ids)
        return StoredDescriptors(store, rows[:, 0] if whole_only else rows, mirrored=mirrored)
    read = store.whole_images if whole_only else store.padded
    return torch.from_numpy(read(image_ids, mirrored=mirrored))


def of_views(descriptors: Descriptors, mirrored: Descriptors | None, images: Tensor) -> Tensor:
    """(B, ...) descriptors of images, of which index k is image k and index K + k its mirrored view.

    Args:
        descriptors: those of K images.
        mirrored: those of the mirrored images, if there are any.
        images: (B,) int64 indices.
    """
    if mirrored is None:
        return descriptors[images]
    is_mirrored = images >= len(descriptors)
    plain, other = descriptors[images[~is_mirrored]], mirrored[images[is_mirrored] - len(descriptors)]
    found = plain.new_empty(len(images), *plain.shape[1:])
    found[~is_mirrored], found[is_mirrored] = plain, other
    return found


def blocks_of(rows: NDArray[np.int64]) -> Tensor:
    """(K,) int64: the block of `CHUNK_ROWS` rows that has the first of the (K, R) rows of each image."""
    return torch.from_numpy(rows[:, 0] // CHUNK_ROWS)


def first_regions(descriptors: Descriptors) -> Descriptors:
    """(K, 1, D): the first region of each image, of (K, R, D)."""
    return descriptors[:, :1] if isinstance(descriptors, Tensor) else descriptors.first_regions()
