"""Shards of an unfinished `regions.h5`: small NumPy archives, each written whole. Knows no detector."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vsa_cli.core.artifacts import atomic_path, dump_json, reason
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.regions.store import ImageRegions


def write_shard(path: Path, results: Sequence[ImageRegions | str]) -> None:
    """Write what became of each photograph of a shard: its regions, or one line that says why there are none.

    Raises:
        DataError: it cannot be written.
    """
    images = [result for result in results if not isinstance(result, str)]
    about = {
        "images": [[image.image_id, image.sha256, image.width, image.height] for image in images],
        "failures": [result for result in results if isinstance(result, str)],
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
            about = json.loads(arrays["about"].tobytes())
            images = [
                ImageRegions(
                    image_id=image_id,
                    sha256=sha256,
                    width=width,
                    height=height,
                    boxes=arrays[f"boxes{i}"],
                    scores=arrays[f"scores{i}"],
                    descriptors=arrays[f"descriptors{i}"],
                )
                for i, (image_id, sha256, width, height) in enumerate(about["images"])
            ]
            return images, tuple(about["failures"])
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"{path}: damaged ({reason(error)}); delete it, then --resume") from error
