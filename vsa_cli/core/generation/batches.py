"""Training pairs of the generator, images with sentences or regions with snippets, and packed batches of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vsa_cli.core.alignment.snippets import Snippet
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.vocabulary import END, Vocabulary
from vsa_cli.core.generation.model import Batch
from vsa_cli.core.learning.sentences import read_sentences
from vsa_cli.core.regions.store import RegionStore

_SAMPLE = 1000  # images


@dataclass(frozen=True)
class Pairs:
    """Images and their sentences, ready to be batched.

    Attributes:
        descriptors: (K, D) or, for all regions, (K, R, D), float16 or float32 descriptors of K images.
        image: (M,) index of each sentence's image.
        sentences: the word ids of M sentences, without START and END.
    """

    descriptors: Tensor
    image: Tensor
    sentences: tuple[tuple[int, ...], ...]

    @property
    def steps(self) -> int:
        """The number of words in all sentences, END counted."""
        return sum(len(sentence) + 1 for sentence in self.sentences)

    def sample(self) -> Tensor:
        """(S, D) float32 descriptors of all regions of up to 2,000 images, evenly spaced among all images."""
        step = max(1, len(self.descriptors) // _SAMPLE)
        return self.descriptors[::step].float().flatten(0, -2)

    def target_counts(self, size: int) -> list[int]:
        """(size,) how often each id is a target, END included."""
        words = np.fromiter((word for sentence in self.sentences for word in sentence), np.int64)
        counts = np.bincount(words, minlength=size)
        counts[END] += len(self.sentences)
        return [int(count) for count in counts]


def image_pairs(
    corpus: Corpus, regions: RegionStore, split: str, vocabulary: Vocabulary, *, all_regions: bool
) -> Pairs:
    """Read the sentences of a split with the descriptors of their images. Sentences with no known word are dropped.

    Args:
        corpus: the sentences.
        regions: the descriptors.
        split: the corpus split to read.
        vocabulary: the vocabulary of the model.
        all_regions: read all regions (an image with fewer than R repeats its whole image) rather than only the whole
            image.

    Raises:
        ArtifactError: the regions of an image are missing, or were extracted from another file.
        DataError: the split has no image, or no sentence with a known word.
    """
    read = read_sentences(corpus, regions, split, vocabulary)
    found = regions.padded(read.keys) if all_regions else regions.whole_images(read.keys)
    descriptors = torch.from_numpy(found)
    return Pairs(descriptors, torch.tensor(read.image), read.words)


def snippet_pairs(
    snippets: Iterable[Snippet],
    corpus: Corpus,
    regions: RegionStore,
    split: str,
    vocabulary: Vocabulary,
    *,
    with_whole_image: bool,
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
    descriptors = torch.from_numpy(regions.padded(keys))  # (K, R, D)
    places, place = torch.unique(torch.tensor([entry[:2] for entry in known]), dim=0, return_inverse=True)
    of_region, of_whole = descriptors[places[:, 0], places[:, 1]], descriptors[places[:, 0], 0]
    chosen = torch.stack([of_region, of_whole], 1) if with_whole_image else of_region
    return Pairs(chosen, place, tuple(words for _, _, words in known))


def shuffled_batches(pairs: Pairs, size: int, start: int, generator: torch.Generator) -> Iterator[Batch]:
    """One epoch: every sentence once, in random batches of `size`."""
    order = torch.randperm(len(pairs.sentences), generator=generator).tolist()
    for i in range(0, len(order), size):
        yield pack(pairs, order[i : i + size], start)


def ordered_batches(pairs: Pairs, size: int, start: int) -> Iterator[Batch]:
    """Every sentence once, in batches of similar lengths."""
    order = sorted(range(len(pairs.sentences)), key=lambda i: len(pairs.sentences[i]))
    for i in range(0, len(order), size):
        yield pack(pairs, order[i : i + size], start)


def pack(pairs: Pairs, chosen: Sequence[int], start: int) -> Batch:
    """A batch of the chosen sentences, packed by step, longest first.

    Args:
        pairs: the sentences and their images.
        chosen: the indices of the sentences.
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
