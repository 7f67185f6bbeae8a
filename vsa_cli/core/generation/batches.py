"""Training pairs of the generator, images with sentences or regions with snippets, and packed batches of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from vsa_cli.core.alignment.snippets import Snippet
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.vocabulary import END, Vocabulary
from vsa_cli.core.errors import DataError
from vsa_cli.core.generation.model import Batch, BatchRows, no_tags
from vsa_cli.core.generation.tags import TagSource
from vsa_cli.core.learning.corpora import (
    Chosen,
    drawn_of,
    images_of,
    in_views,
    same_count,
    shuffled,
    shuffled_in_blocks,
    successor,
)
from vsa_cli.core.learning.reading import IN_MEMORY, Reading
from vsa_cli.core.learning.sentences import read_sentences
from vsa_cli.core.learning.shares import Rows, own_images
from vsa_cli.core.ranks import ALONE, Ranks
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.stored_descriptors import Descriptors, StoredDescriptors, blocks_of, descriptors_of, of_views

_SAMPLE = 1000  # images


@dataclass(frozen=True)
class Pairs:
    """Images and their sentences, ready to be batched.

    Attributes:
        descriptors: (K, D) or, for all regions, (K, R, D), float16 or float32 descriptors of K images, in memory or in
            their file; None if the images have no photographs.
        image: (M,) index of each sentence's image.
        sentences: the word ids of M sentences, without START and END.
        start: the id of START, which determines the style.
        tags: the tags of the images; None for a model without tags.
        weight: how often each sentence occurs in an epoch, on average.
        photographs: the key of each image's photograph; empty without photographs.
        blocks: (K,) int64 block of the regions file that has each image, if sentences are taken in the order of blocks.
        mirrored: descriptors of the mirrored images, of the same shape; None if training does not take them.
    """

    descriptors: Descriptors | None
    image: Tensor
    sentences: tuple[tuple[int, ...], ...]
    start: int
    tags: TagSource | None = None
    weight: float = 1.0
    photographs: tuple[str, ...] = ()
    blocks: Tensor | None = None
    mirrored: Descriptors | None = None

    @property
    def steps(self) -> int:
        """The number of words in all sentences, END counted."""
        return sum(len(sentence) + 1 for sentence in self.sentences)

    @property
    def drawn(self) -> int:
        """The number of sentences in an epoch."""
        return drawn_of(len(self.sentences), self.weight)

    def sample(self) -> Tensor:
        """(S, D) float32 descriptors of all regions of up to 2,000 images, evenly spaced among all images."""
        if self.descriptors is None:
            raise ValueError("these images have no photographs")
        step = max(1, len(self.descriptors) // _SAMPLE)
        return self.descriptors[::step].float().flatten(0, -2)

    def target_counts(self, size: int) -> list[int]:
        """(size,) how often each id is a target, END included."""
        words = np.fromiter((word for sentence in self.sentences for word in sentence), np.int64)
        counts = np.bincount(words, minlength=size)
        counts[END] += len(self.sentences)
        return [int(count) for count in counts]


def total_counts(sources: Iterable[Pairs], size: int) -> list[int]:
    """(size,) how often each id is a target in an epoch of several sources, rounded."""
    counts = sum(np.array(pairs.target_counts(size)) * pairs.drawn / len(pairs.sentences) for pairs in sources)
    return [round(float(count)) for count in np.asarray(counts)]


def image_pairs(
    corpus: Corpus,
    regions: RegionStore,
    split: str,
    vocabulary: Vocabulary,
    *,
    all_regions: bool,
    reading: Reading = IN_MEMORY,
) -> Pairs:
    """Read the sentences of a split with the descriptors of their images. Sentences with no known word are dropped.

    Args:
        corpus: the sentences.
        regions: the descriptors.
        split: the corpus split to read.
        vocabulary: the vocabulary of the model.
        all_regions: read all regions (an image with fewer than R repeats its whole image) rather than only the whole
            image.
        reading: how the descriptors are read.

    Raises:
        ArtifactError: the regions of an image are missing, or were extracted from another file.
        DataError: the split has no image, or no sentence with a known word.
    """
    read = read_sentences(corpus, regions, split, vocabulary)
    read_views = partial(descriptors_of, regions, read.keys, stream=reading.stream, whole_only=not all_regions)
    views = read_views(mirrored=True) if reading.mirrored else None
    image, keys = torch.tensor(read.image), tuple(read.keys)
    blocks = blocks_of(regions.rows_of(keys)) if reading.blocks else None
    return Pairs(read_views(), image, read.words, vocabulary.start, photographs=keys, blocks=blocks, mirrored=views)


def text_pairs(corpus: Corpus, split: str, vocabulary: Vocabulary) -> Pairs:
    """Read the sentences of a split without photographs. Sentences with no known word are dropped.

    Raises:
        DataError: the split has no sentence with a known word.
    """
    known = [
        (row, words)
        for row, image in enumerate(corpus.split(split))
        for sentence in image.sentences
        if (words := tuple(vocabulary.encode(sentence.tokens)))
    ]
    if not known:
        raise DataError(f"split {split}: no sentence with a word of the vocabulary")
    return Pairs(None, torch.tensor([row for row, _ in known]), tuple(words for _, words in known), vocabulary.start)


def snippet_pairs(
    snippets: Iterable[Snippet],
    corpus: Corpus,
    regions: RegionStore,
    split: str,
    vocabulary: Vocabulary,
    *,
    with_whole_image: bool,
    reading: Reading = IN_MEMORY,
) -> Pairs | None:
    """The snippets of a split with the descriptors of their regions (paper, section 4.4).

    Snippets with no known word are dropped. In the pairs, a region takes the place of an image.

    Args:
        snippets: the snippets, of any splits.
        corpus: the corpus, which assigns images to splits.
        regions: the descriptors.
        split: the corpus split to select.
        vocabulary: the vocabulary of the model.
        with_whole_image: give each region as (2, D), followed by its whole image, rather than as (D,).
        reading: how the descriptors are read.

    Returns:
        The pairs; None if the split has no snippet with a known word.
    """
    keys = tuple(image.key for image in corpus.split(split))
    row_of = {key: row for row, key in enumerate(keys)}
    known = [
        (row_of[snippet.image_id], snippet.region, words)
        for snippet in snippets
        if snippet.image_id in row_of and (words := tuple(vocabulary.encode(snippet.words)))
    ]
    if not known:
        return None
    places, place = torch.unique(torch.tensor([entry[:2] for entry in known]), dim=0, return_inverse=True)
    images, region = places.numpy().T
    all_rows = regions.rows_of(keys)  # (K, R)
    rows = np.stack([all_rows[images, region], all_rows[images, 0]], 1)

    def view(*, mirrored: bool) -> Descriptors:
        if reading.stream:
            return StoredDescriptors(regions, rows if with_whole_image else rows[:, 0], mirrored=mirrored)
        descriptors = torch.from_numpy(regions.padded(keys, mirrored=mirrored))  # (K, R, D)
        of_region, of_whole = descriptors[places[:, 0], places[:, 1]], descriptors[places[:, 0], 0]
        return torch.stack([of_region, of_whole], 1) if with_whole_image else of_region

    photographs = tuple(keys[row] for row in places[:, 0].tolist())
    sentences = tuple(words for _, _, words in known)
    blocks = blocks_of(rows) if reading.blocks else None
    return Pairs(
        view(mirrored=False),
        place,
        sentences,
        vocabulary.start,
        photographs=photographs,
        blocks=blocks,
        mirrored=view(mirrored=True) if reading.mirrored else None,
    )


def shuffled_batches(
    sources: Sequence[Pairs],
    size: int,
    generator: torch.Generator,
    reading: Reading = IN_MEMORY,
    ranks: Ranks = ALONE,
) -> Iterator[Batch]:
    """One epoch: the sentences of all sources, each as often as its weight requires, in random batches of `size`.

    Of several processes, each receives its part of every batch.
    """
    counts, weights = [len(pairs.sentences) for pairs in sources], [pairs.weight for pairs in sources]
    if reading.blocks:
        images, blocks = [pairs.image for pairs in sources], [pairs.blocks for pairs in sources]
        order = shuffled_in_blocks(images, blocks, weights, size, generator)
    else:
        order = shuffled(counts, weights, size, generator)
    # each batch draws its tags and views from a generator of its own, because several are made at the same time
    has_own, mirrored = reading.blocks or reading.mirrored, reading.mirrored
    return reading.ahead(
        partial(pack, sources, chosen, successor(generator) if has_own else generator, ranks, mirrored=mirrored)
        for chosen in order
    )


def ordered_batches(sources: Sequence[Pairs], size: int) -> Iterator[Batch]:
    """Every sentence once, in batches of similar lengths."""
    everything = [(s, i) for s, pairs in enumerate(sources) for i in range(len(pairs.sentences))]
    order = sorted(everything, key=lambda chosen: len(sources[chosen[0]].sentences[chosen[1]]))
    for i in range(0, len(order), size):
        yield pack(sources, order[i : i + size])


def longest_first(sources: Sequence[Pairs], chosen: Sequence[Chosen]) -> list[Chosen]:
    """The chosen sentences in the order of a packed batch."""
    return sorted(chosen, key=lambda one: -len(sources[one[0]].sentences[one[1]]))


def pack(
    sources: Sequence[Pairs],
    chosen: Sequence[Chosen],
    generator: torch.Generator | None = None,
    ranks: Ranks = ALONE,
    *,
    mirrored: bool = False,
) -> Batch:
    """A batch of the chosen sentences, packed by step, longest first.

    Args:
        sources: the sentences and their images.
        chosen: the sentences.
        generator: draws the tags; without one they are the likeliest.
        ranks: this process; of several, each receives its part of the batch.
        mirrored: mirror half of the images, which the generator draws after the tags; tags stay as they are.
    """
    ordered = longest_first(sources, chosen)
    sentences = [sources[s].sentences[i] for s, i in ordered]
    steps = len(sentences[0]) + 1
    words = np.full((len(sentences), steps + 1), -1, np.int64)
    words[:, 0] = [sources[s].start for s, _ in ordered]
    for row, sentence in enumerate(sentences):
        words[row, 1 : len(sentence) + 1] = sentence
        words[row, len(sentence) + 1] = END
    is_target = words[:, 1:].T >= 0  # (steps, B); the rows are longest first, so each step is a prefix
    photographs_first = sorted(range(len(sources)), key=lambda s: sources[s].descriptors is None)
    found, image = images_of(ordered, [pairs.image for pairs in sources], photographs_first)
    tags = torch.cat([_tags(sources[number], images, generator) for number, images in found])
    if mirrored and generator is not None:
        counts = [0 if pairs.mirrored is None else len(pairs.mirrored) for pairs in sources]
        found = in_views(found, counts, generator)
    inputs, targets = (torch.from_numpy(part.T[is_target]) for part in (words[:, :-1], words[:, 1:]))
    if ranks.alone:
        sizes = tuple(int(count) for count in is_target.sum(1))
        return Batch(_descriptors(sources, found), tags, image, inputs, targets, sizes)
    of_word = torch.from_numpy(np.stack(np.nonzero(is_target)))  # (2, N): step and sentence of each word
    has_photograph = [sources[number].descriptors is not None for number, images in found for _ in images]
    rows = _own_rows(image, of_word[1], len(has_photograph), sum(has_photograph), ranks)
    return Batch(
        descriptors=_descriptors(sources, own_images(found, rows.images)),
        tags=rows.images.take(tags),
        image=torch.searchsorted(rows.images.own, rows.sentences.take(image)),
        inputs=rows.words.take(inputs),
        targets=rows.words.take(targets),
        batch_sizes=tuple(torch.bincount(rows.words.take(of_word[0])).tolist()),
        rows=rows,
    )


def _own_rows(image: Tensor, sentence: Tensor, images: int, photographs: int, ranks: Ranks) -> BatchRows:
    """The part of a batch that this process has.

    The sentences are dealt out, longest first, forwards and backwards in turn, so that all processes have about as many
    words. An image is computed by
    every process that has one of its sentences.

    Args:
        image: (B,) the image of each sentence.
        sentence: (N,) the sentence of each word.
        images: the number of images, those with photographs first.
        photographs: the number of images with photographs.
        ranks: this process.
    """
    place = torch.arange(len(image)) % (2 * ranks.size)
    sentences = Rows.of_owner(torch.minimum(place, 2 * ranks.size - 1 - place), ranks)
    own = torch.unique(sentences.take(image))
    return BatchRows(
        photographs=Rows(photographs, own[own < photographs]),
        images=Rows(images, own),
        sentences=sentences,
        words=Rows(len(sentence), torch.isin(sentence, sentences.own).nonzero()[:, 0]),
        idle=ranks.rank >= len(image),
    )


def _tags(pairs: Pairs, images: Tensor, generator: torch.Generator | None) -> Tensor:
    return no_tags(len(images)) if pairs.tags is None else pairs.tags.draw(images, generator)


def _descriptors(sources: Sequence[Pairs], found: Sequence[tuple[int, Tensor]]) -> Tensor:
    """Descriptors of the images of a batch that have photographs, given the indices of its images by source."""
    descriptors: list[Tensor] = []
    for number, images in found:
        of_source = sources[number].descriptors
        if of_source is not None:
            own = of_views(of_source, sources[number].mirrored, images)
            descriptors.append(own.float() if own.dtype == torch.float16 else own)
    if not descriptors:  # without images, but of the right shape
        descriptors.append(next(pairs.descriptors for pairs in sources if pairs.descriptors is not None)[:0].float())
    return same_count(descriptors) if descriptors[0].ndim > 2 else torch.cat(descriptors)
