"""Captions for a stream of photographs, and for a corpus's split. Knows no model: something that says captions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from vsa_cli.core.corpus.corpus import Corpus, Image
from vsa_cli.core.device import one_thread_each
from vsa_cli.core.errors import DataError
from vsa_cli.core.generation.captioned import Candidate, Captioned, RegionCaption
from vsa_cli.core.pictures import read_picture
from vsa_cli.core.regions import boxes as geometry
from vsa_cli.core.regions.cache import RegionCache
from vsa_cli.core.regions.describe import Describer
from vsa_cli.core.regions.extract import Extractor, Photo
from vsa_cli.core.regions.looking import remembering
from vsa_cli.core.regions.sources import Source
from vsa_cli.core.regions.store import ImageRegions, RegionStore, pad
from vsa_cli.core.workers import Job, Workers


class Speaker(Protocol):
    """What says captions."""

    @property
    def looks_at_regions(self) -> bool:
        """Whether it wants descriptors of all regions, or of the whole image."""

    def caption(self, descriptors: NDArray[np.float16], keys: Sequence[str]) -> list[tuple[Candidate, ...]]:
        """Candidates for each of B images, best first; (B, D) descriptors, or (B, R, D) if it looks at regions."""


class RegionSpeaker(Protocol):
    """What says captions of boxes."""

    def caption(
        self, images: Sequence[ImageRegions], said: Sequence[tuple[Candidate, ...]]
    ) -> list[tuple[RegionCaption, ...]]:
        """Captions of boxes of each image, surest first, given what is said of the images."""


Look = Callable[[Source], ImageRegions | str]
"""Sees a photograph: its regions, the whole image first, or one line that says why not."""


def look_at_whole(describer: Describer, photo_side: int | None) -> Look:
    """Sees whole images, with no look for boxes; what is in the file is not hashed."""

    def look(source: Source) -> ImageRegions | str:
        try:
            picture = read_picture(source.file, photo_side)
        except DataError as error:
            return str(error)
        whole = geometry.whole(picture.width, picture.height)
        descriptor = describer.regions(picture, whole).astype(np.float16)
        return _only_whole(str(source.image_id), "", picture.width, picture.height, descriptor)

    return look


def look_at_all(extractor: Extractor, cache: RegionCache | None) -> Look:
    """Sees the whole image and its boxes, as `vsa extract-regions` does; photographs in the cache at once."""
    see = remembering(extractor, cache)
    return lambda source: see(Photo(str(source.image_id), source.file, None))


def _only_whole(key: str, sha256: str, width: int, height: int, descriptor: NDArray[np.float16]) -> ImageRegions:
    return ImageRegions(key, sha256, width, height, geometry.whole(width, height), np.ones(1, np.float32), descriptor)


def caption_photos(
    speaker: Speaker,
    look: Look,
    device: torch.device,
    sources: Iterable[Source],
    *,
    batch: int,
    workers: int,
    regions: RegionSpeaker | None = None,
) -> Iterator[Captioned]:
    """Caption photographs in the order given; those of the next batch are looked at while this one is worded.

    Memory is bounded by two batches, however many sources there are.

    Args:
        speaker: says captions.
        look: sees one photograph, as the speaker wants it: `look_at_whole` or `look_at_all`.
        device: where the CNN is.
        sources: the photographs.
        batch: worded at once.
        workers: photographs looked at at once.
        regions: says captions of boxes, if asked.
    """
    upcoming = iter(sources)
    with one_thread_each(device), Workers(workers) as threads:
        looking: deque[list[tuple[Source, Job[ImageRegions | str]]]] = deque()
        while True:
            while len(looking) < 2 and (group := list(islice(upcoming, batch))):
                looking.append([(source, threads.begin(look, source)) for source in group])
            if not looking:
                return
            seen = [(source, job.result()) for source, job in looking.popleft()]
            yield from _word(speaker, regions, seen)


def caption_split(
    speaker: Speaker,
    corpus: Corpus,
    store: RegionStore,
    split: str,
    *,
    batch: int,
    regions: RegionSpeaker | None = None,
) -> Iterator[Captioned]:
    """Caption every image of a split from its stored descriptors.

    Raises:
        ArtifactError: the store lacks an image.
    """
    images = corpus.split(split)
    for i in range(0, len(images), batch):
        group = images[i : i + batch]
        if speaker.looks_at_regions or regions is not None:
            stored = [store[image.key] for image in group]
        else:
            stored = _whole_images(store, group)
        sources = [Source(image.file, image.image_id, corpus.path(image)) for image in group]
        yield from _word(speaker, regions, list(zip(sources, stored, strict=True)))


def _whole_images(store: RegionStore, images: Sequence[Image]) -> list[ImageRegions]:
    found = store.whole_images([image.key for image in images])
    return [
        _only_whole(image.key, image.sha256, image.width, image.height, found[row : row + 1])
        for row, image in enumerate(images)
    ]


def _word(
    speaker: Speaker, regions: RegionSpeaker | None, seen: Sequence[tuple[Source, ImageRegions | str]]
) -> Iterator[Captioned]:
    good = [image for _, image in seen if not isinstance(image, str)]
    keys = [str(source.image_id) for source, image in seen if not isinstance(image, str)]
    said = speaker.caption(_descriptors(speaker, good), keys) if good else []
    parts = regions.caption(good, said) if regions is not None and good else [None] * len(good)
    coming = iter(zip(said, parts, strict=True))
    for source, image in seen:
        if isinstance(image, str):
            yield Captioned(source, (), image, None if regions is None else ())
            continue
        candidates, boxes = next(coming)
        error = (
            None if candidates else f"{source.path}: the options leave no caption; allow more words, or forbid fewer"
        )
        yield Captioned(source, candidates, error, boxes, (image.width, image.height), image.sha256 or None)


def _descriptors(speaker: Speaker, images: Sequence[ImageRegions]) -> NDArray[np.float16]:
    if speaker.looks_at_regions:
        return pad([image.descriptors for image in images])
    return np.stack([image.descriptors[0] for image in images])
