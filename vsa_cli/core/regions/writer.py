"""Writes `regions.h5` (see `store` for what is in it), in memory bounded by a part, whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import h5py
import numpy as np

from vsa_cli.core.artifacts import Envelope, atomic_path, dump_json
from vsa_cli.core.regions.sink import sink
from vsa_cli.core.regions.store import CHUNK_ROWS, ImageRegions
from vsa_cli.core.workers import uninterrupted


def write_regions(path: Path, envelope: Envelope, parts: Iterable[Sequence[ImageRegions]], size: int) -> int:
    """Write `regions.h5` part by part, in memory bounded by one part.

    Args:
        path: the file; replaced in one step when all is written.
        envelope: with a RegionConfig.
        parts: images in the order in which they are kept.
        size: D.

    Returns:
        How many images were written.

    Raises:
        DataError: the file cannot be written.
    """
    digest = hashlib.sha256(dump_json(envelope.to_dict()).encode())
    with (
        atomic_path(path) as part_path,
        uninterrupted() as came,  # HDF5 crashes on the KeyboardInterrupt of a write to the sink
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
        offsets = [0]
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
                offsets.append(offsets[-1] + len(image.boxes))
                digest.update(image.image_id.encode() + image.boxes.tobytes() + image.descriptors.tobytes())
        file.create_dataset("offsets", data=np.array(offsets, "i8"))
        file.attrs["envelope"] = dump_json(envelope.to_dict())
        file.attrs["sha256"] = digest.hexdigest()
    return len(offsets) - 1


def _column(file: h5py.File, name: str, shape: tuple[int, ...], dtype: object) -> h5py.Dataset:
    return file.create_dataset(name, (0, *shape), maxshape=(None, *shape), dtype=dtype, chunks=(CHUNK_ROWS, *shape))


def _append(column: h5py.Dataset, rows: object) -> None:
    start = len(column)
    column.resize(start + len(rows), axis=0)  # type: ignore[arg-type]
    column[start:] = rows
