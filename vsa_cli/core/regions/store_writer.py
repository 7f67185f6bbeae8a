"""Writes `regions.h5`, whose layout `store` describes: part by part, in bounded memory, replaced in one step."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.envelope import Envelope
from vsa_cli.core.io.files import atomic_path
from vsa_cli.core.io.guarded_file import sink
from vsa_cli.core.io.json import dump_json
from vsa_cli.core.io.threads import uninterrupted
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.label_table import LabelCollector, LabelTable
from vsa_cli.core.regions.store import CHUNK_ROWS

MAP_CHUNK = 1 << 16
"""Numbers in a chunk of the maps: about a photograph's."""


def write_regions(
    path: Path,
    envelope: Envelope,
    parts: Iterable[Sequence[ImageRegions]],
    size: int,
    tail: NDArray[np.float32] | None = None,
) -> int:
    """Write `regions.h5` part by part, in memory bounded by one part.

    Args:
        path: the file; replaced in one step when everything is written.
        envelope: its envelope; the config is a `FeatureSpec`.
        parts: the images, in the order in which they are written.
        size: D.
        tail: the weights of the CNN's tail, for a file with maps or whose CNN is tuned.

    Returns:
        The number of images written.

    Raises:
        DataError: the file cannot be written, the labels of an image are wrong, or only some images have a map or
            a mirrored view.
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
        shapes: list[tuple[int, ...]] = []
        counts: Counter[str] = Counter()  # of the images that have each optional array
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
            shapes += [image.map.shape for image in images if image.map is not None]
            for name in ("maps", "mirrored", "mirrored_maps"):
                arrays = [kept[name] for image in images if name in (kept := _optional(image))]
                counts[name] += len(arrays)
                if arrays and name not in columns:
                    shape = arrays[0].shape[1:]
                    columns[name] = _column(file, name, shape, "f2", CHUNK_ROWS if shape else MAP_CHUNK)
                if arrays:
                    _append(columns[name], np.concatenate(arrays))
            for image in images:
                digest.update(image.image_id.encode() + image.boxes.tobytes() + image.descriptors.tobytes())
                digest.update(_collect(labels, image, offsets[-1]))
                offsets.append(offsets[-1] + len(image.boxes))
                for array in _optional(image).values():
                    digest.update(array.tobytes())
        if any(count not in (0, len(offsets) - 1) for count in counts.values()):
            raise DataError(f"{path}: some images have a map or a mirrored view, and others have none")
        file.create_dataset("offsets", data=np.array(offsets, "i8"))
        if shapes:
            file.create_dataset("map_shapes", data=np.array(shapes, "i4"))
        if tail is not None:
            file.create_dataset("tail", data=tail.astype("f4"))
            digest.update(tail.astype("<f4").tobytes())
        _write_labels(file, labels.table())
        file.attrs["envelope"] = dump_json(envelope.to_dict())
        file.attrs["sha256"] = digest.hexdigest()
    return len(offsets) - 1


def _optional(image: ImageRegions) -> dict[str, NDArray[np.float16]]:
    """What only some files have of an image, by dataset."""
    view = image.mirrored
    return {
        **({} if image.map is None else {"maps": image.map.ravel()}),
        **({} if view is None else {"mirrored": view.descriptors}),
        **({} if view is None or view.map is None else {"mirrored_maps": view.map.ravel()}),
    }


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


def _column(file: h5py.File, name: str, shape: tuple[int, ...], dtype: object, rows: int = CHUNK_ROWS) -> h5py.Dataset:
    return file.create_dataset(name, (0, *shape), maxshape=(None, *shape), dtype=dtype, chunks=(rows, *shape))


def _append(column: h5py.Dataset, rows: object) -> None:
    start = len(column)
    column.resize(start + len(rows), axis=0)  # type: ignore[arg-type]
    column[start:] = rows
