"""Sentences and descriptors to packed batches. Knows the corpus and the regions, not the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.vocabulary import END, Vocabulary
from vsa_cli.core.generation.model import Batch
from vsa_cli.core.learning.sentences import read_sentences
from vsa_cli.core.regions.store import RegionStore

_SAMPLE = 1000


@dataclass(frozen=True)
class Pairs:
    """Sentences and the image of each, ready to be batched.

    Attributes:
        descriptors: (N, D) or, of all regions, (N, R, D), float16 or float32, one row an image.
        image: (M,) the row of `descriptors` of each sentence.
        sentences: M lists of word ids, neither START nor END in them.
    """

    descriptors: Tensor
    image: Tensor
    sentences: tuple[tuple[int, ...], ...]

    @property
    def steps(self) -> int:
        """Words and ENDs in all."""
        return sum(len(sentence) + 1 for sentence in self.sentences)

    def sample(self) -> Tensor:
        """(S, D) float32 descriptors, of at most some thousand images and all their regions."""
        step = max(1, len(self.descriptors) // _SAMPLE)
        return self.descriptors[::step].float().flatten(0, -2)

    def target_counts(self, size: int) -> list[int]:
        """(size,) how often each id is a target."""
        words = np.fromiter((word for sentence in self.sentences for word in sentence), np.int64)
        counts = np.bincount(words, minlength=size)
        counts[END] += len(self.sentences)
        return [int(count) for count in counts]


def image_pairs(
    corpus: Corpus, regions: RegionStore, split: str, vocabulary: Vocabulary, *, all_regions: bool
) -> Pairs:
    """Every sentence of a split with the descriptors of its image; sentences left with no word are dropped.

    Args:
        corpus: the sentences.
        regions: the descriptors.
        split: of the corpus.
        vocabulary: of the model.
        all_regions: take every region (an image with fewer repeats its whole image), not the whole image alone.

    Raises:
        ArtifactError: the regions lack an image of the split, or describe another file under its name.
        DataError: the split has no image, or no sentence with a known word.
    """
    read = read_sentences(corpus, regions, split, vocabulary)
    found = regions.padded(read.keys) if all_regions else regions.whole_images(read.keys)
    descriptors = torch.from_numpy(found)
    return Pairs(descriptors, torch.tensor(read.image), read.words)


def shuffled_batches(pairs: Pairs, size: int, start: int, generator: torch.Generator) -> Iterator[Batch]:
    """One epoch: every sentence once, in random batches of `size`."""
    order = torch.randperm(len(pairs.sentences), generator=generator).tolist()
    for i in range(0, len(order), size):
        yield pack(pairs, order[i : i + size], start)


def ordered_batches(pairs: Pairs, size: int, start: int) -> Iterator[Batch]:
    """Every sentence once, alike lengths together."""
    order = sorted(range(len(pairs.sentences)), key=lambda i: len(pairs.sentences[i]))
    for i in range(0, len(order), size):
        yield pack(pairs, order[i : i + size], start)


def pack(pairs: Pairs, chosen: Sequence[int], start: int) -> Batch:
    """The chosen sentences as one batch, longest first, step after step.

    Args:
        pairs: where they come from.
        chosen: their indices.
        start: the id of START.
    """
    longest_first = sorted(chosen, key=lambda i: -len(pairs.sentences[i]))
    sentences = [pairs.sentences[i] for i in longest_first]
    steps = len(sentences[0]) + 1
    words = np.full((len(sentences), steps + 1), -1, np.int64)
    words[:, 0] = start
    for row, sentence in enumerate(sentences):
        words[row, 1 : len(sentence) + 1] = sentence
        words[row, len(sentence) + 1] = END
    is_target = words[:, 1:].T >= 0  # (steps, B); the rows are longest first, so each step is a prefix
    images, image = torch.unique(pairs.image[longest_first], return_inverse=True)
    found = pairs.descriptors[images]
    return Batch(
        descriptors=found.float() if found.dtype == torch.float16 else found,
        image=image,
        inputs=torch.from_numpy(words[:, :-1].T[is_target]),
        targets=torch.from_numpy(words[:, 1:].T[is_target]),
        batch_sizes=tuple(int(count) for count in is_target.sum(1)),
    )
