"""Captions for photographs and for a corpus's split. Knows the generator and its search, no output format."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from vsa_cli.core.config import DecodingConfig
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.vocabulary import END
from vsa_cli.core.device import one_thread_each
from vsa_cli.core.errors import DataError
from vsa_cli.core.generation.beam_search import Hypothesis, beam_search, sample
from vsa_cli.core.generation.model import Generator
from vsa_cli.core.learning.artifact import Trained
from vsa_cli.core.pictures import read_picture
from vsa_cli.core.regions import boxes as geometry
from vsa_cli.core.regions.describe import Describer
from vsa_cli.core.regions.sources import Source
from vsa_cli.core.regions.store import RegionStore


@dataclass(frozen=True)
class Candidate:
    """A caption and its log-probability under the model, END's included, in nats."""

    caption: str
    logprob: float


@dataclass(frozen=True)
class Captioned:
    """What became of a photograph: candidates, best first, or one line that says why there are none."""

    path: str
    image_id: int | str
    candidates: tuple[Candidate, ...]
    error: str | None


class Captioner:
    """A trained generator with a way to search it."""

    def __init__(self, trained: Trained[Generator], decoding: DecodingConfig, seed: int) -> None:
        self._model, self._vocabulary = trained.model, trained.vocabulary
        self._decoding, self._seed = decoding, seed
        unknown = trained.vocabulary.unk
        self._banned = () if unknown is None else (unknown,)

    @torch.inference_mode()
    def caption(self, descriptors: NDArray[np.float16], keys: Sequence[str]) -> list[tuple[Candidate, ...]]:
        """Candidates for each of B images, best first.

        Args:
            descriptors: (B, D) float16, as `regions.h5` holds them.
            keys: who each image is; with the seed, it decides what is drawn when sampling.
        """
        device = self._model.W_hi.weight.device
        state = self._model.start(torch.from_numpy(descriptors).float().to(device))
        found = self._draw(state, keys) if self._decoding.sample else self._search(state)
        return [tuple(self._say(hypothesis) for hypothesis in hypotheses) for hypotheses in found]

    def _search(self, state: tuple[torch.Tensor, ...]) -> list[list[Hypothesis]]:
        return beam_search(
            self._model.step,
            state,
            start=self._vocabulary.start,
            end=END,
            width=self._decoding.beam,
            max_length=self._decoding.max_length,
            nbest=self._decoding.nbest,
            banned=self._banned,
        )

    def _draw(self, state: tuple[torch.Tensor, ...], keys: Sequence[str]) -> list[list[Hypothesis]]:
        drawn: list[list[Hypothesis]] = [[] for _ in keys]
        for n in range(self._decoding.nbest):
            generators = [torch.Generator().manual_seed(_seed_of(self._seed, key, n)) for key in keys]
            hypotheses = sample(
                self._model.step,
                state,
                start=self._vocabulary.start,
                end=END,
                max_length=self._decoding.max_length,
                temperature=self._decoding.temperature,
                generators=generators,
                banned=self._banned,
            )
            for found, hypothesis in zip(drawn, hypotheses, strict=True):
                found.append(hypothesis)
        return drawn

    def _say(self, hypothesis: Hypothesis) -> Candidate:
        return Candidate(self._vocabulary.decode(hypothesis.words), hypothesis.logprob)


def _seed_of(seed: int, key: str, draw: int) -> int:
    digest = hashlib.sha256(f"{seed}/{draw}/{key}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def caption_photos(
    captioner: Captioner,
    describer: Describer,
    photo_side: int | None,
    sources: Iterable[Source],
    *,
    batch: int,
    workers: int,
) -> Iterator[Captioned]:
    """Caption photographs in the order given; those of the next batch are looked at while this one is worded.

    Memory is bounded by two batches, however many sources there are.
    """

    def look(source: Source) -> NDArray[np.float16] | str:
        try:
            picture = read_picture(source.file, photo_side)
        except DataError as error:
            return str(error)
        whole = geometry.whole(picture.width, picture.height)
        descriptor: NDArray[np.float16] = describer.regions(picture, whole)[0].astype(np.float16)
        return descriptor

    upcoming = iter(sources)
    with one_thread_each(describer.device), ThreadPoolExecutor(workers) as pool:
        looking: deque[list[tuple[Source, Future[NDArray[np.float16] | str]]]] = deque()
        while True:
            while len(looking) < 2 and (group := list(islice(upcoming, batch))):
                looking.append([(source, pool.submit(look, source)) for source in group])
            if not looking:
                return
            seen = [(source, future.result()) for source, future in looking.popleft()]
            yield from _word(captioner, seen)


def _word(captioner: Captioner, seen: Sequence[tuple[Source, NDArray[np.float16] | str]]) -> Iterator[Captioned]:
    good = [(source, descriptor) for source, descriptor in seen if not isinstance(descriptor, str)]
    captions: Iterator[tuple[Candidate, ...]] = iter(())
    if good:
        descriptors = np.stack([descriptor for _, descriptor in good])
        captions = iter(captioner.caption(descriptors, [str(source.image_id) for source, _ in good]))
    for source, descriptor in seen:
        if isinstance(descriptor, str):
            yield Captioned(source.path, source.image_id, (), descriptor)
        else:
            yield Captioned(source.path, source.image_id, next(captions), None)


def caption_split(
    captioner: Captioner,
    trained: Trained[Generator],
    corpus: Corpus,
    regions: RegionStore,
    split: str,
    *,
    batch: int,
) -> Iterator[Captioned]:
    """Caption every image of a split from its stored descriptors.

    Raises:
        ArtifactError: the regions were described otherwise than the model's, or lack an image.
    """
    trained.recipe.require_from(regions.envelope, str(regions.path))
    images = corpus.split(split)
    for i in range(0, len(images), batch):
        group = images[i : i + batch]
        keys = [image.key for image in group]
        captions = captioner.caption(regions.whole_images(keys), keys)
        for image, candidates in zip(group, captions, strict=True):
            yield Captioned(image.file, image.image_id, candidates, None)
