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
from numpy.typing import NDArray

from tests.foreign_files import are_same, image_regions
from vsa_cli.core.regions.image_regions import MAX_LABELS, Label, MirroredView, regions_from_bytes, regions_to_bytes

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


LABELS = (Label(0, "zebra", 1.0), Label(2, "ünï", 0.5), Label(2, "zebra", 0.0), Label(0, "x" * 100, 0.25))


def test_labels_are_read_as_written_in_their_order() -> None:
    regions = dataclasses.replace(image_regions("a", 3), labels=LABELS)
    data = regions_to_bytes(regions)
    assert are_same(regions_from_bytes(b"before" + data + b"more", 6)[0], regions)


@pytest.mark.parametrize(
    "label",
    [
        Label(3, "zebra", 0.5),
        Label(2**32 - 1, "zebra", 0.5),
        Label(0, "", 0.5),
        Label(0, "x" * 101, 0.5),
        Label(0, "a\0b", 0.5),
        Label(0, "zebra", -0.1),
        Label(0, "zebra", 1.1),
        Label(0, "zebra", float("nan")),
        Label(0, "zebra", float("inf")),
    ],
)
@pytest.mark.parametrize("others", [(), LABELS])
def test_a_wrong_label_is_damage(label: Label, others: tuple[Label, ...]) -> None:
    data = regions_to_bytes(dataclasses.replace(image_regions("a", 3), labels=(*others, label)))
    with pytest.raises(ValueError, match="label"):
        regions_from_bytes(data)


def test_more_labels_than_a_photograph_can_have_are_damage() -> None:
    most = image_regions("a", 3)
    for count in (MAX_LABELS, MAX_LABELS + 1):
        data = regions_to_bytes(dataclasses.replace(most, labels=(LABELS[0],) * count))
        if count == MAX_LABELS:
            assert len(regions_from_bytes(data)[0].labels) == count
        else:
            with pytest.raises(ValueError, match="more than 10000 labels"):
                regions_from_bytes(data)


def test_names_that_are_not_utf8_are_damage() -> None:
    data = bytearray(regions_to_bytes(dataclasses.replace(image_regions("a", 3), labels=LABELS)))
    place = data.index(b"zebra")
    data[place] = 0xFF
    data[4:8] = struct.pack("<I", zlib.crc32(data[8:]))
    with pytest.raises(ValueError, match="utf-8"):
        regions_from_bytes(bytes(data))


def test_every_changed_byte_and_every_truncation_is_detected() -> None:
    data = regions_to_bytes(dataclasses.replace(image_regions("a.jpg", 2), labels=(Label(1, "cat", 0.5),)))
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


def same(one: NDArray[np.float16] | None, other: NDArray[np.float16] | None) -> bool:
    """Whether both are missing, or have the same shape and numbers."""
    return one is other is None or (one is not None and other is not None and np.array_equal(one, other))


KEPT = np.arange(24, dtype=np.float16).reshape(2, 3, 4)
VIEW = MirroredView(np.arange(12, dtype=np.float16).reshape(2, 6))


@pytest.mark.parametrize(("kept", "view"), [(KEPT, None), (None, VIEW), (KEPT, dataclasses.replace(VIEW, map=-KEPT))])
def test_a_map_and_a_mirrored_view_are_read_as_written_and_their_damage_is_noticed(
    kept: NDArray[np.float16] | None, view: MirroredView | None
) -> None:
    regions = dataclasses.replace(image_regions("a", 2), map=kept, mirrored=view)
    data = regions_to_bytes(regions)
    read, end = regions_from_bytes(b"xx" + data, 2)
    assert end == len(data) + 2
    assert same(read.map, kept)
    assert (read.mirrored is None) == (view is None)
    if read.mirrored is not None and view is not None:
        assert same(read.mirrored.descriptors, view.descriptors)
        assert same(read.mirrored.map, view.map)
    for place in range(len(data)):
        for damaged in (data[:place], data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]):
            with pytest.raises(ValueError, match=r"\w"):
                regions_from_bytes(damaged)
