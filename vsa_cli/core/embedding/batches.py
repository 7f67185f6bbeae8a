"""Pairs of images and sentences, and batches of them. Knows the corpus and the regions, not the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.embedding.sentences import Packed, pack
from vsa_cli.core.learning.sentences import read_sentences
from vsa_cli.core.regions.store import RegionStore


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
    wordless: tuple[tuple[int, str], ...]

    def of_images(self, start: int, end: int) -> Pairs:
        """The images from `start` up to, not including, `end`, and what is said of them."""
        kept = [i for i, row in enumerate(self.image.tolist()) if start <= row < end]
        return Pairs(
            self.image_ids[start:end],
            self.regions[start:end],
            self.image[kept] - start,
            tuple(self.sentences[i] for i in kept),
            tuple(self.sentence_ids[i] for i in kept),
            tuple((row - start, name) for row, name in self.wordless if start <= row < end),
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
    return Pairs(read.keys, described, torch.tensor(read.image), read.words, read.ids, read.wordless)


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
