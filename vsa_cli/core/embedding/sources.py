"""What an alignment model is trained on: corpora with photographs, and photographs matched with sentences of others.

All sources share one vocabulary. The first corpus selects the best epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.embedding.batches import Pairs, read_pairs
from vsa_cli.core.errors import DataError
from vsa_cli.core.labels.labeller import TrainedLabeller
from vsa_cli.core.labels.matching import match_sentences, seen_in
from vsa_cli.core.labels.names import read_names
from vsa_cli.core.learning.corpora import (
    PhotographSource,
    bytes_of_splits,
    check_photographs,
    having,
    joint_vocabulary,
    record_further,
)
from vsa_cli.core.learning.reading import IN_MEMORY, Reading
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.stored_descriptors import descriptors_of
from vsa_cli.core.regions.tail import require_maps


@dataclass(frozen=True)
class UnpairedSource:
    """Photographs without sentences, and sentences of other photographs.

    Attributes:
        regions: the regions of the photographs, with a detector's labels.
        corpus: the sentences.
        weight: how often each photograph occurs in an epoch, on average, with a sentence that mentions what it shows.
    """

    regions: RegionStore
    corpus: Corpus
    weight: float = 1.0

    def pairs(
        self, split: str, vocabulary: Vocabulary, labeller: TrainedLabeller | None, seed: int, reading: Reading
    ) -> Pairs:
        """Match the photographs with sentences of a split.

        Args:
            split: the split of the sentences.
            vocabulary: the words of the model.
            labeller: finds names in the photographs, beside the labels of the detector.
            seed: draws among sentences that fit about equally well.
            reading: how the descriptors are read.

        Raises:
            DataError: the regions have no labels, or no sentence mentions what a photograph shows.
        """
        sentences = [sentence for image in self.corpus.split(split) for sentence in image.sentences]
        names = read_names() if labeller is None else labeller.names
        seen, known = seen_in(self.regions, names, None if labeller is None else labeller.model)
        mentions = [names.mentions(sentence.tokens) for sentence in sentences]
        matched = match_sentences(seen, known, mentions, torch.Generator().manual_seed(seed))
        found = [
            (row, words) for row, sentence in matched if (words := tuple(vocabulary.encode(sentences[sentence].tokens)))
        ]
        if not found:
            raise DataError(f"{self.regions.path}: no sentence of the text mentions what a photograph shows")
        rows, place = torch.unique(torch.tensor([row for row, _ in found]), return_inverse=True)
        ids = tuple(self.regions.ids[row] for row in rows.tolist())
        return Pairs(
            ids,
            descriptors_of(self.regions, ids, stream=reading.stream),
            place,
            tuple(words for _, words in found),
            tuple(map(str, range(len(found)))),
            (),
            weight=self.weight * len(ids) / len(found),
            store=self.regions,
            mirrored=descriptors_of(self.regions, ids, stream=reading.stream, mirrored=True)
            if reading.mirrored
            else None,
        )


@dataclass(frozen=True)
class Sources:
    """Everything that an alignment model is trained on.

    Attributes:
        photographs: corpora with photographs; the first has the minimum count of words.
        unpaired: photographs without sentences, and sentences without photographs.
        labeller: finds what unpaired photographs show, beside the labels of a detector; None uses these alone.
        reading: how their regions are read in training.
    """

    photographs: tuple[PhotographSource, ...]
    unpaired: tuple[UnpairedSource, ...] = ()
    labeller: TrainedLabeller | None = None
    reading: Reading = IN_MEMORY

    @property
    def first(self) -> PhotographSource:
        """The first corpus."""
        return self.photographs[0]

    def check(self, *, tune_cnn: bool = False) -> None:
        """Check that the sources fit each other.

        Args:
            tune_cnn: whether the tail of the CNN learns, so that all regions need maps.

        Raises:
            ArtifactError: regions were extracted with another CNN, or in another way, or lack maps or mirrored views.
            DataError: a corpus has no photographs, or unpaired regions have no labels.
        """
        check_photographs(self.photographs)
        spec = FeatureSpec.of(self.first.regions.envelope, str(self.first.regions.path))
        for source in self.unpaired:
            spec.require_from(source.regions.envelope, str(source.regions.path))
        if self.labeller is not None:
            self.labeller.feature_spec.require_from(self.first.regions.envelope, str(self.first.regions.path))
        for regions in [*(one.regions for one in self.photographs), *(one.regions for one in self.unpaired)]:
            if tune_cnn:
                require_maps(regions)
            if self.reading.mirrored:
                regions.require_mirrored()

    def vocabulary(self, split: str) -> Vocabulary:
        """The words of the first corpus's vocabulary, or with more sources those that are frequent in all together.

        Raises:
            DataError: the first corpus has no vocabulary.
        """
        corpora = [*(one.corpus for one in self.photographs), *(one.corpus for one in self.unpaired)]
        return joint_vocabulary(corpora, split)

    def train(self, split: str, vocabulary: Vocabulary, seed: int) -> list[Pairs]:
        """The pairs of all sources.

        Args:
            split: the corpus split to read.
            vocabulary: the words of the model.
            seed: draws the sentences of unpaired photographs.

        Raises:
            ArtifactError: the regions of an image are missing, or were extracted from another file.
            DataError: there is nothing to train on.
        """
        paired = [_read(source, split, vocabulary, self.reading) for source in having(self.photographs, split)]
        if sum(len(torch.unique(pairs.image)) for pairs in paired) < 2:
            raise DataError(f"split {split}: only one image has sentences; training needs two or more")
        unpaired = (one.pairs(split, vocabulary, self.labeller, seed, self.reading) for one in self.unpaired)
        return [*paired, *unpaired]

    def held_out(self, split: str | None, vocabulary: Vocabulary) -> list[Pairs | None]:
        """The pairs of a split, by corpus, None for a corpus without it; empty if no split is given.

        Raises:
            ArtifactError: the regions of an image are missing, or were extracted from another file.
            DataError: the first corpus has no such split.
        """
        if split is None:
            return []
        measured, reading = having(self.photographs, split), replace(self.reading, mirrored=False)
        return [
            _read(source, split, vocabulary, reading) if source in measured else None for source in self.photographs
        ]

    def region_bytes(self, splits: Sequence[str]) -> int:
        """The bytes of the descriptors that training and validation need in memory.

        Args:
            splits: the split to train on, whose mirrored views count as well, and the one to validate with.

        Raises:
            ArtifactError: the regions of an image are missing.
            DataError: the first corpus has no such split.
        """
        views = 2 if self.reading.mirrored else 1
        unpaired = sum(one.regions.padded_bytes(one.regions.ids) for one in self.unpaired)
        return views * unpaired + bytes_of_splits(self.photographs, [*list(splits[:1]) * views, *splits[1:]])

    def record(self) -> dict[str, Any]:
        """The sources besides the first corpus and its regions, for the envelope of the model."""
        found = {**record_further(self.photographs), **self.reading.record()}
        if self.unpaired:
            found["unpaired"] = [
                {"regions": one.regions.sha256, "corpus": one.corpus.sha256, "weight": one.weight}
                for one in self.unpaired
            ]
        if self.labeller is not None:
            found["labeller"] = {"sha256": self.labeller.sha256}
        return found


def _read(source: PhotographSource, split: str, vocabulary: Vocabulary, reading: Reading) -> Pairs:
    stream, mirrored = reading.stream, reading.mirrored
    pairs = read_pairs(source.corpus, source.regions, split, vocabulary, stream=stream, mirrored=mirrored)
    return replace(pairs, weight=source.weight)
