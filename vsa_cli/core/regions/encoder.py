"""Computes the regions (boxes and descriptors) of photographs in the same way as for a model's training photographs.

`PhotoEncoder` adds the cache and the threads to the `RegionExtractor` of one photograph, and is the one place where a
photograph that cannot be read becomes a `FailedPhoto`.

On a CPU each thread takes one photograph from its file to its descriptors. For a GPU, threads prepare photographs, the
CNN takes those of one size together, and threads choose their boxes. Which photographs are together depends on their
order alone, so that the same photographs have the same descriptors whatever the speed of the threads.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import torch

from vsa_cli.core.device import Runtime, one_thread_each
from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.io.sources import FailedPhoto, Photo
from vsa_cli.core.io.threads import Job, Workers
from vsa_cli.core.regions.cache import RegionCache
from vsa_cli.core.regions.detectors import build_detector
from vsa_cli.core.regions.efficientnet_lite import LiteTail
from vsa_cli.core.regions.extractor import Maps, Prepared, RegionExtractor, feature_extractor_for
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.lite_runtimes import lite_runtime

T = TypeVar("T")

TOGETHER = 32
"""Photographs that pass through the CNN together, at most, on a GPU."""

_MOST_PIXELS = TOGETHER * 320 * 480  # of photographs that pass through the CNN together, which bounds the memory


class PhotoEncoder:
    """Computes the regions of photographs, several at the same time, with a cache.

    Args:
        make_extractor: creates the `RegionExtractor`; called at the first photograph that is not in the cache, because
            loading a CNN takes longer than reading a thousand photographs from the cache.
        device: the device of the CNN.
        cache: keeps regions by the content of the photograph's file; None encodes every photograph again.
        workers: photographs encoded at the same time.
        together: photographs that pass through the CNN together, at most, of those with the same size; None is one on a
            CPU, where more are not faster, and `TOGETHER` on other devices.
    """

    def __init__(
        self,
        make_extractor: Callable[[], RegionExtractor],
        device: torch.device,
        cache: RegionCache | None,
        workers: int,
        together: int | None = None,
    ) -> None:
        self._make_extractor, self.device, self._cache, self._workers = make_extractor, device, cache, workers
        self._together = together or (1 if device.type == "cpu" else TOGETHER)
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
        return self._unless_known(photo, lambda extractor, photo: self._keep(extractor.extract(photo)))

    def _unless_known(
        self, photo: Photo | FailedPhoto, compute: Callable[[RegionExtractor, Photo], T]
    ) -> T | ImageRegions | FailedPhoto:
        """The regions of a photograph if they are in the cache, else what is computed from it."""
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
            return compute(extractor, photo)
        except DataError as error:
            return FailedPhoto(photo, str(error))

    def _keep(self, regions: ImageRegions) -> ImageRegions:
        """The same regions, which are in the cache from now on."""
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
            if self._together > 1:
                yield from self._encode_together(upcoming, ahead, workers)
                return
            jobs: deque[tuple[Photo, Job[ImageRegions | FailedPhoto]]] = deque()
            while True:
                for one in islice(upcoming, ahead - len(jobs)):
                    photo = one.photo if isinstance(one, FailedPhoto) else one
                    jobs.append((photo, workers.submit(self.encode, one)))
                if not jobs:
                    return
                photo, job = jobs.popleft()
                yield photo, job.result()

    def _encode_together(
        self, upcoming: Iterator[Photo | FailedPhoto], ahead: int, workers: Workers
    ) -> Iterator[tuple[Photo, ImageRegions | FailedPhoto]]:
        """`encode_all`, in blocks; while the CNN sees one block, the workers prepare the next.

        The first blocks are small, so that the first photograph does not wait for others.
        """
        waiting: deque[tuple[Photo, Job[Prepared | ImageRegions | FailedPhoto]]] = deque()

        def fill() -> None:
            for one in islice(upcoming, ahead - len(waiting)):
                photo = one.photo if isinstance(one, FailedPhoto) else one
                waiting.append((photo, workers.submit(self._prepare, one)))

        size = 1
        with Workers(self._workers) as finishing:  # their jobs are short, and do not queue behind those of `workers`
            fill()
            while waiting:
                block = [waiting.popleft() for _ in range(min(size, len(waiting)))]
                prepared = [(photo, job.result()) for photo, job in block]
                fill()
                yield from self._finish_block(prepared, finishing)
                size = min(2 * size, max(1, ahead // 2))

    def _prepare(self, photo: Photo | FailedPhoto) -> Prepared | ImageRegions | FailedPhoto:
        return self._unless_known(photo, lambda extractor, photo: extractor.prepare(photo))

    def _finish_block(
        self, block: Sequence[tuple[Photo, Prepared | ImageRegions | FailedPhoto]], finishing: Workers
    ) -> Iterator[tuple[Photo, ImageRegions | FailedPhoto]]:
        of_shape: dict[tuple[int, ...], list[Prepared]] = defaultdict(list)
        for _, one in block:
            if isinstance(one, Prepared):
                of_shape[() if one.pixels is None else one.pixels.shape].append(one)
        jobs: dict[int, Job[ImageRegions]] = {}
        for shape, prepared in of_shape.items():
            most = max(1, min(self._together, _MOST_PIXELS // math.prod(shape[:2])))
            for first in range(0, len(prepared), most):
                part = prepared[first : first + most]
                for one, maps in zip(part, self.extractor.maps(part), strict=True):
                    jobs[id(one)] = finishing.submit(self._finish, one, maps)
        for photo, found in block:
            yield photo, jobs[id(found)].result() if isinstance(found, Prepared) else found

    def _finish(self, prepared: Prepared, maps: Maps) -> ImageRegions:
        return self._keep(self.extractor.finish(prepared, maps))


def photo_encoder(
    spec: FeatureSpec,
    *,
    device: torch.device,
    workers: int,
    weights: Path | None = None,
    cache: Path | None = None,
    whole_only: bool = False,
    tail: LiteTail | None = None,
    runtime: Runtime = "torch",
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
        runtime: what computes the CNN.

    Raises:
        ConfigError: the training photographs had the user's own boxes, which new photographs lack, or the regions of
            another program; or the runtime does not compute the CNN.
        ArtifactError: the tail is missing, or the specification names none.

    When the CNN is first needed, MissingError is raised if its weights are not installed, and ArtifactError if they
    are not those that the model was trained with.
    """
    spec.require_computable()
    if (tail is None) == bool(spec.tail_sha256):
        raise ArtifactError(f"{spec.config.cnn}: its tuned tail is missing, or was not tuned")

    computing = lite_runtime(runtime, spec.config.cnn, workers)

    def make_extractor() -> RegionExtractor:
        features = feature_extractor_for(spec, weights, device, computing)
        detector = None if whole_only else build_detector(spec.config, features, None, None)
        tuned = None if tail is None else computing.tail(tail.to(device))
        return RegionExtractor(features, detector, spec.config.photo_side, tuned, with_details=spec.config.details)

    kept = RegionCache(cache, spec) if cache is not None and not whole_only else None
    return PhotoEncoder(make_extractor, device, kept, workers)
