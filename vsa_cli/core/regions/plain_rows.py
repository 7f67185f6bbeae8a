"""Where descriptors lie in a regions file, for reading them without HDF5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PlainRows:
    """Where the rows of /descriptors are in a file that stores them plainly.

    Attributes:
        file: the descriptor of the open file, which is the store's.
        dtype: the type of the numbers.
        starts: (C,) int64 first byte of each chunk.
        chunk_rows: the rows of a chunk.
    """

    file: int
    dtype: np.dtype[Any]
    starts: NDArray[np.int64]
    chunk_rows: int


def find_rows(data: Any, file: Any) -> PlainRows | None:
    """Where the rows of a dataset are in its file; None if they are not stored plainly, but compressed for instance.

    Args:
        data: a two-dimensional dataset of h5py.
        file: its open file.
    """
    rows, size = data.shape
    chunks = data.chunks or data.shape
    if data.id.get_create_plist().get_nfilters() or file.userblock_size or chunks[1] != size:
        return None
    if data.chunks is None:
        starts: list[int | None] = [data.id.get_offset()]
    else:
        found = (data.id.get_chunk_info_by_coord((first, 0)) for first in range(0, rows, chunks[0]))
        starts = [one.byte_offset if one.size == chunks[0] * size * data.dtype.itemsize else None for one in found]
    if not starts or None in starts:
        return None
    return PlainRows(file.id.get_vfd_handle(), data.dtype, np.array(starts, np.int64), max(chunks[0], 1))
