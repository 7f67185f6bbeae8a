"""Sentences packed step by step: the words that a recurrence needs together lie together, and no padding exists.

Of L sentences, longest first, with N words in all: first the first words of all sentences, then the second words
of those that have one, and so on. Knows no vocabulary and no network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.learning.sentences import read_sentences
from vsa_cli.core.regions.store import RegionStore


@dataclass(frozen=True)
class Packed:
    """L sentences of N words.

    Attributes:
        words: (N,) int64 ids.
        sentence: (N,) int64, which sentence each word is of, from 0 to L - 1 in the order given to `pack`.
        position: (N,) int64, which word of it each is, from 0.
        mirror: (N,) int64, a permutation that is its own inverse: the place of word T - 1 - t of the same sentence.
        batch_sizes: how many sentences have a first word, a second, ...
        order: (L,) int64, the sentence in each row of a step.
    """

    words: Tensor
    sentence: Tensor
    position: Tensor
    mirror: Tensor
    batch_sizes: tuple[int, ...]
    order: Tensor

    @property
    def count(self) -> int:
        """L."""
        return len(self.order)

    def to(self, device: torch.device) -> Packed:
        """The same on a device."""
        moved = (t.to(device) for t in (self.words, self.sentence, self.position, self.mirror))
        words, sentence, position, mirror = moved
        return Packed(words, sentence, position, mirror, self.batch_sizes, self.order.to(device))


def pack(sentences: Sequence[Sequence[int]]) -> Packed:
    """Pack sentences of one word or more each.

    Raises:
        ValueError: a sentence is empty: it has no vector and no score, and must be dropped before.
    """
    lengths = np.array([len(sentence) for sentence in sentences], np.int64)
    if not lengths.all():
        raise ValueError("a sentence without a word cannot be packed")
    order = np.argsort(-lengths, kind="stable")
    table = np.zeros((len(sentences), int(lengths[order[0]])), np.int64)
    for place, index in enumerate(order):
        table[place, : lengths[index]] = sentences[index]
    steps = np.arange(table.shape[1])
    present = steps[:, None] < lengths[order][None, :]  # (T, L): each step is a prefix of the rows
    where = np.cumsum(present).reshape(present.shape) - 1  # at which of N word (t, row) lies
    step, row = (np.asarray(found) for found in np.nonzero(present))
    mirror = where[lengths[order][row] - 1 - step, row]
    return Packed(
        words=torch.from_numpy(table.T[present]),
        sentence=torch.from_numpy(order[row]),
        position=torch.from_numpy(step),
        mirror=torch.from_numpy(mirror),
        batch_sizes=tuple(int(n) for n in present.sum(1)),
        order=torch.from_numpy(order),
    )


@dataclass(frozen=True)
class Pairs:
    """The images of a split and their sentences.

    Attributes:
        image_ids: of K images.
        regions: (K, R, D) float16; an image with fewer than R regions repeats its whole image, region 0.
        image: (M,) int64, the image of each sentence.
        sentences: M lists of word ids, none empty.
        sentence_ids: of each sentence.
        wordless: (image, sentence id) of those left with no word, which are dropped here and ranked last.
    """

    image_ids: tuple[str, ...]
    regions: Tensor
    image: Tensor
    sentences: tuple[tuple[int, ...], ...]
    sentence_ids: tuple[str, ...]
    out_of_vocabulary: tuple[tuple[int, str], ...]

    def of_images(self, start: int, end: int) -> Pairs:
        """The images from `start` up to, not including, `end`, and what is said of them."""
        kept = [i for i, row in enumerate(self.image.tolist()) if start <= row < end]
        return Pairs(
            self.image_ids[start:end],
            self.regions[start:end],
            self.image[kept] - start,
            tuple(self.sentences[i] for i in kept),
            tuple(self.sentence_ids[i] for i in kept),
            tuple((row - start, name) for row, name in self.out_of_vocabulary if start <= row < end),
        )


@dataclass(frozen=True)
class Batch:
    """L sentences and the K images that they belong to.

    Attributes:
        regions: (K, R, D) float32.
        image: (L,) int64, the image of each sentence.
        packed: the sentences.
    """

    regions: Tensor
    image: Tensor
    packed: Packed

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        return Batch(self.regions.to(device), self.image.to(device), self.packed.to(device))


def read_pairs(corpus: Corpus, regions: RegionStore, split: str, vocabulary: Vocabulary) -> Pairs:
    """The images of a split with all their regions, and their sentences.

    Raises:
        ArtifactError: the regions lack an image of the split, or describe another file under its name.
        DataError: the split has no image, or no sentence with a known word.
    """
    read = read_sentences(corpus, regions, split, vocabulary)
    described = torch.from_numpy(regions.padded(read.keys))
    return Pairs(read.keys, described, torch.tensor(read.image), read.words, read.ids, read.out_of_vocabulary)


def shuffled_batches(pairs: Pairs, size: int, generator: torch.Generator) -> Iterator[Batch]:
    """One epoch: every sentence once, in random batches of `size`; a last one of a single pair has no negatives."""
    order = torch.randperm(len(pairs.sentences), generator=generator)
    for chosen in torch.split(order, size):
        if len(chosen) > 1:
            yield make_batch(pairs, chosen.tolist())


def make_batch(pairs: Pairs, chosen: Sequence[int]) -> Batch:
    """The chosen sentences with each of their images once."""
    images, image = torch.unique(pairs.image[list(chosen)], return_inverse=True)
    return Batch(pairs.regions[images].float(), image, pack([pairs.sentences[i] for i in chosen]))
