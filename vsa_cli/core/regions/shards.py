"""Shards of an unfinished `regions.h5`: files with the results of a few dozen photographs, each written in one step.

A shard, little-endian::

    magic      8 bytes    b"VSASHAR2"
    checksum   uint32     CRC-32 of the rest of the file
    lengths    2 x uint32 number of photographs with regions, bytes of the failures
    failures   JSON       a list with one line for each photograph that failed
    records               the photographs with regions, as `regions_to_bytes` writes them
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

from vsa_cli.core.errors import ArtifactError, reason
from vsa_cli.core.io.files import atomic_path
from vsa_cli.core.io.json import dump_json
from vsa_cli.core.io.sources import FailedPhoto
from vsa_cli.core.regions.image_regions import ImageRegions, regions_from_bytes, regions_to_bytes

LAYOUT = "VSASHAR2"
"""The name of the layout of shards; another version of `vsa` may use another layout."""

_HEADER = struct.Struct("<8s3I")
_CHECKED = 12  # bytes before those that the checksum covers


def write_shard(path: Path, results: Sequence[ImageRegions | FailedPhoto]) -> None:
    """Write the result of each photograph of a shard: its regions, or the reason why there are none.

    Raises:
        DataError: the file cannot be written.
    """
    records = [regions_to_bytes(result) for result in results if not isinstance(result, FailedPhoto)]
    failures = dump_json([result.reason for result in results if isinstance(result, FailedPhoto)]).encode()
    content = b"".join([struct.pack("<2I", len(records), len(failures)), failures, *records])
    with atomic_path(path) as part:
        part.write_bytes(LAYOUT.encode() + struct.pack("<I", zlib.crc32(content)) + content)


def read_shard(path: Path) -> tuple[list[ImageRegions], tuple[str, ...]]:
    """The regions in a shard, and one line for each photograph that failed.

    Raises:
        ArtifactError: the shard is damaged.
    """
    try:
        return _parse(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path}: damaged ({reason(error)}); delete it, then `resume`") from error


def _parse(data: bytes) -> tuple[list[ImageRegions], tuple[str, ...]]:
    if len(data) < _HEADER.size or not data.startswith(LAYOUT.encode()):
        raise ValueError("not a shard")
    _, checksum, count, length = _HEADER.unpack_from(data)
    if zlib.crc32(memoryview(data)[_CHECKED:]) != checksum:
        raise ValueError("wrong checksum")
    place = _HEADER.size + length
    failures = json.loads(data[_HEADER.size : place])
    if not isinstance(failures, list):
        raise ValueError("its failures are not a list")
    images = []
    for _ in range(count):
        image, place = regions_from_bytes(data, place)
        images.append(image)
    if place != len(data):
        raise ValueError("something follows its last record")
    return images, tuple(map(str, failures))
