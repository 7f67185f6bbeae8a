"""A captioning from request to captions: by which model or baseline, of which photographs, with or without regions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from vsa_cli.core.config import Baseline, DecodingConfig, RegionCaptionConfig, RegionConfig
from vsa_cli.core.corpus.corpus import Corpus, read_corpus
from vsa_cli.core.errors import UsageError
from vsa_cli.core.generation.artifact import read_generator
from vsa_cli.core.generation.captioned import Captioned
from vsa_cli.core.generation.captioner import Captioner
from vsa_cli.core.generation.neighbours import NearestNeighbour
from vsa_cli.core.generation.region_captions import RegionCaptioner
from vsa_cli.core.generation.streams import (
    RegionSpeaker,
    Speaker,
    caption_photos,
    caption_split,
    look_at_all,
    look_at_whole,
)
from vsa_cli.core.learning.pack import bundled_model
from vsa_cli.core.regions.cache import RegionCache
from vsa_cli.core.regions.looking import describer_for, extractor_for
from vsa_cli.core.regions.recipe import Recipe
from vsa_cli.core.regions.sources import Source
from vsa_cli.core.regions.store import RegionStore


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

    sources: Iterable[Source] | None
    refuse: Callable[[Source], str | None]
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


def captions(request: Request) -> Iterator[Captioned]:
    """Captions as they come, once everything that is needed has been read.

    Raises:
        MissingError: weights are not here.
        VsaError: an input is missing or damaged, or inputs do not fit one another.
    """
    stored = _stored(request)
    speaker, regions, recipe = _speakers(request, stored)
    if request.sources is None:
        if stored is None:
            raise UsageError("nothing to caption: name photographs, or a corpus with its regions file")
        corpus, store = stored
        recipe.require_from(store.envelope, str(store.path))
        return caption_split(speaker, corpus, store, request.split, batch=request.batch, regions=regions)
    if speaker.looks_at_regions or regions is not None:
        recipe = recipe if speaker.looks_at_regions else _with_boxes(recipe)
        cache = RegionCache(request.cache, recipe) if request.cache is not None else None
        look = look_at_all(extractor_for(recipe, request.cnn_weights, request.device), cache)
    else:
        describer = describer_for(recipe, request.cnn_weights, request.device)
        look = look_at_whole(describer, recipe.config.photo_side)
    return caption_photos(
        speaker,
        lambda source: request.refuse(source) or look(source),
        request.device,
        request.sources,
        batch=request.batch,
        workers=request.workers,
        regions=regions,
    )


def _stored(request: Request) -> tuple[Corpus, RegionStore] | None:
    if request.corpus is None or request.regions_file is None:
        return None
    return read_corpus(request.corpus), RegionStore(request.regions_file)


def _speakers(
    request: Request, stored: tuple[Corpus, RegionStore] | None
) -> tuple[Speaker, RegionSpeaker | None, Recipe]:
    """What says captions of images, what says captions of regions, and how photographs are described for both."""
    if request.baseline is not None:
        if stored is None:
            raise UsageError("--baseline takes its sentences from a --corpus with its --regions-file: name them")
        corpus, store = stored
        neighbours = NearestNeighbour(corpus, store, request.decoding.nbest, others=request.sources is None)
        return neighbours, None, Recipe.of(store.envelope, str(store.path))
    trained = read_generator(request.model or bundled_model("gen"), request.device)
    captioner = Captioner(trained, request.decoding, request.seed)
    regions = None
    if request.regions is not None:
        one = Captioner(trained, replace(request.decoding, nbest=1), request.seed)
        regions = RegionCaptioner(one, request.regions, learnt_regions="snippets" in trained.envelope.config)
    return captioner, regions, trained.recipe


def _with_boxes(recipe: Recipe) -> Recipe:
    """The recipe of a model of whole images, with a detector that finds boxes in new photographs."""
    config = recipe.config
    if config.top and config.detector != "boxes":
        return recipe
    return replace(recipe, config=replace(config, detector=RegionConfig.detector, top=RegionConfig.top))
