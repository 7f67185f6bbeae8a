"""Captions photographs, for `vsa caption`, `vsa doctor` and Python programs.

Photographs are encoded (`core.regions.encoder`), and their descriptors are captioned in batches by a `CaptionModel`.
Each yields a `CaptionResult`, in the order given, with an `error` if it cannot be read; memory holds a few batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vsa_cli.core import boxes as geometry
from vsa_cli.core.config import REGION_STYLE, CaptionDetector, DecodingConfig, RegionCaptionConfig, RegionConfig
from vsa_cli.core.corpus.corpus import Corpus, Image
from vsa_cli.core.device import Runtime, available_cores, one_thread_each, resolve_device, set_threads
from vsa_cli.core.generation.confidence import calibration_of, usable, withhold
from vsa_cli.core.generation.decoder import Decoder, read_generator
from vsa_cli.core.generation.decoding import resolve_decoding
from vsa_cli.core.generation.model import SentenceModel
from vsa_cli.core.generation.region_captions import RegionCaptioner
from vsa_cli.core.generation.results import CaptionModel, CaptionResult, RegionCaptionModel, SeenObject, group_sizes
from vsa_cli.core.io.sources import FailedPhoto, Photo, expand
from vsa_cli.core.learning.model_dir import Trained, bundled_model
from vsa_cli.core.regions import ssd
from vsa_cli.core.regions.cache import cache_folder
from vsa_cli.core.regions.encoder import PhotoEncoder, photo_encoder
from vsa_cli.core.regions.feature_spec import FeatureSpec, with_detector
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.tail import described_for

FindObjects = Callable[[Sequence[ImageRegions]], Sequence[tuple[SeenObject, ...]]]
"""Names the things that images show."""

BATCH_SIZE = 32
"""Photographs captioned together, by default."""


def load_captioner(
    model: Path | str | None = None,
    *,
    device: str = "auto",
    cache: Path | str | bool = True,
    threads: int = 0,
    cnn_weights: Path | str | None = None,
    detector: CaptionDetector = "auto",
    runtime: Runtime = "torch",
) -> Captioner:
    """Load a captioner.

    Example:
        >>> import vsa_cli as vsa
        >>> captioner = vsa.load_captioner()
        >>> for result in captioner.caption("photos/", beam=7):
        ...     print(result.path, result.caption, result.logprob)

    Args:
        model: the folder of a caption generator; None loads the bundled one.
        device: where the generator and the CNN run: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        cache: the folder that keeps the regions of photographs, by the content of their files; True uses the default
            folder, False keeps nothing.
        threads: CPU threads of the process, and photographs encoded at the same time; 0 uses every core.
        cnn_weights: the CNN's weight file, if it is not the one installed with its package.
        detector: the source of boxes; `auto` is `ssd` for a model with tags if it is installed, and otherwise that of
            the model's training.
        runtime: what computes the CNN: PyTorch, or OpenVINO on the CPU.

    Raises:
        ConfigError: `device` is not the name of a device, or `runtime` cannot use it.
        MissingError: the device, the bundled model or OpenVINO is missing.
        DataError: the model does not exist or cannot be read.
        ArtifactError: the model is damaged, or of another format or version.
    """
    set_threads(threads)
    where = resolve_device(device, runtime=runtime)
    generator = read_generator(bundled_model("gen") if model is None else Path(model), where)
    return Captioner(
        generator,
        device=where,
        workers=threads or available_cores(),
        cache=cache_folder() if cache is True else Path(cache) if cache else None,
        cnn_weights=None if cnn_weights is None else Path(cnn_weights),
        detector=detector,
        runtime=runtime,
    )


class Captioner:
    """A trained generator, and the CNN that encodes photographs for it; `load_captioner` makes one.

    Args:
        generator: the trained generator, on `device`.
        device: where the CNN runs.
        workers: photographs encoded at the same time.
        cache: the folder of the feature cache; None encodes every photograph again.
        cnn_weights: the CNN's weight file, if it is not the one installed with its package.
        detector: the source of boxes, as for `load_captioner`.
        runtime: what computes the CNN.

    Raises:
        ArtifactError: the generator's calibration is damaged.
    """

    def __init__(
        self,
        generator: Trained[SentenceModel],
        *,
        device: torch.device,
        workers: int,
        cache: Path | None = None,
        cnn_weights: Path | None = None,
        detector: CaptionDetector = "auto",
        runtime: Runtime = "torch",
    ) -> None:
        self._generator, self._device, self._workers = generator, device, workers
        self._calibration = calibration_of(generator.facts, "the caption generator")
        self._cache, self._cnn_weights, self._detector, self._runtime = cache, cnn_weights, detector, runtime
        self._encoders: dict[bool, PhotoEncoder] = {}  # by whether they find boxes

    def caption(
        self,
        paths: Path | str | Iterable[Path | str],
        *,
        beam: int = DecodingConfig.beam,
        nbest: int = DecodingConfig.nbest,
        regions: bool | RegionCaptionConfig = False,
        objects: bool = False,
        min_confidence: float | None = None,
        batch_size: int = BATCH_SIZE,
        seed: int = 0,
        **decoding: Any,
    ) -> list[CaptionResult]:
        """Caption photographs.

        Example:
            >>> (result,) = captioner.caption("photo.jpg", nbest=3, regions=True)
            >>> [(candidate.caption, candidate.logprob) for candidate in result.candidates]
            >>> [(region.box, region.caption, region.logprob) for region in result.regions]
            >>> sure = [one for one in captioner.caption("photos/", min_confidence=0.7) if one.caption is not None]

        Args:
            paths: a photograph, a folder of them, or several of either.
            beam: hypotheses kept by the search; 1 is greedy decoding.
            nbest: captions for each photograph.
            regions: whether to caption regions as well; a `RegionCaptionConfig` sets which captions are kept.
            objects: whether to name the things that photographs show.
            min_confidence: the confidence below which captions are withheld, from 0 to 1: the result then has no
                candidates, but a reason in `withheld`. None withholds none.
            batch_size: photographs captioned together.
            seed: random seed of the sampling.
            **decoding: further fields of `core.config.DecodingConfig`, such as `max_length`, `avoid` or `temperature`.

        Returns:
            A result for each photograph, in the order given. If it cannot be read, the result has an `error` and no
            candidates; so has the result for a folder that cannot be listed or contains no photographs.

        Raises:
            ConfigError: the settings contradict each other, or `min_confidence` requires a calibration.
            MissingError: the CNN's weights are not installed.
        """
        settings = resolve_decoding(DecodingConfig(beam=beam, nbest=nbest, **decoding))
        kept = RegionCaptionConfig() if regions is True else regions or None
        several = [paths] if isinstance(paths, (str, Path)) else paths
        photos = expand([str(path) for path in several], ())
        results = self.stream(
            photos, settings, regions=kept, objects=objects, min_confidence=min_confidence, batch_size=batch_size,
            seed=seed,
        )  # fmt: skip
        return list(results)

    def stream(
        self,
        photos: Iterable[Photo | FailedPhoto],
        decoding: DecodingConfig,
        *,
        regions: RegionCaptionConfig | None = None,
        objects: bool = False,
        min_confidence: float | None = None,
        batch_size: int = BATCH_SIZE,
        sizes: Iterable[int] | None = None,
        seed: int = 0,
    ) -> Iterator[CaptionResult]:
        """Caption photographs in the order given, each as soon as its group (`results.group_sizes`) is done.

        Args:
            photos: the photographs, consumed as they are needed.
            decoding: the settings of the search.
            regions: which captions of regions are kept; None captions no regions.
            objects: whether to name the things that images show.
            min_confidence: the confidence below which captions are withheld; None withholds none.
            batch_size: the most photographs captioned together.
            sizes: the sizes of the groups, see `caption_photos`.
            seed: random seed of the sampling.

        Raises:
            ConfigError: as for `caption`, or the model does not know a word.
            MissingError: the CNN's weights are not installed.
            ArtifactError: the CNN's weights are not those that the model was trained with.
        """
        model, region_model = self._models(decoding, regions, min_confidence, seed)
        encoder = self._encoder(boxes=model.uses_regions or regions is not None)
        named = model.objects if objects else None
        results = caption_photos(
            model, encoder, photos, batch_size=batch_size, sizes=sizes, region_model=region_model, find_objects=named
        )
        return withhold(results, min_confidence)

    def stream_split(
        self,
        corpus: Corpus,
        store: RegionStore,
        split: str,
        decoding: DecodingConfig,
        *,
        regions: RegionCaptionConfig | None = None,
        objects: bool = False,
        min_confidence: float | None = None,
        batch_size: int = BATCH_SIZE,
        seed: int = 0,
    ) -> Iterator[CaptionResult]:
        """Caption every image of a split from its stored descriptors, in the style of the corpus, as `stream` does.

        Args:
            corpus: the corpus.
            store: the regions of its images.
            split: the corpus split to caption.
            decoding: the settings of the search.
            regions: which captions of regions are kept; None captions no regions.
            objects: whether to name the things that images show.
            min_confidence: the confidence below which captions are withheld; None withholds none.
            batch_size: images captioned together.
            seed: random seed of the sampling.

        Raises:
            ConfigError: as for `caption`, or the model does not know a word.
            DataError: the corpus has no such split.
            ArtifactError: the store lacks an image, or its descriptors are not of the kind that the model needs.
        """
        if decoding.style is None and corpus.style in self._generator.model.config.styles:
            decoding = replace(decoding, style=corpus.style)
        model, region_model = self._models(decoding, regions, min_confidence, seed)
        store = described_for(self._generator.feature_spec, self._generator.tail, store)
        named = model.objects if objects else None
        results = caption_split(
            model, corpus, store, split, batch_size=batch_size, region_model=region_model, find_objects=named
        )
        return withhold(results, min_confidence)

    def _models(
        self, decoding: DecodingConfig, regions: RegionCaptionConfig | None, min_confidence: float | None, seed: int
    ) -> tuple[Decoder, RegionCaptionModel | None]:
        """The model of images, and the model of regions if they are captioned."""
        calibration = usable(self._calibration, decoding, min_confidence)
        model = Decoder(self._generator, decoding, seed, calibration)
        if regions is None:
            return model, None
        kept = regions if min_confidence is None else replace(regions, min_confidence=min_confidence)
        of_boxes = Decoder(self._generator, replace(decoding, nbest=1), seed, calibration)
        on_regions = "snippets" in self._generator.envelope.config
        style = REGION_STYLE if REGION_STYLE in self._generator.model.config.styles else None
        return model, RegionCaptioner(of_boxes, kept, trained_on_regions=on_regions, style=style)

    def _encoder(self, *, boxes: bool) -> PhotoEncoder:
        if boxes not in self._encoders:
            spec = self._with_detector(self._generator.feature_spec)
            self._encoders[boxes] = photo_encoder(
                spec if self._generator.model.uses_regions or not boxes else _with_boxes(spec),
                device=self._device, workers=self._workers, weights=self._cnn_weights, cache=self._cache,
                whole_only=not boxes, tail=self._generator.tail, runtime=self._runtime,
            )  # fmt: skip
        return self._encoders[boxes]

    def _with_detector(self, spec: FeatureSpec) -> FeatureSpec:
        """The feature spec of the model, with the source of boxes that was chosen."""
        if self._detector != "auto":
            return with_detector(spec, self._detector)
        if spec.config.detector not in ("ssd", "selective-search"):
            return spec
        has_tags = bool(self._generator.model.config.tags)
        use_ssd = ssd.is_installed() and (has_tags or spec.config.detector == "ssd")
        return with_detector(spec, "ssd" if use_ssd else "selective-search")


def _with_boxes(spec: FeatureSpec) -> FeatureSpec:
    """The feature spec of a model of whole images, with a detector that finds boxes in new photographs."""
    if spec.config.top and spec.config.detector != "boxes":
        return spec
    return replace(spec, config=replace(spec.config, detector=RegionConfig.detector, top=RegionConfig.top))


def caption_photos(
    model: CaptionModel,
    encoder: PhotoEncoder,
    photos: Iterable[Photo | FailedPhoto],
    *,
    batch_size: int,
    sizes: Iterable[int] | None = None,
    region_model: RegionCaptionModel | None = None,
    find_objects: FindObjects | None = None,
) -> Iterator[CaptionResult]:
    """Caption photographs with any model; the photographs of the next group are encoded while one is captioned.

    Args:
        model: captions images.
        encoder: encodes photographs as the model needs them.
        photos: the photographs.
        batch_size: the most photographs captioned together.
        sizes: the sizes of the groups; None takes `results.group_sizes`, the first of which are smaller.
        region_model: captions boxes; None captions none.
        find_objects: names the things that images show; None names none.
    """
    encoded = encoder.encode_all(photos, 2 * batch_size)
    batches = (list(islice(encoded, size)) for size in sizes or group_sizes(batch_size))
    for batch in takewhile(len, batches):
        with one_thread_each(encoder.device):  # also the last batch, when no photograph is being encoded any more
            captioned = list(_caption_batch(model, region_model, find_objects, batch))
        yield from captioned


def caption_split(
    model: CaptionModel,
    corpus: Corpus,
    store: RegionStore,
    split: str,
    *,
    batch_size: int,
    region_model: RegionCaptionModel | None = None,
    find_objects: FindObjects | None = None,
) -> Iterator[CaptionResult]:
    """Caption every image of a split with any model, from its stored descriptors.

    Args:
        model: captions images.
        corpus: the corpus.
        store: the regions of its images.
        split: the corpus split to caption.
        batch_size: images captioned together.
        region_model: captions boxes; None captions none.
        find_objects: names the things that images show; None names none.

    Raises:
        DataError: the corpus has no such split.
        ArtifactError: the store lacks an image.
    """
    images = corpus.split(split)
    for first in range(0, len(images), batch_size):
        batch = images[first : first + batch_size]
        if model.uses_regions or region_model is not None:
            regions = [store[image.key] for image in batch]
        else:
            regions = _whole_images(store, batch)
        photos = [Photo(image.file, image.image_id, corpus.path(image)) for image in batch]
        yield from _caption_batch(model, region_model, find_objects, list(zip(photos, regions, strict=True)))


def _whole_images(store: RegionStore, images: Sequence[Image]) -> list[ImageRegions]:
    descriptors = store.whole_images([image.key for image in images])
    return [
        ImageRegions(
            image.key,
            image.sha256,
            image.width,
            image.height,
            geometry.whole(image.width, image.height),
            np.ones(1, np.float32),
            descriptors[row : row + 1],
        )
        for row, image in enumerate(images)
    ]


def _caption_batch(
    model: CaptionModel,
    region_model: RegionCaptionModel | None,
    find_objects: FindObjects | None,
    encoded: Sequence[tuple[Photo, ImageRegions | FailedPhoto]],
) -> Iterator[CaptionResult]:
    readable = [(photo, image) for photo, image in encoded if not isinstance(image, FailedPhoto)]
    images = [image for _, image in readable]
    captions = model.caption(images, [str(photo.image_id) for photo, _ in readable]) if images else []
    boxes = region_model.caption(images, captions) if region_model is not None and images else [None] * len(images)
    objects = find_objects(images) if find_objects is not None else [None] * len(images)
    results = iter(zip(captions, boxes, objects, strict=True))
    for photo, image in encoded:
        if isinstance(image, FailedPhoto):
            regions, named = (None if given is None else () for given in (region_model, find_objects))
            yield CaptionResult(photo, (), image.reason, regions, named)
            continue
        candidates, of_boxes, seen = next(results)
        error = None if candidates else f"{photo.path}: no caption meets the constraints; allow more words, avoid fewer"
        yield CaptionResult(photo, candidates, error, of_boxes, seen, (image.width, image.height), image.sha256 or None)
