"""Computes the regions (boxes and descriptors) of photographs in the same way as for a model's training photographs.

`RegionExtractor.extract` processes one photograph: file, picture, feature map, boxes, descriptors. `PhotoEncoder` adds
the cache and the threads, and is the one place where a photograph that cannot be read becomes a `FailedPhoto`.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vsa_cli.core import boxes as geometry
from vsa_cli.core.device import one_thread_each
from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.io.images import read_picture
from vsa_cli.core.io.sources import FailedPhoto, Photo
from vsa_cli.core.io.threads import Job, Workers
from vsa_cli.core.regions.cache import RegionCache
from vsa_cli.core.regions.cnn import load_cnn
from vsa_cli.core.regions.detectors import NO_BOXES, Detector, build_detector
from vsa_cli.core.regions.efficientnet_lite import LiteTail
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.features import FeatureExtractor, to_half
from vsa_cli.core.regions.fused_lite import Forward, fused_tail
from vsa_cli.core.regions.image_regions import ImageRegions, are_finite

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RegionExtractor:
    """A CNN and a detector, which compute the regions of one photograph.

    Attributes:
        feature_extractor: the CNN that computes the descriptors of boxes.
        detector: the source of boxes; None for the whole image alone.
        photo_side: the shorter side, in pixels, to which larger photographs are reduced first; None keeps their size.
        tail: a tuned tail of the CNN (`fused_lite.fused_tail`), which computes the descriptors; None uses the published
            one. Boxes are always chosen by the published one, whose classifier knows its descriptors.
        keep_map: whether to keep the map of the CNN's trunk.
    """

    feature_extractor: FeatureExtractor
    detector: Detector | None
    photo_side: int | None
    tail: Forward | None = None
    keep_map: bool = False

    def extract(self, photo: Photo) -> ImageRegions:
        """The regions of a photograph, the whole image first.

        Raises:
            DataError: the photograph cannot be read, or has changed since its corpus was prepared.
            ArtifactError: a tuned tail computes numbers that are not finite.
        """
        # only caches and corpora need the hash; without either the file is read once, not twice
        sha256 = file_sha256(photo.file) if self.detector is not None or photo.sha256 is not None else ""
        if photo.sha256 not in (None, sha256):
            raise DataError(f"{photo.file}: has changed since the corpus was prepared")
        picture = read_picture(photo.file, self.photo_side)
        for note in picture.notes:
            _LOG.warning(note)
        features, found = self.feature_extractor, NO_BOXES
        trunk_map = features.trunk_map(picture) if self.tail is not None or self.keep_map else None
        feature_map = None
        if self.detector is not None:
            feature_map = features.map(picture) if trunk_map is None else features.deepen(trunk_map)
            found = self.detector.choose(str(photo.image_id), picture, feature_map)
        if trunk_map is not None and self.tail is not None:
            feature_map = _deepen(trunk_map, self.tail)
        elif trunk_map is not None and feature_map is None:
            feature_map = features.deepen(trunk_map)
        boxes = np.concatenate([geometry.whole(picture.width, picture.height), found.boxes])
        descriptors = to_half(features.regions(picture, boxes, feature_map))
        if self.tail is not None and not are_finite(descriptors):
            raise ArtifactError("the tuned CNN of the model computes numbers that are not finite; train it again")
        return ImageRegions(
            image_id=str(photo.image_id),
            sha256=sha256,
            width=picture.width,
            height=picture.height,
            boxes=boxes,
            scores=np.concatenate([[1.0], found.scores]).astype(np.float32),
            descriptors=descriptors,
            labels=found.labels,
            map=to_half(trunk_map.permute(1, 2, 0).cpu().numpy()) if self.keep_map and trunk_map is not None else None,
        )


@torch.inference_mode()
def _deepen(trunk_map: Tensor, tail: Forward) -> Tensor:
    """(C', h / 2, w / 2): the map of the whole CNN, from the (C, h, w) map of its trunk."""
    return tail(trunk_map[None])[0]


class PhotoEncoder:
    """Computes the regions of photographs, several at the same time, with a cache.

    Args:
        make_extractor: creates the `RegionExtractor`; called at the first photograph that is not in the cache, because
            loading a CNN takes longer than reading a thousand photographs from the cache.
        device: the device of the CNN.
        cache: keeps regions by the content of the photograph's file; None encodes every photograph again.
        workers: photographs encoded at the same time.
    """

    def __init__(
        self,
        make_extractor: Callable[[], RegionExtractor],
        device: torch.device,
        cache: RegionCache | None,
        workers: int,
    ) -> None:
        self._make_extractor, self.device, self._cache, self._workers = make_extractor, device, cache, workers
        self._loading = threading.Lock()
        self._extractor: RegionExtractor | None = None

    @property
    def extractor(self) -> RegionExtractor:
        """The `RegionExtractor`; created on first use.

        Raises:
            MissingError: weights are not installed.
            ArtifactError: the weights found are not those that the model was trained with.
        """
        with self._loading:
            if self._extractor is None:
                self._extractor = self._make_extractor()
            return self._extractor

    def encode(self, photo: Photo | FailedPhoto) -> ImageRegions | FailedPhoto:
        """The regions of a photograph, or why there are none; may be called from several threads.

        Raises:
            VsaError: the CNN or the detector cannot be loaded.
        """
        if isinstance(photo, FailedPhoto):
            return photo
        try:
            known = None if self._cache is None else self._cache.get(file_sha256(photo.file))
        except DataError as error:
            return FailedPhoto(photo, str(error))
        if known is not None:
            return replace(known, image_id=str(photo.image_id))
        extractor = self.extractor
        try:
            regions = extractor.extract(photo)
        except DataError as error:
            return FailedPhoto(photo, str(error))
        if self._cache is not None:
            self._cache.put(regions)
        return regions

    def encode_all(
        self, photos: Iterable[Photo | FailedPhoto], ahead: int = 64
    ) -> Iterator[tuple[Photo, ImageRegions | FailedPhoto]]:
        """Each photograph with its regions, in the order given, each as soon as it is encoded.

        Args:
            photos: any number of photographs, taken from the iterable only as they are needed; failures pass through.
            ahead: how many photographs may be encoded before the first of them is taken, which bounds the memory.
        """
        upcoming = iter(photos)
        with one_thread_each(self.device), Workers(self._workers) as workers:
            jobs: deque[tuple[Photo, Job[ImageRegions | FailedPhoto]]] = deque()
            while True:
                for one in islice(upcoming, ahead - len(jobs)):
                    photo = one.photo if isinstance(one, FailedPhoto) else one
                    jobs.append((photo, workers.submit(self.encode, one)))
                if not jobs:
                    return
                photo, job = jobs.popleft()
                yield photo, job.result()


def feature_extractor_for(spec: FeatureSpec, weights: Path | None, device: torch.device) -> FeatureExtractor:
    """The feature extractor of a specification.

    Args:
        spec: how the descriptors of a model's training photographs were computed.
        weights: the CNN's weight file, if not the one installed with its package.
        device: the device on which the CNN runs.

    Raises:
        MissingError: the CNN's weights are not installed.
        ArtifactError: the weights found are not those that the model was trained with.
    """
    with one_thread_each(torch.device("cpu")):  # many small products, each as slow as the thread on the busiest core
        cnn = load_cnn(spec.config.cnn, weights)
    spec.require_cnn(cnn.sha256)
    return FeatureExtractor(cnn, spec.config.side, spec.config.describe, device)


def photo_encoder(
    spec: FeatureSpec,
    *,
    device: torch.device,
    workers: int,
    weights: Path | None = None,
    cache: Path | None = None,
    whole_only: bool = False,
    tail: LiteTail | None = None,
) -> PhotoEncoder:
    """The encoder of new photographs for a model.

    Args:
        spec: how the descriptors of the model's training photographs were computed.
        device: the device on which the CNN runs.
        workers: photographs encoded at the same time.
        weights: the CNN's weight file, if not the one installed with its package.
        cache: the folder of the feature cache; None uses no cache. Whole images alone are never cached.
        whole_only: whether to encode the whole image alone, without boxes.
        tail: the tuned tail of the CNN that the specification names, if it names one.

    Raises:
        ConfigError: the training photographs had the user's own boxes, which new photographs lack, or the regions of
            another program.
        ArtifactError: the tail is missing, or the specification names none.

    When the CNN is first needed, MissingError is raised if its weights are not installed, and ArtifactError if they
    are not those that the model was trained with.
    """
    spec.require_computable()
    if (tail is None) == bool(spec.tail_sha256):
        raise ArtifactError(f"{spec.config.cnn}: its tuned tail is missing, or was not tuned")

    def make_extractor() -> RegionExtractor:
        features = feature_extractor_for(spec, weights, device)
        detector = None if whole_only else build_detector(spec.config, features, None, None)
        tuned = None if tail is None else fused_tail(tail.to(device))
        return RegionExtractor(features, detector, spec.config.photo_side, tuned)

    kept = RegionCache(cache, spec) if cache is not None and not whole_only else None
    return PhotoEncoder(make_extractor, device, kept, workers)
