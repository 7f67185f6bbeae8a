"""The byte layout of regions: what is written is read, and damage is detected."""

from __future__ import annotations

import dataclasses
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.foreign_files import are_same, image_regions
from vsa_cli.core.regions.image_regions import regions_from_bytes, regions_to_bytes

NAMES = ["", "a.jpg", "ünï/ çödé.png", "caf\udce9.png"]


def test_the_largest_and_smallest_half_are_read() -> None:
    limits = np.array([[65504, -65504], [6e-8, -0.0]], np.float16)
    regions = dataclasses.replace(image_regions("a", 2), descriptors=limits)
    assert are_same(regions_from_bytes(regions_to_bytes(regions))[0], regions)


@given(st.sampled_from(NAMES), st.integers(1, 9), st.integers(1, 40), st.binary(max_size=9))
def test_regions_are_read_as_written_wherever_they_start(name: str, count: int, size: int, before: bytes) -> None:
    regions = image_regions(name, count, size=size)
    data = regions_to_bytes(regions)
    found, end = regions_from_bytes(before + data + b"more", len(before))
    assert are_same(found, regions)
    assert end == len(before) + len(data)


def test_every_changed_byte_and_every_truncation_is_detected() -> None:
    data = regions_to_bytes(image_regions("a.jpg", 2))
    for place in range(len(data)):
        with pytest.raises(ValueError, match=r"."):
            regions_from_bytes(data[:place])
        changed = bytearray(data)
        changed[place] ^= 0x40
        with pytest.raises(ValueError, match=r"."):
            regions_from_bytes(bytes(changed))


@pytest.mark.parametrize(
    "change",
    [
        {"width": 0},
        {"height": 2**31},
        {"boxes": np.full((3, 4), np.nan, np.float32)},
        {"scores": np.full(3, np.inf, np.float32)},
        {"descriptors": np.array([[0, 0], [0, -np.inf], [0, 0]], np.float16)},
        {"descriptors": np.array([[0, 0], [0, 0], [np.nan, 0]], np.float16)},
        {"descriptors": np.zeros((3, 0), np.float16)},
        {"boxes": np.zeros((2, 4), np.float32)},
        {
            "boxes": np.zeros((0, 4), np.float32),
            "scores": np.zeros(0, np.float32),
            "descriptors": np.zeros((0, 6), np.float16),
        },
    ],
)
def test_an_inconsistent_record_is_damaged(change: dict[str, Any]) -> None:
    data = regions_to_bytes(dataclasses.replace(image_regions("a", 3), **change))
    with pytest.raises(ValueError, match=r"."):
        regions_from_bytes(data)


@pytest.mark.parametrize(
    "lengths",
    [
        (2**32 - 1,) * 8,
        (0, 0, 0, 0, 1, 1, 2**32 - 1, 1),
        (0, 0, 0, 0, 1, 1, 1, 2**32 - 1),
        (0, 0, 0, 2**32 - 1, 1, 1, 1, 1),
        (0, 0, 2**32 - 1, 0, 1, 1, 1, 1),
    ],
)
def test_lengths_beyond_the_record_allocate_nothing(lengths: tuple[int, ...]) -> None:
    content = struct.pack("<8I", *lengths)
    with pytest.raises(ValueError, match="cut short"):
        regions_from_bytes(b"VSR2" + struct.pack("<I", zlib.crc32(content)) + content)
