"""Several corpora as training data: what they share, and how often the sentences of each occur in an epoch.

The first corpus decides: it has the minimum count of words, and the regions of the others are extracted like its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.learning.run import vocabulary_of
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.store import RegionStore


@dataclass(frozen=True)
class PhotographSource:
    """A corpus with the regions of its photographs; its sentences occur `weight` times in an epoch."""

    corpus: Corpus
    regions: RegionStore
    weight: float = 1.0


@dataclass(frozen=True)
class TextSource:
    """A corpus of sentences without photographs; its sentences occur `weight` times in an epoch."""

    corpus: Corpus
    weight: float = 1.0


def check_photographs(sources: Sequence[PhotographSource]) -> None:
    """Check that all corpora have photographs whose regions were extracted like those of the first.

    Raises:
        ArtifactError: regions were extracted with another CNN, or in another way.
        DataError: a corpus has no photographs.
    """
    spec = FeatureSpec.of(sources[0].regions.envelope, str(sources[0].regions.path))
    for source in sources:
        source.corpus.require_photographs()
        spec.require_from(source.regions.envelope, str(source.regions.path))


def having(sources: Sequence[PhotographSource], split: str) -> tuple[PhotographSource, ...]:
    """The corpora that have a split; the first is always among them."""
    further = (one for one in sources[1:] if split == "all" or one.corpus.split_sizes().get(split))
    return (sources[0], *further)


def bytes_of_splits(sources: Sequence[PhotographSource], splits: Sequence[str], *, whole_only: bool = False) -> int:
    """The bytes that the descriptors of some splits need in memory; `whole_only` counts those of whole images alone.

    Raises:
        ArtifactError: the regions of an image are missing.
        DataError: the first corpus has no such split.
    """
    return sum(
        source.regions.padded_bytes([image.key for image in source.corpus.split(split)], whole_only=whole_only)
        for split in splits
        for source in having(sources, split)
    )


def joint_vocabulary(corpora: Sequence[Corpus], split: str) -> Vocabulary:
    """The words that are frequent in all corpora together; of a single corpus, its own vocabulary.

    Args:
        corpora: the corpora; the first has the minimum count and the treatment of unknown words.
        split: the split whose words are counted.

    Raises:
        DataError: the first corpus has no vocabulary.
    """
    first = vocabulary_of(corpora[0])
    if len(corpora) == 1:
        return first
    sentences = (
        sentence.tokens
        for corpus in corpora
        for image in corpus.images
        if image.split == split or split == "all"
        for sentence in image.sentences
    )
    min_count = corpora[0].envelope.config["min_count"]
    return Vocabulary.build(sentences, min_count, first.unknown, characters=first.characters)


def record_further(sources: Sequence[PhotographSource]) -> dict[str, Any]:
    """The corpora after the first, their regions and weights, for the envelope of a model; empty without any."""
    further = [
        {"corpus": one.corpus.sha256, "regions": one.regions.sha256, "weight": one.weight} for one in sources[1:]
    ]
    return {"also": further} if further else {}


POOL = 128
"""Blocks of a regions file whose sentences are shuffled together: about 3,000 photographs of 20 regions."""


def drawn_of(count: int, weight: float) -> int:
    """How many sentences of a source with `count` of them occur in an epoch."""
    return max(1, round(weight * count))


Chosen = tuple[int, int]
"""A sentence: the index of its source, and its index there."""


def shuffled(
    counts: Sequence[int], weights: Sequence[float], size: int, generator: torch.Generator
) -> Iterator[list[Chosen]]:
    """One epoch: the sentences of several sources together, in random order, in lists of `size`.

    Args:
        counts: the number of sentences of each source.
        weights: how often each of them occurs, on average; the remainder of a whole number is drawn at random.
        size: sentences in a list; the last may have fewer.
        generator: draws the sentences and their order.
    """
    drawn = [_draw(count, weight, generator) for count, weight in zip(counts, weights, strict=True)]
    source = torch.arange(len(drawn)).repeat_interleave(torch.tensor([len(indices) for indices in drawn]))
    chosen = torch.stack([source, torch.cat(drawn)], 1)
    order = torch.randperm(len(chosen), generator=generator)
    for part in torch.split(chosen[order], size):
        yield [(int(s), int(i)) for s, i in part.tolist()]


def shuffled_by_image(
    images: Sequence[Tensor], weights: Sequence[float], size: int, generator: torch.Generator
) -> Iterator[list[Chosen]]:
    """One epoch as in `shuffled`, except that the sentences of an image follow each other.

    The images are in random order. Those whose sentences occur several times return as often, each time with one copy
    of each sentence.

    Args:
        images: the index of each sentence's image, by source.
        weights: how often the sentences of each source occur, on average.
        size: sentences in a list; the last may have fewer.
        generator: draws the sentences and the order of the images.
    """
    rows = []
    for source, (image, weight) in enumerate(zip(images, weights, strict=True)):
        drawn = _draw(len(image), weight, generator)
        copy = torch.arange(len(drawn)) // len(image)
        rows.append(torch.stack([torch.full_like(drawn, source), drawn, copy, image[drawn]], 1))
    chosen = torch.cat(rows)
    _, visit = torch.unique(chosen[:, [0, 2, 3]], dim=0, return_inverse=True)
    order = torch.randperm(int(visit.max()) + 1, generator=generator)[visit].argsort(stable=True)
    for part in torch.split(chosen[order, :2], size):
        yield [(int(s), int(i)) for s, i in part.tolist()]


def shuffled_in_blocks(
    images: Sequence[Tensor],
    blocks: Sequence[Tensor | None],
    weights: Sequence[float],
    size: int,
    generator: torch.Generator,
) -> Iterator[list[Chosen]]:
    """One epoch as in `shuffled`, in an order in which regions are read from a file that is larger than memory.

    The blocks of all files are shuffled, and then the sentences of each `POOL` successive blocks. Sentences that occur
    several times are in as many pools. Sentences without blocks are spread evenly. The order depends on the generator
    and on where the images are in their files, but not on the machine.

    Args:
        images: the index of each sentence's image, by source.
        blocks: the block of each image in its file, by source; None for a source that is not read from a file.
        weights: how often the sentences of each source occur, on average.
        size: sentences in a list; the last may have fewer.
        generator: draws the sentences and their order.
    """
    keys, rows, parts = [], [], 0
    for source, (image, block, weight) in enumerate(zip(images, blocks, weights, strict=True)):
        drawn = _draw(len(image), weight, generator)
        rows.append(torch.stack([torch.full_like(drawn, source), drawn], 1))
        if block is None:
            keys.append(torch.rand(len(drawn), generator=generator, dtype=torch.float64))
            continue
        of_image = torch.unique(block, return_inverse=True)[1]
        copies, found = -(-len(drawn) // len(image)), int(of_image.max()) + 1
        key = torch.rand(copies, found, generator=generator, dtype=torch.float64)
        keys.append(key[torch.arange(len(drawn)) // len(image), of_image[image[drawn]]])
        parts += copies * found
    chosen = torch.cat(rows)[torch.cat(keys).argsort(stable=True)]
    pool = math.ceil(POOL * len(chosen) / max(parts, 1))
    shuffled_pools = [part[torch.randperm(len(part), generator=generator)] for part in torch.split(chosen, pool)]
    for part in torch.split(torch.cat(shuffled_pools), size):
        yield [(int(s), int(i)) for s, i in part.tolist()]


def _draw(count: int, weight: float, generator: torch.Generator) -> Tensor:
    """The (`drawn_of`,) indices of a source's sentences.

    Without a remainder no random number is drawn, so that a run of a single corpus has the same order as ever.
    """
    whole, rest = divmod(drawn_of(count, weight), count)
    everything = torch.arange(count).repeat(whole)
    return torch.cat([everything, torch.randperm(count, generator=generator)[:rest]]) if rest else everything


def images_of(
    chosen: Sequence[Chosen], image: Sequence[Tensor], order: Iterable[int]
) -> tuple[list[tuple[int, Tensor]], Tensor]:
    """The images of chosen sentences, each once.

    Args:
        chosen: the B sentences.
        image: the index of each sentence's image, by source.
        order: the sources in the order in which their images follow each other.

    Returns:
        The sources that have any of the sentences with the indices of their images, and the (B,) index of each
        sentence's image among all of these.
    """
    source = torch.tensor([s for s, _ in chosen])
    place = torch.empty(len(chosen), dtype=torch.int64)
    found: list[tuple[int, Tensor]] = []
    total = 0
    for number in order:
        rows = (source == number).nonzero()[:, 0]
        if len(rows):
            own = image[number][[chosen[row][1] for row in rows.tolist()]]
            images, position = torch.unique(own, return_inverse=True)
            place[rows] = total + position
            total += len(images)
            found.append((number, images))
    return found, place


def in_views(
    found: Sequence[tuple[int, Tensor]], counts: Sequence[int], generator: torch.Generator
) -> list[tuple[int, Tensor]]:
    """The images of a batch in random views: image k of K remains k, or becomes K + k, its mirrored view.

    Args:
        found: the images by source, as `images_of` returns them.
        counts: K, the number of images of each source; 0 if they have no mirrored views.
        generator: draws the views, both equally often.
    """
    return [
        (number, images + counts[number] * torch.randint(2, images.shape, generator=generator))
        for number, images in found
    ]


def successor(generator: torch.Generator) -> torch.Generator:
    """A new generator, whose seed is drawn from another one."""
    return torch.Generator().manual_seed(int(torch.randint(2**62, (), generator=generator)))


def same_count(descriptors: Sequence[Tensor]) -> Tensor:
    """(K, R, D) of several sources' (K_i, R_i, D): photographs with fewer than R regions repeat their whole image."""
    most = max(part.shape[1] for part in descriptors)
    return torch.cat([torch.cat([p, p[:, :1].expand(-1, most - p.shape[1], -1)], 1) for p in descriptors])
