"""Several corpora as training data: what they share, and how often the sentences of each occur in an epoch.

The first corpus decides: it has the minimum count of words, and the regions of the others are extracted like its own.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def drawn_of(count: int, weight: float) -> int:
    """How many sentences of a source with `count` of them occur in an epoch."""
    return max(1, round(weight * count))


def draw(count: int, weight: float, generator: torch.Generator) -> Tensor:
    """The (`drawn_of`,) indices of the sentences of an epoch: each `weight` times, the remainder at random.

    Without a remainder no random number is drawn, so that a run of a single corpus has the same order as ever.
    """
    whole, rest = divmod(drawn_of(count, weight), count)
    everything = torch.arange(count).repeat(whole)
    return torch.cat([everything, torch.randperm(count, generator=generator)[:rest]]) if rest else everything
