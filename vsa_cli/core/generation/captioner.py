"""Captions for photographs and for a corpus's split. Knows the generator and its search, no output format."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from vsa_cli.core.config import DecodingConfig
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.vocabulary import END, Vocabulary
from vsa_cli.core.device import one_thread_each
from vsa_cli.core.errors import DataError
from vsa_cli.core.generation.beam_search import Hypothesis, beam_search
from vsa_cli.core.generation.cells import State
from vsa_cli.core.generation.constraints import AtLeast, Avoid, NoRepeat, Rule
from vsa_cli.core.generation.decoding import ids_of
from vsa_cli.core.generation.model import SentenceModel, Step
from vsa_cli.core.generation.sampling import sample
from vsa_cli.core.learning.artifact import Trained
from vsa_cli.core.pictures import read_picture
from vsa_cli.core.regions import boxes as geometry
from vsa_cli.core.regions.describe import Describer
from vsa_cli.core.regions.extract import Extractor, Photo
from vsa_cli.core.regions.sources import Source
from vsa_cli.core.regions.store import RegionStore

ROWS = 8192
"""Unfinished sentences decoded at once; their scores are this by V floats, about 80 MB for Flickr8k's words."""


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
    """A trained generator with a way to search it, or to draw from it.

    Raises:
        UsageError: the model does not know a word that is to be avoided or required.
    """

    def __init__(self, trained: Trained[SentenceModel], decoding: DecodingConfig, seed: int) -> None:
        self._model, self._vocabulary = trained.model, trained.vocabulary
        self._decoding, self._seed = decoding, seed
        self._required = ids_of(decoding.require, trained.vocabulary, "--require")
        self._rules = _rules(decoding, trained.vocabulary)

    @torch.inference_mode()
    def caption(self, descriptors: NDArray[np.float16], keys: Sequence[str]) -> list[tuple[Candidate, ...]]:
        """Candidates for each of B images, best first; drawn ones in the order of the draws. None may be allowed.

        Args:
            descriptors: float16, as `regions.h5` holds them: (B, D) of whole images, or (B, R, D) of all regions,
                whichever the model looks at.
            keys: who each image is; with the seed, it decides what is drawn when sampling.
        """
        step, state = self._model.begin(torch.from_numpy(descriptors).float().to(self._model.device))
        decode = self._draw if self._decoding.sample else self._search
        rows = self._decoding.nbest if self._decoding.sample else self._decoding.beam << len(self._required)
        images = max(1, ROWS // rows)
        found: list[list[Hypothesis]] = []
        for first in range(0, len(keys), images):
            some = slice(first, first + images)
            found += decode(step, tuple(part[some] for part in state), keys[some])
        return [tuple(self._say(hypothesis) for hypothesis in hypotheses) for hypotheses in found]

    def _search(self, step: Step, state: State, keys: Sequence[str]) -> list[list[Hypothesis]]:
        return beam_search(
            step,
            state,
            start=self._vocabulary.start,
            end=END,
            width=self._decoding.beam,
            max_length=self._decoding.max_length,
            nbest=self._decoding.nbest,
            length_norm=self._decoding.length_norm,
            groups=self._decoding.groups,
            diversity=self._decoding.diversity,
            rules=self._rules,
            required=self._required,
        )

    def _draw(self, step: Step, state: State, keys: Sequence[str]) -> list[list[Hypothesis]]:
        times, words = self._decoding.nbest, self._decoding.max_length
        seeds = [_seed_of(self._seed, key, n) for key in keys for n in range(times)]
        drawn = sample(
            step,
            tuple(part.repeat_interleave(times, 0) for part in state),
            start=self._vocabulary.start,
            end=END,
            max_length=words,
            draws=torch.stack([_uniform(seed, words) for seed in seeds]),
            temperature=self._decoding.temperature,
            top_k=self._decoding.top_k,
            top_p=self._decoding.top_p,
            rules=self._rules,
        )
        return [[h for h in drawn[i : i + times] if h is not None] for i in range(0, len(drawn), times)]

    def _say(self, hypothesis: Hypothesis) -> Candidate:
        return Candidate(self._vocabulary.decode(hypothesis.words), hypothesis.logprob)


def _rules(decoding: DecodingConfig, vocabulary: Vocabulary) -> list[Rule]:
    """What no sentence may say: UNK, and what the configuration rules out."""
    avoided = ids_of(decoding.avoid, vocabulary, "--avoid")
    avoided += () if vocabulary.unk is None else (vocabulary.unk,)
    rules: list[Rule] = [Avoid(avoided)] if avoided else []
    if decoding.min_length:
        rules.append(AtLeast(decoding.min_length, END))
    if decoding.no_repeat_ngram:
        rules.append(NoRepeat(decoding.no_repeat_ngram))
    return rules


def _seed_of(seed: int, key: str, draw: int) -> int:
    digest = hashlib.sha256(f"{seed}/{draw}/{key}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _uniform(seed: int, count: int) -> torch.Tensor:
    return torch.rand(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


Look = Callable[[Source], NDArray[np.float16] | str]
"""Sees a photograph: (D,) of the whole, or (R, D) of all regions, or one line that says why not."""


def look_at_whole(describer: Describer, photo_side: int | None) -> Look:
    """Sees whole images, with no look for boxes."""

    def look(source: Source) -> NDArray[np.float16] | str:
        try:
            picture = read_picture(source.file, photo_side)
        except DataError as error:
            return str(error)
        whole = geometry.whole(picture.width, picture.height)
        descriptor: NDArray[np.float16] = describer.regions(picture, whole)[0].astype(np.float16)
        return descriptor

    return look


def look_at_all(extractor: Extractor) -> Look:
    """Sees the whole image and its boxes, as `vsa extract-regions` does."""

    def look(source: Source) -> NDArray[np.float16] | str:
        found = extractor.describe(Photo(str(source.image_id), source.file, None))
        return found if isinstance(found, str) else found.descriptors

    return look


def _stack(seen: Sequence[NDArray[np.float16]]) -> NDArray[np.float16]:
    """Images as one array; those with fewer regions than another repeat their whole image."""
    if seen[0].ndim == 1:
        return np.stack(seen)
    most = max(len(regions) for regions in seen)
    return np.stack([np.concatenate([regions, regions[:1].repeat(most - len(regions), 0)]) for regions in seen])


def caption_photos(
    captioner: Captioner,
    look: Look,
    device: torch.device,
    sources: Iterable[Source],
    *,
    batch: int,
    workers: int,
) -> Iterator[Captioned]:
    """Caption photographs in the order given; those of the next batch are looked at while this one is worded.

    Memory is bounded by two batches, however many sources there are.

    Args:
        captioner: the model and its search.
        look: sees one photograph, as the model wants it: `look_at_whole` or `look_at_all`.
        device: where the CNN is.
        sources: the photographs.
        batch: worded at once.
        workers: photographs looked at at once.
    """
    upcoming = iter(sources)
    with one_thread_each(device), ThreadPoolExecutor(workers) as pool:
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
        captions = iter(
            captioner.caption(_stack([seen for _, seen in good]), [str(source.image_id) for source, _ in good])
        )
    for source, descriptor in seen:
        if isinstance(descriptor, str):
            yield Captioned(source.path, source.image_id, (), descriptor)
        else:
            yield _captioned(source.path, source.image_id, next(captions))


def caption_split(
    captioner: Captioner,
    trained: Trained[SentenceModel],
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
    read = regions.padded if trained.model.looks_at_regions else regions.whole_images
    for i in range(0, len(images), batch):
        group = images[i : i + batch]
        keys = [image.key for image in group]
        captions = captioner.caption(read(keys), keys)
        for image, candidates in zip(group, captions, strict=True):
            yield _captioned(image.file, image.image_id, candidates)


def _captioned(path: str, image_id: int | str, candidates: tuple[Candidate, ...]) -> Captioned:
    error = None if candidates else f"{path}: the options leave no caption; allow more words, or forbid fewer"
    return Captioned(path, image_id, candidates, error)
