"""Pairs of images and sentences, and batches of them. Knows the corpus and the regions, not the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.embedding.sentences import Packed, pack
from vsa_cli.core.errors import ArtifactError, DataError
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
    images = corpus.split(split)
    for image in images:
        if image.key in regions and regions.hash_of(image.key) != image.sha256:
            raise ArtifactError(f"{regions.path}: {image.key} is another photograph there than in the corpus")
    owner: list[int] = []
    sentences: list[tuple[int, ...]] = []
    ids: list[str] = []
    wordless: list[tuple[int, str]] = []
    for row, image in enumerate(images):
        for sentence in image.sentences:
            words = vocabulary.encode(sentence.tokens)
            if not words:
                wordless.append((row, sentence.sentence_id))
                continue
            owner.append(row)
            sentences.append(tuple(words))
            ids.append(sentence.sentence_id)
    if not sentences:
        raise DataError(f"split {split}: no sentence with a word of the vocabulary")
    keys = tuple(image.key for image in images)
    described = torch.from_numpy(regions.padded(keys))
    return Pairs(keys, described, torch.tensor(owner), tuple(sentences), tuple(ids), tuple(wordless))


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
