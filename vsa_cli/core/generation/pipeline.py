"""Captions for a stream of photographs, and for a corpus's split. Knows no model: something that says captions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vsa_cli.core import boxes as geometry
from vsa_cli.core.config import Baseline, DecodingConfig, RegionCaptionConfig, RegionConfig
from vsa_cli.core.corpus.corpus import Corpus, Image, read_corpus
from vsa_cli.core.errors import ConfigError
from vsa_cli.core.generation.artifact import read_generator
from vsa_cli.core.generation.baseline import NearestNeighbour
from vsa_cli.core.generation.captioner import Captioner
from vsa_cli.core.generation.region_captions import RegionCaptioner
from vsa_cli.core.generation.results import CaptionModel, CaptionResult, RegionCaptionModel
from vsa_cli.core.io.sources import FailedPhoto, Photo
from vsa_cli.core.learning.model_dir import bundled_model
from vsa_cli.core.regions.encoder import PhotoEncoder, photo_encoder
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.store import ImageRegions, RegionStore, pad


def caption_photos(
    caption_model: CaptionModel,
    encoder: PhotoEncoder,
    photos: Iterable[Photo],
    *,
    batch: int,
    regions: RegionCaptionModel | None = None,
) -> Iterator[CaptionResult]:
    """Caption photographs in the order given; those of the next batch are described while this one is captioned.

    Memory is bounded by a few batches, however many photographs there are.

    Args:
        caption_model: generates captions.
        encoder: describes photographs as the model needs them.
        photos: the photographs.
        batch: photographs captioned together.
        regions: generates captions of boxes; None for none.
    """
    encoded = encoder.encode_all(photos, 2 * batch)
    while group := list(islice(encoded, batch)):
        yield from _caption(caption_model, regions, group)


def caption_split(
    caption_model: CaptionModel,
    corpus: Corpus,
    store: RegionStore,
    split: str,
    *,
    batch: int,
    regions: RegionCaptionModel | None = None,
) -> Iterator[CaptionResult]:
    """Caption every image of a split from its stored descriptors.

    Raises:
        ArtifactError: the store lacks an image.
    """
    images = corpus.split(split)
    for i in range(0, len(images), batch):
        group = images[i : i + batch]
        if caption_model.uses_regions or regions is not None:
            stored = [store[image.key] for image in group]
        else:
            stored = _whole_images(store, group)
        photos = [Photo(image.file, image.image_id, corpus.path(image)) for image in group]
        yield from _caption(caption_model, regions, list(zip(photos, stored, strict=True)))


def _whole_images(store: RegionStore, images: Sequence[Image]) -> list[ImageRegions]:
    found = store.whole_images([image.key for image in images])
    return [
        ImageRegions(
            image.key,
            image.sha256,
            image.width,
            image.height,
            geometry.whole(image.width, image.height),
            np.ones(1, np.float32),
            found[row : row + 1],
        )
        for row, image in enumerate(images)
    ]


def _caption(
    caption_model: CaptionModel,
    regions: RegionCaptionModel | None,
    encoded: Sequence[tuple[Photo, ImageRegions | FailedPhoto]],
) -> Iterator[CaptionResult]:
    good = [(photo, image) for photo, image in encoded if not isinstance(image, FailedPhoto)]
    images = [image for _, image in good]
    keys = [str(photo.image_id) for photo, _ in good]
    captions = caption_model.caption(_descriptors(caption_model, images), keys) if good else []
    boxes = regions.caption(images, captions) if regions is not None and good else [None] * len(good)
    captioned = iter(zip(captions, boxes, strict=True))
    for photo, image in encoded:
        if isinstance(image, FailedPhoto):
            yield CaptionResult(photo, (), image.reason, None if regions is None else ())
            continue
        candidates, of_boxes = next(captioned)
        error = None if candidates else f"{photo.path}: the options leave no caption; allow more words, or forbid fewer"
        yield CaptionResult(photo, candidates, error, of_boxes, (image.width, image.height), image.sha256 or None)


def _descriptors(caption_model: CaptionModel, images: Sequence[ImageRegions]) -> NDArray[np.float16]:
    if caption_model.uses_regions:
        return pad([image.descriptors for image in images])
    return np.stack([image.descriptors[0] for image in images])


@dataclass(frozen=True)
class Request:
    """A captioning, asked for.

    Attributes:
        sources: the photographs; None for a split of the corpus.
        refuse: why a photograph may not be captioned, in one line, if it may not.
        model: a trained generator's folder; None is the bundled one. A baseline needs none.
        baseline: says captions instead of a model, from the corpus's train split.
        corpus: with `regions_file`: its split is captioned, unless there are sources.
        regions_file: see there.
        split: of the corpus.
        decoding: how the model is searched.
        regions: which captions of regions are kept; None for no such captions.
        cnn_weights: the CNN's, if not its own.
        cache: a folder where the regions of photographs seen before are kept, if anywhere.
        device: of model and CNN.
        batch: photographs worded at once.
        workers: photographs looked at at once.
        seed: of the draws.
    """

    sources: Iterable[Photo] | None
    refuse: Callable[[Photo], str | None]
    model: Path | None
    baseline: Baseline | None
    corpus: Path | None
    regions_file: Path | None
    split: str
    decoding: DecodingConfig
    regions: RegionCaptionConfig | None
    cnn_weights: Path | None
    cache: Path | None
    device: torch.device
    batch: int
    workers: int
    seed: int


def captions(request: Request) -> Iterator[CaptionResult]:
    """Captions as they come, once everything that is needed has been read.

    Raises:
        MissingError: weights are not here.
        VsaError: an input is missing or damaged, or inputs do not fit one another.
    """
    stored = _stored(request)
    caption_model, regions, feature_spec = _speakers(request, stored)
    if request.sources is None:
        if stored is None:
            raise ConfigError("nothing to caption: name photographs, or a corpus with its regions file")
        corpus, store = stored
        feature_spec.require_from(store.envelope, str(store.path))
        return caption_split(caption_model, corpus, store, request.split, batch=request.batch, regions=regions)
    whole_only = not caption_model.uses_regions and regions is None
    encoder = photo_encoder(
        feature_spec if whole_only or caption_model.uses_regions else _with_boxes(feature_spec),
        device=request.device,
        workers=request.workers,
        weights=request.cnn_weights,
        cache=request.cache,
        whole_only=whole_only,
    )
    return caption_photos(caption_model, encoder, request.sources, batch=request.batch, regions=regions)


def _stored(request: Request) -> tuple[Corpus, RegionStore] | None:
    if request.corpus is None or request.regions_file is None:
        return None
    return read_corpus(request.corpus), RegionStore(request.regions_file)


def _speakers(
    request: Request, stored: tuple[Corpus, RegionStore] | None
) -> tuple[CaptionModel, RegionCaptionModel | None, FeatureSpec]:
    """What says captions of images, what says captions of regions, and how photographs are described for both."""
    if request.baseline is not None:
        if stored is None:
            raise ConfigError("--baseline takes its sentences from a --corpus with its --regions-file: name them")
        corpus, store = stored
        neighbours = NearestNeighbour(corpus, store, request.decoding.nbest, others=request.sources is None)
        return neighbours, None, FeatureSpec.of(store.envelope, str(store.path))
    trained = read_generator(request.model or bundled_model("gen"), request.device)
    captioner = Captioner(trained, request.decoding, request.seed)
    regions = None
    if request.regions is not None:
        one = Captioner(trained, replace(request.decoding, nbest=1), request.seed)
        regions = RegionCaptioner(one, request.regions, learnt_regions="snippets" in trained.envelope.config)
    return captioner, regions, trained.feature_spec


def _with_boxes(feature_spec: FeatureSpec) -> FeatureSpec:
    """The recipe of a model of whole images, with a detector that finds boxes in new photographs."""
    config = feature_spec.config
    if config.top and config.detector != "boxes":
        return feature_spec
    return replace(feature_spec, config=replace(config, detector=RegionConfig.detector, top=RegionConfig.top))
