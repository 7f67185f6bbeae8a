"""New photographs, described as a model's training photographs were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import torch

from vsa_cli.core.artifacts import file_sha256
from vsa_cli.core.device import one_thread_each
from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.regions.cache import RegionCache
from vsa_cli.core.regions.cnn import load_cnn
from vsa_cli.core.regions.describe import Describer
from vsa_cli.core.regions.detectors import build_detector
from vsa_cli.core.regions.extract import Extractor, Photo
from vsa_cli.core.regions.recipe import Recipe
from vsa_cli.core.regions.store import ImageRegions
from vsa_cli.core.workers import Workers


def describer_for(recipe: Recipe, weights: Path | None, device: torch.device) -> Describer:
    """The describer whose descriptors a model was trained on.

    Raises:
        MissingError: the CNN's weights are not here.
        ArtifactError: the weights here are not those the model was trained with.
    """
    with one_thread_each(torch.device("cpu")):  # many small products: where a core is busy, its thread holds up each
        cnn = load_cnn(recipe.config.cnn, weights)
    if cnn.sha256 != recipe.cnn_sha256:
        raise ArtifactError(f"{recipe.config.cnn}: these weights are not the ones that the model was trained with")
    return Describer(cnn, recipe.config.side, recipe.config.describe, device)


def extractor_for(recipe: Recipe, weights: Path | None, device: torch.device) -> Extractor:
    """The extractor that finds and describes regions as the training photographs' were.

    Raises:
        UsageError: they were the user's own boxes, which new photographs lack.
        MissingError: weights are not here.
        ArtifactError: the weights here are not those the model was trained with.
    """
    describer = describer_for(recipe, weights, device)
    detector = build_detector(recipe.config, describer, None, None)
    return Extractor(describer, detector, recipe.config.photo_side)


def remembering(extractor: Extractor, cache: RegionCache | None) -> Callable[[Photo], ImageRegions | str]:
    """Sees one photograph: its regions, or one line that says why it has none.

    Args:
        extractor: does it.
        cache: where photographs seen before are kept, by what is in their files, if anywhere.
    """
    if cache is None:
        return extractor.describe

    def look(photo: Photo) -> ImageRegions | str:
        try:
            seen = cache.get(file_sha256(photo.path))
        except DataError as error:
            return str(error)
        if seen is not None:
            return replace(seen, image_id=photo.image_id)
        found = extractor.describe(photo)
        if not isinstance(found, str):
            cache.put(found)
        return found

    return look


def look_at(
    photos: Iterable[Photo], extractor: Extractor, cache: RegionCache | None, workers: int
) -> Iterator[tuple[Photo, ImageRegions | str]]:
    """Each photograph with its regions, or with one line that says why it has none; in the order given.

    Args:
        photos: to look at.
        extractor: does one of them.
        cache: where photographs seen before are kept, if anywhere.
        workers: photographs in work at once.
    """
    listed = list(photos)
    with one_thread_each(extractor.describer.device), Workers(workers) as threads:
        yield from zip(listed, threads.map(remembering(extractor, cache), listed), strict=True)
