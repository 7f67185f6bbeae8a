"""Imports regions from other programs, as untrusted data, into a `regions.h5`.

This module does not depend on their file formats.

Most programs have no box for the whole image. Region 0 is then the whole image with the mean of the regions'
descriptors, which captioners of such features feed to their language models. If a program dropped the boxes, every
region has the box of the whole image: ranking and captioning do not need boxes, but alignment cannot show any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core import boxes as geometry
from vsa_cli.core.config import RegionConfig
from vsa_cli.core.corpus.corpus import Corpus, Image
from vsa_cli.core.corpus.photo_names import PhotoNames
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.envelope import REGIONS, VERSIONS, Envelope
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.features import to_half
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.store_writer import write_regions

MOST_REGIONS, LARGEST_DESCRIPTOR = 10_000, 1 << 16
"""Regions of an image, and numbers of a descriptor; a file that claims more is rejected."""

_PART = 1024  # regions in memory at the same time
_REPORTED = 20


@dataclass(frozen=True)
class ImportedRegions:
    """The regions of a photograph in another program's file.

    Attributes:
        where: the place in the file, for messages.
        name: the photograph's name in the file: an id, a path or a file name.
        size: width and height in pixels; None if the file does not record them.
        boxes: (K, 4) x1 y1 x2 y2 in pixels of the original; None if the program dropped them.
        descriptors: (K, D).
    """

    where: str
    name: str
    size: tuple[int, int] | None
    boxes: NDArray[np.float32] | None
    descriptors: NDArray[np.float32]


@dataclass(frozen=True)
class MalformedEntry:
    """An entry of another program's file that cannot be parsed.

    Attributes:
        reason: one line that names its place and what is wrong.
    """

    reason: str


@dataclass
class Converted:
    """The result of a conversion, counted while it runs.

    Attributes:
        images: images converted.
        regions: regions of all of them.
        descriptor_size: D.
        failed: entries that could not be converted.
        failures: one line for each of the first failed entries.
        unmatched: entries of photographs that are not in the corpus.
        notes: further lines for the user.
        tick: called for every converted photograph.
    """

    images: int = 0
    regions: int = 0
    descriptor_size: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    unmatched: int = 0
    notes: list[str] = field(default_factory=list)
    tick: Callable[[], object] = lambda: None

    def count(self, regions: ImageRegions) -> ImageRegions:
        """Count an image, and return it."""
        self.images += 1
        self.regions += len(regions.boxes)
        self.descriptor_size = regions.descriptors.shape[1]
        self.tick()
        return regions

    def summary(self) -> dict[str, int]:
        """The counts as a JSON object."""
        return {
            "images": self.images,
            "regions": self.regions,
            "descriptor_size": self.descriptor_size,
            "failed": self.failed,
            "not_in_corpus": self.unmatched,
        }

    def fail(self, message: str) -> None:
        """Count an entry that could not be converted."""
        self.failed += 1
        if len(self.failures) < _REPORTED:
            self.failures.append(message)


def import_regions(
    out: Path,
    entries: Iterable[ImportedRegions | MalformedEntry],
    corpus: Corpus,
    split: str,
    cnn: str,
    parents: Mapping[str, Mapping[str, str]],
    made: Converted,
) -> None:
    """Write a `regions.h5` from another program's regions, in memory bounded by the largest photograph's.

    Args:
        out: the file; replaced in one step when everything is written.
        entries: the entries of the other program's file.
        corpus: the corpus of the photographs; ids and hashes are taken from it.
        split: the corpus split to import; other photographs count as unmatched.
        cnn: a name for the network that computed the descriptors. The network itself is unknown, so a model trained on
            these regions cannot encode photographs.
        parents: the parents recorded in the envelope.
        made: the counts of what is converted and what is not.

    Raises:
        DataError: no photograph could be converted, or the file cannot be written.
    """
    images = corpus.split(split)
    taken = _take_all(entries, images, made)
    first = next(taken, None)
    if first is None:
        why = made.failures[0] if made.failures else "no name in it is an image of the corpus"
        raise DataError(f"nothing to convert: {why}")
    size = made.descriptor_size
    config = RegionConfig(detector="boxes", top=0, cnn=cnn, describe="roi")
    feature_spec = FeatureSpec(config, "unknown", size)
    envelope = Envelope(REGIONS, VERSIONS[REGIONS], feature_spec.to_dict(), parents)
    write_regions(out, envelope, _in_parts(chain([first], taken)), size)
    if made.images < len(images):
        made.notes.append(f"{len(images) - made.images} of {len(images)} photographs of the corpus have no regions")


def _take_all(
    entries: Iterable[ImportedRegions | MalformedEntry], images: Sequence[Image], made: Converted
) -> Iterator[ImageRegions]:
    names = PhotoNames(images)
    seen: set[str] = set()
    for entry in entries:
        if isinstance(entry, MalformedEntry):
            made.fail(entry.reason)
            continue
        image = names.find(entry.name)
        if image is None:
            made.unmatched += 1
            continue
        try:
            if image.key in seen:
                raise DataError(f"duplicate of {image.key}; the first is kept")
            regions = take(entry, image)
            if made.descriptor_size not in (0, size := regions.descriptors.shape[1]):
                raise DataError(f"descriptors of {size} numbers, after descriptors of {made.descriptor_size}")
        except DataError as error:
            made.fail(f"{entry.where}: {error}")
            continue
        seen.add(image.key)
        yield made.count(regions)


def take(entry: ImportedRegions, image: Image) -> ImageRegions:
    """The regions of an entry, with the whole image as region 0.

    Boxes are clipped to the photograph. If less than a pixel is left on a side, the region is dropped.

    Raises:
        DataError: the entry belongs to another photograph, has numbers that are not finite, or no region is left. The
            message does not name its place.
    """
    size = (image.width, image.height)
    if entry.size not in (None, size):
        raise DataError(f"{image.key} has {_by(entry.size)} pixels in the file and {_by(size)} in the corpus")
    boxes, descriptors = entry.boxes, entry.descriptors
    if not np.isfinite(descriptors).all():
        raise DataError(f"{image.key}: a descriptor has numbers that are not finite")
    whole = geometry.whole(*size)
    if boxes is None:
        boxes = whole.repeat(len(descriptors), 0)
    else:
        if not (np.isfinite(boxes).all() and (boxes[:, :2] <= boxes[:, 2:]).all()):
            raise DataError(f"{image.key}: a box is not x1 y1 x2 y2 with x1 < x2 and y1 < y2")
        boxes = geometry.clip(boxes, *size)
        kept = geometry.has_pixels(boxes)
        boxes, descriptors = boxes[kept], descriptors[kept]
    if len(boxes) == 0:
        raise DataError(f"{image.key}: no region lies inside the photograph")
    scores = np.zeros(len(boxes), np.float32)
    has_whole = entry.boxes is not None or len(boxes) == 1  # a single descriptor without a box is the whole image's
    if not (has_whole and np.array_equal(boxes[0], whole[0])):
        boxes, scores = np.concatenate([whole, boxes]), np.concatenate([scores[:1], scores])
        descriptors = np.concatenate([descriptors.mean(0, keepdims=True), descriptors])
    scores[0] = 1
    return ImageRegions(image.key, image.sha256, *size, boxes, scores, to_half(descriptors))


def _by(size: tuple[int, int] | None) -> str:
    return "{}x{}".format(*size) if size else ""


def _in_parts(regions: Iterable[ImageRegions]) -> Iterator[list[ImageRegions]]:
    part: list[ImageRegions] = []
    for one in regions:
        part.append(one)
        if sum(len(each.boxes) for each in part) >= _PART:
            yield part
            part = []
    yield part
