"""Regions that other programs described, taken over into a `regions.h5`. Trusts nothing in them; knows no file format.

Such programs mostly have no box for the whole image. Region 0 is then the whole image with the mean of the regions'
descriptors, which is what captioners of such features give their language models. Where a program dropped the boxes,
every region takes the whole image's: ranking and captioning do without them, and alignment cannot show where.
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
from vsa_cli.core.corpus.splits import by_every_name
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.envelope import REGIONS, VERSIONS, Envelope
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.features import to_half
from vsa_cli.core.regions.store import ImageRegions, write_regions

MOST_REGIONS, LARGEST_DESCRIPTOR = 10_000, 1 << 16
"""Of one image, and numbers of one region; a file that claims more is not believed."""

_PART = 1024  # regions in memory at once
_NAMED = 20


@dataclass(frozen=True)
class ImportedRegions:
    """A photograph as another program's file describes it.

    Attributes:
        where: its place in the file, for messages.
        name: what the file calls the photograph: an id, a path or a file name.
        size: width and height in pixels, where the file tells them.
        boxes: (K, 4) x1 y1 x2 y2 in pixels of the original; None where the program dropped them.
        descriptors: (K, D).
    """

    where: str
    name: str
    size: tuple[int, int] | None
    boxes: NDArray[np.float32] | None
    descriptors: NDArray[np.float32]


@dataclass
class Converted:
    """What a conversion made.

    Attributes:
        images: with regions; `regions` of all of them, each of `descriptor_size` numbers.
        failed: entries that could not be taken; `failures` says why, of the first.
        strangers: entries of photographs that are not in the corpus.
        notes: what the user should know, a line each.
        tick: called for every photograph.
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
        """Count an image in."""
        self.images += 1
        self.regions += len(regions.boxes)
        self.descriptor_size = regions.descriptors.shape[1]
        self.tick()
        return regions

    def summary(self) -> dict[str, int]:
        """The conversion in numbers, as `--json` prints it."""
        return {
            "images": self.images,
            "regions": self.regions,
            "descriptor_size": self.descriptor_size,
            "failed": self.failed,
            "not_in_corpus": self.unmatched,
        }

    def fail(self, message: str) -> None:
        """Note an entry that could not be taken."""
        self.failed += 1
        if len(self.failures) < _NAMED:
            self.failures.append(message)


def import_regions(
    out: Path,
    found: Iterable[ImportedRegions | str],
    corpus: Corpus,
    split: str,
    cnn: str,
    parents: Mapping[str, Mapping[str, str]],
    made: Converted,
) -> None:
    """Write `regions.h5` from another program's regions, in memory bounded by the largest photograph's.

    Args:
        out: replaced in one step when all is written.
        found: photographs, or lines that say why one could not be read.
        corpus: whose photographs they are; ids and hashes come from it.
        split: of the corpus; other photographs are strangers.
        cnn: what to call the network that described them. It is not known here: a model that learns from these
            regions takes no photographs.
        parents: what they are made from, for the envelope.
        made: counts what is taken and what is not.

    Raises:
        DataError: no photograph could be taken, or the file cannot be written.
    """
    images = corpus.split(split)
    taken = _take_all(found, images, made)
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
    found: Iterable[ImportedRegions | str], images: Sequence[Image], made: Converted
) -> Iterator[ImageRegions]:
    by_name = by_every_name(images)
    seen: set[str] = set()
    for one in found:
        image = None if isinstance(one, str) else by_name.get(one.name)
        if isinstance(one, str):
            made.fail(one)
        elif image is None:
            made.unmatched += 1
        elif image.key in seen:
            made.fail(f"{one.where}: {image.key} stands twice; the first is kept")
        else:
            try:
                regions = take(one, image)
                if made.descriptor_size not in (0, regions.descriptors.shape[1]):
                    raise DataError(f"{regions.descriptors.shape[1]} numbers a region; before, {made.descriptor_size}")
            except DataError as error:
                made.fail(f"{one.where}: {error}")
                continue
            seen.add(image.key)
            yield made.count(regions)


def take(found: ImportedRegions, image: Image) -> ImageRegions:
    """Another program's regions as ours.

    Boxes are cut to the photograph; those of which less than a pixel is left on a side go, with their descriptors.

    Raises:
        DataError: they are of another photograph, not numbers, or none is left; the message does not say where.
    """
    size = (image.width, image.height)
    if found.size not in (None, size):
        raise DataError(f"{image.key} has {_by(found.size)} pixels there and {_by(size)} in the corpus")
    descriptors = found.descriptors
    if not np.isfinite(descriptors).all():
        raise DataError(f"{image.key}: a descriptor is not of finite numbers")
    whole = geometry.whole(*size)
    if found.boxes is None:
        boxes = whole.repeat(len(descriptors), 0)
    else:
        boxes, kept = _cut(found.boxes, image)
        descriptors = descriptors[kept]
    if len(boxes) == 0:
        raise DataError(f"{image.key}: no region lies in the photograph")
    scores = np.zeros(len(boxes), np.float32)
    has_whole = found.boxes is not None or len(boxes) == 1  # one descriptor without a box is the whole image's
    if not (has_whole and np.array_equal(boxes[0], whole[0])):
        boxes, scores = np.concatenate([whole, boxes]), np.concatenate([scores[:1], scores])
        descriptors = np.concatenate([descriptors.mean(0, keepdims=True), descriptors])
    scores[0] = 1
    return ImageRegions(image.key, image.sha256, *size, boxes, scores, to_half(descriptors))


def _cut(boxes: NDArray[np.float32], image: Image) -> tuple[geometry.Boxes, NDArray[np.bool_]]:
    if not (np.isfinite(boxes).all() and (boxes[:, :2] <= boxes[:, 2:]).all()):
        raise DataError(f"{image.key}: a box is not x1 y1 x2 y2 with x1 < x2 and y1 < y2")
    limits = np.array([image.width, image.height] * 2, np.float32)
    inside = np.clip(boxes, 0, limits).astype(np.float32)
    kept = np.all(inside[:, 2:] - inside[:, :2] >= 1, axis=1)
    return inside[kept], kept


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
