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
