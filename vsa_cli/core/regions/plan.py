"""The plan of an extraction, made before it starts: photographs, encoder, envelope."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from vsa_cli.core.config import RegionConfig
from vsa_cli.core.corpus.corpus import Corpus, Image, read_corpus
from vsa_cli.core.corpus.photo_names import Named, PhotoNames
from vsa_cli.core.device import Precision, Runtime, resolve_precision
from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.core.io.envelope import REGIONS, VERSIONS, Envelope, parent
from vsa_cli.core.io.image_formats import find_pictures
from vsa_cli.core.io.images import read_size
from vsa_cli.core.io.sources import FailedPhoto, Photo
from vsa_cli.core.regions.cnn import STRIDE, load_cnn
from vsa_cli.core.regions.details import described_size
from vsa_cli.core.regions.detectors import GivenBoxes, build_detector
from vsa_cli.core.regions.efficientnet_lite import SCALES, LiteTail
from vsa_cli.core.regions.encoder import PhotoEncoder
from vsa_cli.core.regions.extractor import RegionExtractor
from vsa_cli.core.regions.feature_spec import KEEP_MAPS, MIRRORED, PRECISION, FeatureSpec
from vsa_cli.core.regions.features import FeatureExtractor, input_size
from vsa_cli.core.regions.fused_lite import Forward
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.lite_runtimes import lite_runtime
from vsa_cli.core.regions.tail import map_bytes, tail_sha256, tail_weights

_MAP_SIDE = 320  # pixels: small regions need a finer map than the CNN was trained with; words are placed better
_SAMPLE = 1000  # photographs of a folder whose size is read to estimate the median


@dataclass(frozen=True)
class InputFiles:
    """Files that the user names for an extraction; None uses the default.

    Attributes:
        images: the folder of the photographs, if not the one recorded in the corpus.
        cnn_weights: the weight file of the CNN.
        detector_weights: the weight file of Faster R-CNN.
        boxes: the user's own boxes.
    """

    images: Path | None = None
    cnn_weights: Path | None = None
    detector_weights: Path | None = None
    boxes: Path | None = None


@dataclass(frozen=True)
class TunedCnn:
    """The tuned tail of a model's CNN, and how descriptors are extracted with it."""

    spec: FeatureSpec
    tail: LiteTail


class RegionSource(Protocol):
    """Gives the regions of photographs."""

    def encode_all(self, photos: Sequence[Photo], ahead: int) -> Iterator[tuple[Photo, ImageRegions | FailedPhoto]]:
        """Each photograph with its regions, or the reason why it has none, in order; `ahead` bounds the memory."""


@dataclass(frozen=True)
class Extraction:
    """An extraction that is ready to run.

    Attributes:
        photos: the photographs, in the order in which they are written.
        encoder: gives the regions of each of them.
        envelope: the envelope of the regions file.
        spec: how the descriptors are computed.
        failures: one line for each folder of photographs that cannot be listed.
        unmatched: names in the file of boxes that match no photograph.
        tail: the weights of the CNN's tail, if they are to be written.
        map_bytes: about how many bytes the maps of the CNN's trunk will take; 0 if they are not kept.
        mirrored_bytes: about how many bytes the mirrored views will take; 0 without them.
    """

    photos: list[Photo]
    encoder: RegionSource
    envelope: Envelope
    spec: FeatureSpec
    failures: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    tail: NDArray[np.float32] | None = None
    map_bytes: int = 0
    mirrored_bytes: int = 0


def plan_extraction(
    source: Path,
    split: str,
    config: RegionConfig,
    files: InputFiles,
    *,
    device: torch.device,
    workers: int,
    seed: int,
    keep_maps: bool = False,
    mirrored: bool = False,
    tuned: TunedCnn | None = None,
    precision: Precision = "float32",
    runtime: Runtime = "torch",
) -> Extraction:
    """Plan everything that `extract_regions` needs.

    Args:
        source: a `corpus.json`, or a folder of photographs.
        split: the corpus split to extract; `all` for a folder.
        config: the requested configuration; sides of 0 are replaced by their defaults.
        files: files named by the user.
        device: the device on which the CNN runs.
        workers: photographs encoded at the same time.
        seed: recorded in the envelope; extraction itself is deterministic.
        keep_maps: whether to keep the map of the CNN's trunk, from which its tail can learn.
        mirrored: whether to compute the mirrored view of each photograph, too.
        tuned: the tuned CNN of a model, which replaces the configured CNN, way of describing and sides, except for a
            `photo_side` that is given, and adds details if the model needs them; None uses the published CNN.
        precision: the precision of the CNN's products.
        runtime: what computes the CNN; OpenVINO only in float32.

    Raises:
        VsaError: an input is missing or wrong, or weights are not installed.
    """
    if source.is_dir():
        if split != "all" or files.images is not None:
            raise ConfigError(f"{source}: is a folder; `split` and `images` go with a corpus.json")
        inputs = _from_folder(source)
    else:
        inputs = _from_corpus(read_corpus(source, files.images), split)
    if tuned is not None:
        given, like = config.photo_side, tuned.spec.config
        config = replace(
            config,
            cnn=like.cnn,
            describe=like.describe,
            side=like.side,
            photo_side=given or like.photo_side,
            details=config.details or like.details,
        )
    if runtime == "openvino" and precision != "float32":
        raise ConfigError(f"`precision` {precision}: `runtime` openvino computes in float32")
    computing = lite_runtime(runtime, config.cnn, workers)
    if config.details and config.cnn not in SCALES:
        raise ConfigError(f"{config.cnn}: `details` need an EfficientNet-Lite, whose inner map they describe")
    cnn = load_cnn(config.cnn, files.cnn_weights)
    if tuned is not None:
        tuned.spec.require_cnn(cnn.sha256)
    default_side = cnn.side if config.describe == "crop" else _MAP_SIDE
    side = STRIDE * max(1, round((config.side or default_side) / STRIDE))
    config = replace(config, side=side, photo_side=config.photo_side or _median(inputs))
    features = FeatureExtractor(cnn, side, config.describe, device, resolve_precision(precision, device), computing)
    detector = build_detector(config, features, files.boxes, files.detector_weights, inputs.names)
    tail = None if tuned is None else tuned.tail
    if (keep_maps or tail is not None or config.details) and config.describe == "crop":
        raise ConfigError(
            "`describe` crop: has no map of the whole photograph, which `details` and the tail of a CNN need; use roi"
        )
    used = tail if tail is not None else cnn.tail if keep_maps else None
    forward: Forward | None = None if tail is None else tail.to(device)
    if tail is not None and precision == "float32":  # for which alone layers are fused
        forward = computing.tail(tail)
    extractor = RegionExtractor(features, detector, config.photo_side, forward, keep_maps, config.details, mirrored)
    size = described_size(config.cnn, cnn.descriptor_size, details=config.details)
    spec = FeatureSpec(config, cnn.sha256, size, "" if tail is None else tail_sha256(tail))
    recorded = recorded_with(spec, keep_maps=keep_maps, mirrored=mirrored)
    of_maps = _map_bytes(inputs, config) if keep_maps else 0
    of_views = view_bytes(spec, len(inputs.photos) * (1 + config.top)) + of_maps if mirrored else 0
    if precision != "float32":
        recorded[PRECISION] = precision
    return Extraction(
        inputs.photos,
        PhotoEncoder(lambda: extractor, device, None, workers),
        Envelope(format=REGIONS, version=VERSIONS[REGIONS], config=recorded, parents=inputs.parents, seed=seed),
        spec,
        inputs.failures,
        detector.unmatched if isinstance(detector, GivenBoxes) else (),
        None if used is None else tail_weights(used),
        of_maps,
        of_views,
    )


def recorded_with(spec: FeatureSpec, *, keep_maps: bool, mirrored: bool) -> dict[str, Any]:
    """The configuration of a regions file: how descriptors are computed, and what the file has beside them."""
    kept = {KEEP_MAPS: keep_maps, MIRRORED: mirrored}
    return {**spec.to_dict(), **{name: True for name, wanted in kept.items() if wanted}}


def view_bytes(spec: FeatureSpec, regions: int) -> int:
    """The bytes of the mirrored views of a number of regions, without maps."""
    return regions * spec.descriptor_size * np.dtype(np.float16).itemsize


def _median(inputs: _Inputs) -> int:
    """The median shorter side, in pixels."""
    return round(statistics.median(min(size) for size in inputs.sizes))


def _map_bytes(inputs: _Inputs, config: RegionConfig) -> int:
    """About how many bytes the maps of all photographs take, by those whose sizes are known."""
    known = [map_bytes(config.cnn, input_size(*size, config.side)) for size in inputs.sizes]
    return round(statistics.fmean(known) * len(inputs.photos))


@dataclass(frozen=True)
class _Inputs:
    """Photographs and their names, width and height of some or all in pixels, parents of their regions, failures."""

    photos: list[Photo]
    names: PhotoNames[Named]
    sizes: list[tuple[int, int]]
    parents: Mapping[str, Mapping[str, str]]
    failures: tuple[str, ...] = ()


def _from_corpus(corpus: Corpus, split: str) -> _Inputs:
    root = corpus.require_photographs()
    if not root.is_dir():
        raise DataError(f"{root}: no such folder of photographs; name their folder with `images`")

    def photo(image: Image) -> Photo:
        file = corpus.path(image)
        return Photo(str(file), image.key, file, image.sha256)

    sizes = [(image.width, image.height) for image in corpus.images]
    parents = {"corpus": parent(corpus.envelope.format, corpus.sha256)}
    names: PhotoNames[Named] = PhotoNames(corpus.images, str(root.resolve()))
    return _Inputs([photo(image) for image in corpus.split(split)], names, sizes, parents)


def _from_folder(folder: Path) -> _Inputs:
    found = find_pictures(folder)
    paths = found.paths
    if not paths:
        raise DataError(found.failures[0] if found.failures else f"{folder}: contains no photographs")
    photos = [Photo(str(path), path.relative_to(folder).as_posix(), path) for path in paths]
    sizes = []
    for path in paths[:_SAMPLE]:
        try:
            sizes.append(read_size(path))
        except DataError:
            continue  # `extract_regions` reports it
    if not sizes:
        raise DataError(f"{folder}: none of the photographs in it can be read")
    names: PhotoNames[Named] = PhotoNames([_NamedFile(str(photo.image_id)) for photo in photos], str(folder.resolve()))
    return _Inputs(photos, names, sizes, {}, tuple(found.failures))


@dataclass(frozen=True)
class _NamedFile:
    """A photograph of a folder, whose id is its path in the folder."""

    file: str

    @property
    def key(self) -> str:
        return self.file
