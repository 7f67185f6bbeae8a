"""Shards of an unfinished extraction: results are read as written, and damage is one line."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.foreign_files import are_same, image_regions
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.io.sources import FailedPhoto, Photo
from vsa_cli.core.regions.image_regions import ImageRegions, Label, regions_to_bytes
from vsa_cli.core.regions.shards import read_shard, write_shard

FAILED = FailedPhoto(Photo("b\udce9.jpg", "b", Path("b.jpg")), "b\udce9.jpg: broken")


def test_regions_and_failures_are_read_as_written(tmp_path: Path) -> None:
    labelled = replace(image_regions("a", 3), labels=(Label(2, "zebra", 0.5),))
    results: list[ImageRegions | FailedPhoto] = [labelled, FAILED, image_regions("c", 1)]
    write_shard(tmp_path / "0.shard", results)
    images, failures = read_shard(tmp_path / "0.shard")
    assert failures == ("b\udce9.jpg: broken",)
    assert [image.image_id for image in images] == ["a", "c"]
    assert are_same(images[0], labelled)


def test_a_shard_may_hold_failures_alone(tmp_path: Path) -> None:
    write_shard(tmp_path / "0.shard", [FAILED])
    assert read_shard(tmp_path / "0.shard") == ([], ("b\udce9.jpg: broken",))


def test_every_changed_byte_and_every_truncation_is_one_line_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "0.shard"
    write_shard(path, [image_regions("a", 1), FAILED])
    data = path.read_bytes()
    for place in range(0, len(data), 5):
        for damaged in (data[:place], data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :], data[:place] * 2):
            path.write_bytes(damaged)
            with pytest.raises(ArtifactError, match=r"0\.shard: damaged \(.*\); delete it, then `resume`"):
                read_shard(path)


def sealed(count: int, failures: bytes, *records: bytes) -> bytes:
    """A shard with a valid checksum and any contents."""
    content = struct.pack("<2I", count, len(failures)) + failures + b"".join(records)
    return b"VSASHAR2" + struct.pack("<I", zlib.crc32(content)) + content


@pytest.mark.parametrize(
    "content",
    [
        sealed(0, b"{"),
        sealed(0, b"{}"),
        sealed(0, b"[" * 100_000),
        sealed(0, b"\xff"),
        sealed(2**32 - 1, b"[]"),
        sealed(1, b"[]", b"VSR2"),
        sealed(1, b"[]", regions_to_bytes(image_regions("a", 1)), b"more"),
        sealed(2, b"[]", regions_to_bytes(image_regions("a", 1))),
    ],
)
def test_other_contents_are_not_a_shard(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0.shard").write_bytes(content)
    with pytest.raises(ArtifactError, match="damaged") as caught:
        read_shard(tmp_path / "0.shard")
    assert "\n" not in str(caught.value)
