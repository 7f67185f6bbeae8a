"""Images and sentences of a split, and random batches of them for the alignment model.

L sentences with N words in all are packed as in torch's `PackedSequence`: sorted by length, longest first; the first
words of all, then the second words of those that have one, and so on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.device import to_device
from vsa_cli.core.learning.corpora import (
    Chosen,
    drawn_of,
    images_of,
    in_views,
    same_count,
    shuffled,
    shuffled_by_image,
    shuffled_in_blocks,
    successor,
)
from vsa_cli.core.learning.reading import IN_MEMORY, Reading
from vsa_cli.core.learning.sentences import read_sentences
from vsa_cli.core.learning.shares import Rows, counts_of, own_images
from vsa_cli.core.ranks import ALONE, Ranks
from vsa_cli.core.regions.efficientnet_lite import LiteTail
from vsa_cli.core.regions.image_regions import MappedImage
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.stored_descriptors import Descriptors, blocks_of, descriptors_of, of_views
from vsa_cli.core.regions.tail import TailDescriber


@dataclass(frozen=True)
class Packed:
    """L packed sentences with N words in all.

    Attributes:
        words: (N,) int64 word ids.
        sentence: (N,) int64 index of each word's sentence, from 0 to L - 1 in the order given to `pack`.
        position: (N,) int64 position t of each word in its sentence, from 0.
        mirror: (N,) int64 permutation that reverses every sentence: the index of word T - 1 - t of the same sentence.
        batch_sizes: the number of sentences that have a first word, a second, ...
        order: (L,) int64 index of the sentence in each row of a step.
        word_rows: which words of a batch of several processes these are; None if they are all.
        sentence_rows: which sentences these are.
    """

    words: Tensor
    sentence: Tensor
    position: Tensor
    mirror: Tensor
    batch_sizes: tuple[int, ...]
    order: Tensor
    word_rows: Rows | None = None
    sentence_rows: Rows | None = None

    @property
    def count(self) -> int:
        """L, the number of sentences."""
        return len(self.order)

    def to(self, device: torch.device) -> Packed:
        """The sentences on a device."""
        moved = (to_device(t, device) for t in (self.words, self.sentence, self.position, self.mirror))
        words, sentence, position, mirror = moved
        rows = (None if rows is None else rows.to(device) for rows in (self.word_rows, self.sentence_rows))
        return Packed(words, sentence, position, mirror, self.batch_sizes, to_device(self.order, device), *rows)


def pack(sentences: Sequence[Sequence[int]]) -> Packed:
    """Pack sentences of word ids.

    Raises:
        ValueError: a sentence is empty, so it would have no vector and no score.
    """
    lengths = np.array([len(sentence) for sentence in sentences], np.int64)
    if not lengths.all():
        raise ValueError("an empty sentence cannot be packed")
    order = np.argsort(-lengths, kind="stable")
    table = np.zeros((len(sentences), int(lengths[order[0]])), np.int64)
    for row, index in enumerate(order):
        table[row, : lengths[index]] = sentences[index]
    steps = np.arange(table.shape[1])
    present = steps[:, None] < lengths[order][None, :]  # (T, L): each step is a prefix of the rows
    where = np.cumsum(present).reshape(present.shape) - 1  # the index among N of the word at (t, row)
    steps_of, rows_of = (np.asarray(found) for found in np.nonzero(present))
    mirror = where[lengths[order][rows_of] - 1 - steps_of, rows_of]
    return Packed(
        words=torch.from_numpy(table.T[present]),
        sentence=torch.from_numpy(order[rows_of]),
        position=torch.from_numpy(steps_of),
        mirror=torch.from_numpy(mirror),
        batch_sizes=tuple(int(n) for n in present.sum(1)),
        order=torch.from_numpy(order),
    )


@dataclass(frozen=True)
class Pairs:
    """The images of a split and their sentences.

    Attributes:
        image_ids: the ids of K images.
        regions: (K, R, D) float16 descriptors, in memory or in their file; an image with fewer than R regions repeats
            its whole image, region 0.
        image: (M,) int64 index of each sentence's image.
        sentences: the word ids of M sentences, none empty.
        sentence_ids: the ids of the M sentences.
        out_of_vocabulary: (image index, sentence id) of each sentence with no known word; these are ranked last.
        weight: how often each sentence occurs in an epoch, on average.
        store: the regions file that the images were read from.
        mirrored: (K, R, D) descriptors of the mirrored images; None if training does not take them.
    """

    image_ids: tuple[str, ...]
    regions: Descriptors
    image: Tensor
    sentences: tuple[tuple[int, ...], ...]
    sentence_ids: tuple[str, ...]
    out_of_vocabulary: tuple[tuple[int, str], ...]
    weight: float = 1.0
    store: RegionStore | None = None
    mirrored: Descriptors | None = None

    @property
    def drawn(self) -> int:
        """The number of sentences in an epoch."""
        return drawn_of(len(self.sentences), self.weight)

    def select_images(self, start: int, end: int) -> Pairs:
        """The images from `start` up to, not including, `end`, with their sentences."""
        kept = [i for i, row in enumerate(self.image.tolist()) if start <= row < end]
        return Pairs(
            self.image_ids[start:end],
            self.regions[start:end],
            self.image[kept] - start,
            tuple(self.sentences[i] for i in kept),
            tuple(self.sentence_ids[i] for i in kept),
            tuple((row - start, name) for row, name in self.out_of_vocabulary if start <= row < end),
            self.weight,
            self.store,
            None if self.mirrored is None else self.mirrored[start:end],
        )

    @property
    def blocks(self) -> Tensor:
        """(K,) int64: the block of the regions file that has each image."""
        assert self.store is not None
        return blocks_of(self.store.rows_of(self.image_ids))

    def mapped(self, images: Tensor) -> list[MappedImage]:
        """The maps and boxes of some images, by their indices; K + k is the mirrored view of image k of K.

        Raises:
            ArtifactError: the regions file has no maps, or one cannot be read.
        """
        assert self.store is not None
        rows = (divmod(row, len(self.image_ids)) for row in images.tolist())
        return [self.store.mapped(self.image_ids[row], mirrored=bool(view)) for view, row in rows]

    def described_by(self, tail: LiteTail) -> Pairs:
        """The same pairs with the descriptors that another tail of the CNN computes from the maps.

        Raises:
            ArtifactError: the regions file has no maps, or one cannot be read.
        """
        assert self.store is not None
        described = RegionStore(self.store.path, TailDescriber(tail))
        regions = torch.from_numpy(described.padded(self.image_ids))
        described.close()
        return replace(self, regions=regions)


@dataclass(frozen=True)
class Shared:
    """A batch that several processes compute together, each its own sentences and images.

    Attributes:
        images: the images of this process.
        image_counts: the number of images of each process.
        sentence_counts: the number of sentences of each process.
        word_counts: the number of words of each process.
        sentence: (N,) int64 sentence of each word of the batch, the words of the first process first.
    """

    images: Rows
    image_counts: tuple[int, ...]
    sentence_counts: tuple[int, ...]
    word_counts: tuple[int, ...]
    sentence: Tensor

    def to(self, device: torch.device) -> Shared:
        """The same on a device."""
        return replace(self, images=self.images.to(device), sentence=self.sentence.to(device))


@dataclass(frozen=True)
class Batch:
    """L sentences and their K images; of several processes, each has some of both, but the index of all.

    Attributes:
        regions: (K, R, D) float32 descriptors; empty if the tail of the CNN learns and computes them.
        image: (L,) int64 index of each sentence's image.
        packed: the L sentences.
        mapped: the maps and boxes of the K images, if the tail of the CNN learns.
        shared: how the batch is shared with other processes; None if this one computes it alone.
    """

    regions: Tensor
    image: Tensor
    packed: Packed
    mapped: tuple[MappedImage, ...] = ()
    shared: Shared | None = None

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        shared = None if self.shared is None else self.shared.to(device)
        regions, image = to_device(self.regions, device), to_device(self.image, device)
        return Batch(regions, image, self.packed.to(device), self.mapped, shared)


def read_pairs(
    corpus: Corpus,
    regions: RegionStore,
    split: str,
    vocabulary: Vocabulary,
    *,
    stream: bool = False,
    mirrored: bool = False,
) -> Pairs:
    """Read the images of a split with all their regions, which `stream` leaves in their file, and their sentences.

    With `mirrored`, their mirrored views are read, too.

    Raises:
        ArtifactError: the regions of an image are missing, or were extracted from another file.
        DataError: the split has no image, or no sentence with a known word.
    """
    read = read_sentences(corpus, regions, split, vocabulary)
    return Pairs(
        read.keys,
        descriptors_of(regions, read.keys, stream=stream),
        torch.tensor(read.image),
        read.words,
        read.ids,
        read.out_of_vocabulary,
        store=regions,
        mirrored=descriptors_of(regions, read.keys, stream=stream, mirrored=True) if mirrored else None,
    )


def shuffled_batches(
    sources: Sequence[Pairs],
    size: int,
    generator: torch.Generator,
    *,
    mapped: bool = False,
    reading: Reading = IN_MEMORY,
    ranks: Ranks = ALONE,
) -> Iterator[Batch]:
    """One epoch: the sentences of all sources, each as often as its weight requires, in random batches.

    A last batch of one pair has no negatives and is dropped.

    Args:
        sources: the images and sentences.
        size: sentences in a batch.
        generator: draws the batches.
        mapped: whether to give maps in place of descriptors; the sentences of an image then are in one batch, or in two
            that follow each other, because each map costs a pass through the tail of the CNN.
        reading: where the descriptors are, in which order the sentences are taken, and whether images are mirrored.
        ranks: this process, which receives its share of each batch.
    """
    weights, images = [pairs.weight for pairs in sources], [pairs.image for pairs in sources]
    if mapped:
        order = shuffled_by_image(images, weights, size, generator)
    elif reading.blocks:
        order = shuffled_in_blocks(images, [pairs.blocks for pairs in sources], weights, size, generator)
    else:
        order = shuffled([len(image) for image in images], weights, size, generator)
    make = partial(make_batch, sources, mapped=mapped, ranks=ranks)
    return reading.ahead(
        partial(make, chosen, views=successor(generator) if reading.mirrored else None)
        for chosen in order
        if len(chosen) > 1
    )


def make_batch(
    sources: Sequence[Pairs],
    chosen: Sequence[Chosen],
    *,
    mapped: bool = False,
    ranks: Ranks = ALONE,
    views: torch.Generator | None = None,
) -> Batch:
    """A batch of the chosen sentences, with each of their images once; R is the largest of the sources of the batch.

    Half of the images, which `views` draws, are mirrored.
    """
    found, image = images_of(chosen, [pairs.image for pairs in sources], range(len(sources)))
    if views is not None:
        found = in_views(found, [len(pairs.image_ids) for pairs in sources], views)
    packed, shared = pack([sources[s].sentences[i] for s, i in chosen]), None
    if not ranks.alone:
        shared = share(packed, sum(len(images) for _, images in found), ranks)
        found = own_images(found, shared.images)
        packed = own_sentences(packed, [sources[s].sentences[i] for s, i in chosen], ranks)
    if mapped:
        maps = [one for number, images in found for one in sources[number].mapped(images)]
        return Batch(torch.empty(0), image, packed, tuple(maps), shared)
    taken = ((sources[number], images) for number, images in found)
    regions = same_count([of_views(pairs.regions, pairs.mirrored, images).float() for pairs, images in taken])
    return Batch(regions, image, packed, shared=shared)


def share(packed: Packed, images: int, ranks: Ranks) -> Shared:
    """How the sentences of a batch and its images are shared between processes."""
    of_image, of_sentence = (torch.tensor(ranks.owners(count)) for count in (images, packed.count))
    of_word = of_sentence[packed.sentence]
    return Shared(
        images=Rows.of_owner(of_image, ranks),
        image_counts=counts_of(of_image, ranks),
        sentence_counts=counts_of(of_sentence, ranks),
        word_counts=counts_of(of_word, ranks),
        sentence=packed.sentence[of_word.argsort(stable=True)],
    )


def own_sentences(packed: Packed, sentences: Sequence[Sequence[int]], ranks: Ranks) -> Packed:
    """The sentences of this process among those of a batch, whose packed form is given as well.

    The order of packed words is that of the whole batch, so the own words are some of those of the whole batch.
    """
    rows = Rows.of_owner(torch.tensor(ranks.owners(len(sentences))), ranks)
    is_own = torch.zeros(len(sentences), dtype=torch.bool)
    is_own[rows.own] = True
    words = Rows(len(packed.words), is_own[packed.sentence].nonzero()[:, 0])
    return replace(pack([sentences[row] for row in rows.own.tolist()]), word_rows=words, sentence_rows=rows)
