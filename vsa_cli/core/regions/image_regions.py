"""The regions of one photograph: the record that all packages share, and its layout in bytes.

The bytes are those of the feature cache and of the shards of an extraction. A record, little-endian, of R regions
with L labels and with descriptors of D numbers::

    magic      4 bytes        b"VSR2"
    checksum   uint32         CRC-32 of the rest of the record
    lengths    8 x uint32     bytes of the id, of the hash and of the names, L, width, height (both in pixels), R, D
    id         UTF-8          undecodable bytes of a file name kept as they are
    hash       ASCII          SHA-256 of the photograph's file, in hexadecimal
    names      UTF-8          L names of labels, with a NUL between two
    labelled   (L,)   uint32  the region of each label
    certainty  (L,)   float32 the score of each label
    boxes      (R, 4) float32
    scores     (R,)   float32
    descriptors (R, D) float16

A record with the map of the CNN's trunk has the magic b"VSR3", and after the descriptors::

    shape      3 x uint32     h, w, C
    map        (h, w, C) float16

A record with the mirrored view has the magic b"VSR4", or b"VSR5" with a map, and at its end::

    descriptors (R, D) float16    those of the mirrored boxes in the mirrored photograph
    map        (h, w, C) float16  the mirrored photograph's, only with b"VSR5"

Records are read as untrusted data: lengths are checked before anything is allocated, and no code or Python literal is
parsed, which threads could not do at the same time.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.io.json import is_text

MAX_LABELS, MAX_LABEL_NAME = 10_000, 100
"""The most labels of a photograph, and the most characters of the name of one."""

_MAGIC = {(False, False): b"VSR2", (True, False): b"VSR3", (False, True): b"VSR4", (True, True): b"VSR5"}
_PARTS = {magic: parts for parts, magic in _MAGIC.items()}  # whether it has a map, and a mirrored view
_SHAPE = struct.Struct("<3I")
_HEADER = struct.Struct("<4s9I")
_CHECKED = 8  # bytes before those that the checksum covers
_FLOAT, _HALF, _INDEX = np.dtype("<f4"), np.dtype("<f2"), np.dtype("<u4")


@dataclass(frozen=True)
class Label:
    """The name of a thing that a region shows.

    Attributes:
        region: the index of the region; 0 is the whole image.
        name: what it shows, such as `zebra`.
        score: the confidence of the detector or labeller, from 0 to 1; files hold it as float32.
    """

    region: int
    name: str
    score: float


@dataclass(frozen=True)
class MirroredView:
    """What the CNN computes from a photograph that is mirrored left to right.

    Attributes:
        descriptors: (R, D) float16, of the mirrored boxes.
        map: (h, w, C) float16, the map of the CNN's trunk, if it is kept.
    """

    descriptors: NDArray[np.float16]
    map: NDArray[np.float16] | None = None


@dataclass(frozen=True)
class ImageRegions:
    """The regions of one photograph.

    Attributes:
        image_id: the photograph's id in the corpus, as text.
        sha256: SHA-256 of its file, in hexadecimal.
        width: width of the upright photograph, in pixels.
        height: height of the upright photograph, in pixels.
        boxes: (R, 4) float32, in pixels of the upright original; the first is the whole image.
        scores: (R,) float32, the detector's; 1 for the whole image.
        descriptors: (R, D) float16.
        labels: the names that a detector gave to regions.
        map: (h, w, C) float16, the map of the CNN's trunk, if it is kept.
        mirrored: the same of the mirrored photograph, if it is computed.
    """

    image_id: str
    sha256: str
    width: int
    height: int
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    descriptors: NDArray[np.float16]
    labels: tuple[Label, ...] = ()
    map: NDArray[np.float16] | None = None
    mirrored: MirroredView | None = None

    def take(self, regions: Sequence[int]) -> ImageRegions:
        """Some of the regions, in this order, with their labels."""
        place = {region: position for position, region in enumerate(regions)}
        chosen, view = list(regions), self.mirrored
        return replace(
            self,
            boxes=self.boxes[chosen],
            scores=self.scores[chosen],
            descriptors=self.descriptors[chosen],
            labels=tuple(replace(one, region=place[one.region]) for one in self.labels if one.region in place),
            mirrored=None if view is None else replace(view, descriptors=view.descriptors[chosen]),
        )


@dataclass(frozen=True)
class MappedImage:
    """The trunk's map of a photograph, and its boxes.

    Attributes:
        map: (h, w, C) float16.
        boxes: (R, 4) float32, in pixels of the upright original; the first is the whole image.
        width: width of the upright original, in pixels.
        height: height of the upright original, in pixels.
        stored: (R, D) float16, the descriptors in the file, if they have details, which no tail changes.
    """

    map: NDArray[np.float16]
    boxes: NDArray[np.float32]
    width: int
    height: int
    stored: NDArray[np.float16] | None = None


def check_labels(labels: Iterable[Label], regions: int) -> None:
    """Check labels that come from a file or are written to one.

    Args:
        labels: the labels of a photograph.
        regions: the number of its regions.

    Raises:
        ValueError: a label names a region that the photograph lacks, its name is empty, too long or no plain text, its
            score is not a number from 0 to 1, or there are too many.
    """
    for count, label in enumerate(labels, 1):
        if count > MAX_LABELS:
            raise ValueError(f"more than {MAX_LABELS} labels")
        if not 0 <= label.region < regions:
            raise ValueError("a label has a region that does not exist")
        if not is_label_name(label.name):
            raise ValueError(f"the name of a label is not a text of 1 to {MAX_LABEL_NAME} characters")
        if not 0 <= label.score <= 1:  # nor is NaN
            raise ValueError("the score of a label is not from 0 to 1")


def is_label_name(name: object) -> TypeGuard[str]:
    """Whether a value can be the name of a label."""
    return is_text(name) and 0 < len(name) <= MAX_LABEL_NAME


def pad(images: Sequence[NDArray[np.float16]]) -> NDArray[np.float16]:
    """(B, R, D): the descriptors of B images; those with fewer than R regions repeat their whole image."""
    most = max(len(regions) for regions in images)
    return np.stack([np.concatenate([regions, regions[:1].repeat(most - len(regions), 0)]) for regions in images])


def regions_to_bytes(regions: ImageRegions) -> bytes:
    """The record of a photograph's regions."""
    name, sha256 = regions.image_id.encode("utf-8", "surrogateescape"), regions.sha256.encode("ascii")
    labels = regions.labels
    names = "\0".join(label.name for label in labels).encode()
    sides, view = (regions.width, regions.height), regions.mirrored
    content = b"".join(
        [
            struct.pack("<8I", len(name), len(sha256), len(names), len(labels), *sides, *regions.descriptors.shape),
            name,
            sha256,
            names,
            np.array([label.region for label in labels], _INDEX).tobytes(),
            np.array([label.score for label in labels], _FLOAT).tobytes(),
            regions.boxes.astype(_FLOAT).tobytes(),
            regions.scores.astype(_FLOAT).tobytes(),
            regions.descriptors.astype(_HALF).tobytes(),
            b"" if regions.map is None else _SHAPE.pack(*regions.map.shape) + regions.map.astype(_HALF).tobytes(),
            b"" if view is None else view.descriptors.astype(_HALF).tobytes(),
            b"" if view is None or view.map is None else view.map.astype(_HALF).tobytes(),
        ]
    )
    magic = _MAGIC[regions.map is not None, view is not None]
    return magic + struct.pack("<I", zlib.crc32(content)) + content


def regions_from_bytes(data: bytes, start: int = 0) -> tuple[ImageRegions, int]:
    """The regions in the record that starts at `start`, and where that record ends.

    Raises:
        ValueError: the record is damaged.
    """
    if len(data) - start < _HEADER.size:
        raise ValueError("cut short")
    magic, checksum, *lengths, labels, width, height, count, size = _HEADER.unpack_from(data, start)
    sizes = (
        *lengths,
        labels * _INDEX.itemsize,
        labels * _FLOAT.itemsize,
        4 * count * _FLOAT.itemsize,
        count * _FLOAT.itemsize,
        count * size * _HALF.itemsize,
    )
    ends = list(accumulate(sizes, initial=start + _HEADER.size))
    if magic not in _PARTS or ends[-1] > len(data):
        raise ValueError("not a record of regions, or cut short")
    (has_map, is_mirrored), record_end = _PARTS[magic], ends[-1]
    trunk_map, view = None, None
    if has_map:
        shape = _read_shape(data, record_end)
        trunk_map, record_end = _read_halves(data, record_end + _SHAPE.size, shape)
    if is_mirrored:
        described, record_end = _read_halves(data, record_end, (count, size))
        view = MirroredView(described)
        if trunk_map is not None:
            mirrored_map, record_end = _read_halves(data, record_end, trunk_map.shape)
            view = MirroredView(described, mirrored_map)
    if zlib.crc32(memoryview(data)[start + _CHECKED : record_end]) != checksum:
        raise ValueError("wrong checksum")
    if not all(0 < side < 2**31 for side in (width, height)) or not count or not size:
        raise ValueError("no size, or no regions")
    name_at, hash_at, names_at, labelled_at, certainty_at, boxes_at, scores_at, descriptors_at, _ = ends
    boxes = np.frombuffer(data, _FLOAT, 4 * count, boxes_at).reshape(count, 4).astype(np.float32)
    scores = np.frombuffer(data, _FLOAT, count, scores_at).astype(np.float32)
    descriptors = np.frombuffer(data, _HALF, count * size, descriptors_at).reshape(count, size).astype(np.float16)
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all() and are_finite(descriptors)):
        raise ValueError("not all numbers are finite")
    name = data[name_at:hash_at].decode("utf-8", "surrogateescape")
    sha256 = data[hash_at:names_at].decode("ascii")
    labelled = np.frombuffer(data, _INDEX, labels, labelled_at).tolist()
    certainty = np.frombuffer(data, _FLOAT, labels, certainty_at).tolist()
    found = _labels(data[names_at:labelled_at], labelled, certainty, count)
    return ImageRegions(name, sha256, width, height, boxes, scores, descriptors, found, trunk_map, view), record_end


def _read_shape(data: bytes, start: int) -> tuple[int, ...]:
    """The shape of the map of a record.

    Raises:
        ValueError: the record is cut short.
    """
    if len(data) - start < _SHAPE.size:
        raise ValueError("cut short")
    return _SHAPE.unpack_from(data, start)


def _read_halves(data: bytes, start: int, shape: tuple[int, ...]) -> tuple[NDArray[np.float16], int]:
    """An array that a record holds from `start`, and where it ends.

    Raises:
        ValueError: it is damaged.
    """
    count = math.prod(shape)
    if not count or start + count * _HALF.itemsize > len(data):
        raise ValueError("no numbers, or cut short")
    found = np.frombuffer(data, _HALF, count, start).reshape(shape).astype(np.float16)
    if not are_finite(found):
        raise ValueError("not all numbers are finite")
    return found, start + count * _HALF.itemsize


def _labels(names: bytes, labelled: Sequence[int], certainty: Sequence[float], regions: int) -> tuple[Label, ...]:
    """The labels of a record, checked.

    Raises:
        ValueError: they are damaged.
    """
    if not names and not labelled:
        return ()
    if names.count(b"\0") + 1 != len(labelled):
        raise ValueError("its labels are inconsistent")
    labels = tuple(map(Label, labelled, names.decode().split("\0"), certainty))
    check_labels(labels, regions)
    return labels


def are_finite(halves: NDArray[np.float16]) -> bool:
    """Whether no number is infinite or NaN, by its exponent: an eighth of the time of `numpy.isfinite`."""
    return bool((halves.view(np.uint16) & 0x7FFF).max() < 0x7C00)
