"""Shards of an unfinished `regions.h5`: small NumPy archives, each written whole. Knows no detector."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from vsa_cli.core.errors import ArtifactError, reason
from vsa_cli.core.io.files import atomic_path
from vsa_cli.core.io.json import dump_json
from vsa_cli.core.io.sources import FailedPhoto
from vsa_cli.core.regions.store import ImageRegions


def write_shard(path: Path, results: Sequence[ImageRegions | FailedPhoto]) -> None:
    """Write what became of each photograph of a shard: its regions, or one line that says why there are none.

    Raises:
        DataError: it cannot be written.
    """
    images = [result for result in results if not isinstance(result, FailedPhoto)]
    about = {
        "images": [[image.image_id, image.sha256, image.width, image.height] for image in images],
        "failures": [result.reason for result in results if isinstance(result, FailedPhoto)],
    }
    arrays: dict[str, Any] = {}
    for i, image in enumerate(images):
        arrays |= {f"boxes{i}": image.boxes, f"scores{i}": image.scores, f"descriptors{i}": image.descriptors}
    with atomic_path(path) as part, part.open("wb") as file:
        np.savez(file, about=np.frombuffer(dump_json(about).encode(), np.uint8), **arrays)


def read_shard(path: Path) -> tuple[list[ImageRegions], tuple[str, ...]]:
    """The regions in a shard, and the failures.

    Raises:
        ArtifactError: it is damaged.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            if sum(member.file_size for member in arrays.zip.infolist()) > path.stat().st_size:
                raise ValueError("it claims more than it holds")
            about = json.loads(arrays["about"].tobytes())
            images = [_image(about, arrays, i) for i in range(len(about["images"]))]
            return images, tuple(map(str, about["failures"]))
    except _BROKEN as error:
        raise ArtifactError(f"{path}: damaged ({reason(error)}); delete it, then --resume") from error


# What NumPy and zipfile raise on damaged archives; anything else is a defect of ours and must surface.
_BROKEN = (
    OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError, MemoryError, OverflowError,
    SyntaxError, NotImplementedError, RuntimeError, TokenError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def _image(about: Any, arrays: Any, i: int) -> ImageRegions:
    image_id, sha256, width, height = about["images"][i]
    boxes, scores, descriptors = (arrays[f"{name}{i}"] for name in ("boxes", "scores", "descriptors"))
    rows = (len(boxes),)
    shapes = (boxes.shape, scores.shape, descriptors.shape[:-1]) == ((*rows, 4), rows, rows) != ((0, 4), (0,), (0,))
    types = (boxes.dtype, scores.dtype, descriptors.dtype) == (np.float32, np.float32, np.float16)
    if not shapes or not types or not isinstance(image_id, str) or not isinstance(sha256, str):
        raise ValueError("its arrays disagree")
    if not all(type(side) is int and 0 < side < 2**31 for side in (width, height)):
        raise ValueError("a photograph has no size")
    return ImageRegions(image_id, sha256, width, height, boxes, scores, descriptors)
