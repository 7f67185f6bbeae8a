"""What a generator is trained on: corpora with photographs, sentences without photographs, and snippets of regions.

All sources share one vocabulary, that of the first corpus extended by the frequent words of the others. The sentences
of a style share a START, so that a trained generator writes in either style. Snippets of regions, if they are
mixed with whole images, have a style of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from vsa_cli.core.alignment.snippets import Snippet, read_snippets
from vsa_cli.core.config import REGION_STYLE, GeneratorConfig
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.errors import DataError
from vsa_cli.core.generation.batches import Pairs, image_pairs, snippet_pairs, text_pairs
from vsa_cli.core.generation.phrases import phrase_of
from vsa_cli.core.generation.repetition import is_english
from vsa_cli.core.generation.styles import fit_styles
from vsa_cli.core.generation.tags import (
    DrawnTags,
    PhotographTags,
    Rates,
    choose,
    mentions_of,
    probabilities_of,
    unseeing_probabilities,
    with_labels,
)
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.labels.labeller import Labeller, TrainedLabeller
from vsa_cli.core.learning.corpora import (
    PhotographSource,
    TextSource,
    bytes_of_splits,
    check_photographs,
    having,
    joint_vocabulary,
    record_further,
)
from vsa_cli.core.learning.reading import IN_MEMORY, Reading
from vsa_cli.core.regions.image_regions import Label
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.stored_descriptors import Descriptors, descriptors_of, first_regions


@dataclass(frozen=True)
class SnippetSource:
    """A file of snippets of the first corpus's regions.

    Attributes:
        path: the file.
        weight: how often the snippets occur in an epoch, beside whole images; None trains on snippets alone. Beside
            whole images, English snippets are cut to phrases (`phrases`).
    """

    path: Path
    weight: float | None = None


@dataclass(frozen=True)
class Sources:
    """Everything that a generator is trained on.

    Attributes:
        photographs: corpora with photographs; the first determines the default style and the minimum count of words.
        text: sentences without photographs.
        snippets: snippets of the first corpus's regions.
        labeller: finds the tags of images; None trains without tags.
        reading: how their regions are read in training.
    """

    photographs: tuple[PhotographSource, ...]
    text: tuple[TextSource, ...] = ()
    snippets: SnippetSource | None = None
    labeller: TrainedLabeller | None = None
    reading: Reading = IN_MEMORY

    @property
    def first(self) -> PhotographSource:
        """The first corpus."""
        return self.photographs[0]

    @property
    def corpora(self) -> tuple[Corpus, ...]:
        """All corpora."""
        return (*(source.corpus for source in self.photographs), *(source.corpus for source in self.text))

    def check(self) -> None:
        """Check that the sources fit each other.

        Raises:
            ArtifactError: regions or labeller were made with another CNN, or in another way, or mirrored views are
                missing.
            DataError: a corpus has no photographs.
        """
        check_photographs(self.photographs)
        if self.reading.mirrored:
            for source in self.photographs:
                source.regions.require_mirrored()
        if self.labeller is not None:
            self.labeller.feature_spec.require_from(self.first.regions.envelope, str(self.first.regions.path))

    def having(self, split: str) -> tuple[PhotographSource, ...]:
        """The corpora with photographs that have a split; the first is always among them."""
        return having(self.photographs, split)

    @property
    def styles(self) -> tuple[str, ...]:
        """The styles of all sentences, the default first; empty if there is only one, without a name."""
        found = list(dict.fromkeys(_style(corpus) for corpus in self.corpora))
        if self.snippets is not None and self.snippets.weight is not None:
            found.append(REGION_STYLE)
        return () if found == [_UNNAMED] else tuple(found)

    def vocabulary(self, split: str) -> Vocabulary:
        """The words of the first corpus's vocabulary, and those as frequent in all sources together.

        Raises:
            DataError: the first corpus has no vocabulary.
        """
        return joint_vocabulary(self.corpora, split)

    def region_bytes(self, splits: Sequence[str], *, all_regions: bool) -> int:
        """The bytes of the descriptors that training and validation need in memory.

        Args:
            splits: the split to train on, whose mirrored views count as well, and the one to validate with.
            all_regions: whether the model takes all regions rather than only the whole image.

        Raises:
            ArtifactError: the regions of an image are missing.
            DataError: the first corpus has no such split.
        """
        alone = self.snippets is not None and self.snippets.weight is None
        splits = [*splits, *(splits[:1] if self.reading.mirrored else ())]
        images = 0 if alone else bytes_of_splits(self.photographs, splits, whole_only=not all_regions)
        return images + (0 if self.snippets is None else bytes_of_splits([self.first], splits))

    def record(self) -> dict[str, Any]:
        """The sources besides the first corpus and its regions, for the envelope of the model."""
        found = {**record_further(self.photographs), **self.reading.record()}
        if self.text:
            found["text"] = [{"corpus": one.corpus.sha256, "weight": one.weight} for one in self.text]
        if self.snippets is not None:
            weight = {} if self.snippets.weight is None else {"weight": self.snippets.weight}
            found["snippets"] = {"sha256": file_sha256(self.snippets.path), **weight}
        if self.labeller is not None:
            found["labeller"] = {"sha256": self.labeller.sha256}
        return found


_UNNAMED = "default"


def _style(corpus: Corpus) -> str:
    return corpus.style or _UNNAMED


def complete(config: GeneratorConfig, sources: Sources) -> GeneratorConfig:
    """The configuration of a model with what depends on its sources: styles, names and labeller."""
    config = replace(config, styles=sources.styles)
    if sources.labeller is None or not config.tags:
        return replace(config, tags=0)
    own = sources.labeller.model.config
    return replace(config, names=own.names, labeller_size=own.hidden_size)


class SourceReader:
    """Reads sources as training pairs for a model.

    Args:
        sources: the sources, checked.
        config: the configuration of the model.
        vocabulary: the vocabulary of the model.
        labeller: finds tags, in evaluation mode; None for a model without tags.
    """

    def __init__(
        self, sources: Sources, config: GeneratorConfig, vocabulary: Vocabulary, labeller: Labeller | None
    ) -> None:
        self._sources, self._config, self._vocabulary, self._labeller = sources, config, vocabulary, labeller

    def photographs(self, split: str, *, seen: bool) -> list[Pairs]:
        """The pairs of all corpora with photographs that have this split, and of the snippets.

        Args:
            split: the corpus split to read.
            seen: whether these photographs are for training, for which alone they are mirrored. The labeller was
                trained on them, too, so the tags of each are found by the labeller of a fold that was not, so that they
                are as good as those of new photographs.

        Raises:
            ArtifactError: the regions of an image are missing, or were extracted from another file.
            DataError: the first corpus has no such split, or there is no sentence or snippet with a known word.
        """
        snippets = self._sources.snippets
        if snippets is not None and snippets.weight is None:
            return [self._snippets(snippets, split, seen)]
        found = [self._images(source, split, seen) for source in self._sources.having(split)]
        return found if snippets is None else [*found, self._snippets(snippets, split, seen)]

    def text(self, split: str, measured: Sequence[Pairs], measured_on: str) -> Iterator[Pairs]:
        """The pairs without photographs.

        Args:
            split: the corpus split to read.
            measured: the pairs of photographs by which omissions and errors of tags are measured.
            measured_on: the split of these.

        Raises:
            DataError: a corpus has no sentence with a known word.
        """
        if not self._sources.text:
            return
        rates = self._rates(measured, measured_on) if self._config.tags else None
        for source in self._sources.text:
            pairs = text_pairs(source.corpus, split, self._vocabulary)
            tags = None
            if rates is not None:
                tags = DrawnTags(self._mentions(source.corpus, split), rates, self._config.tags)
            yield replace(pairs, start=self.start(source.corpus), tags=tags, weight=source.weight)

    def style_weight(self, photographs: Sequence[Pairs]) -> torch.Tensor | None:
        """The weights of `core.generation.styles`; None for a model without tags, or of one style.

        Args:
            photographs: the pairs whose styles are to be recognised; those of snippets do not count.
        """
        styles = self._config.styles
        if self._labeller is None or len(styles) < 2:
            return None
        examples: list[list[torch.Tensor]] = [[torch.zeros(0, len(self._config.names))] for _ in styles]
        for pairs in photographs:
            style = pairs.start - self._vocabulary.start
            if isinstance(pairs.tags, PhotographTags) and styles[style] != REGION_STYLE:
                examples[style].append(pairs.tags.probabilities)
        return fit_styles([torch.cat(own) for own in examples])

    def start(self, corpus: Corpus) -> int:
        """The id of START for the style of a corpus; an unknown style takes the default."""
        return self._start(_style(corpus))

    def _start(self, style: str) -> int:
        styles = self._config.styles
        return self._vocabulary.start + (styles.index(style) if style in styles else 0)

    def tags(self, regions: RegionStore, keys: Sequence[str]) -> PhotographTags | None:
        """The tags of photographs; None for a model without tags."""
        if self._labeller is None:
            return None
        descriptors = descriptors_of(regions, keys, stream=self._sources.reading.stream)
        return self._found(descriptors, [regions.labels_of(key) for key in keys])

    def _found(
        self, descriptors: Descriptors, labels: Sequence[Sequence[Label]], hashes: Sequence[str] = ()
    ) -> PhotographTags | None:
        """The tags of photographs.

        Args:
            descriptors: (K, R, D) of the photographs.
            labels: those of a detector.
            hashes: SHA-256 of each photograph, if the labeller was trained on them.
        """
        if self._labeller is None:
            return None
        trained, limit = self._sources.labeller, self._config.tags
        if hashes and trained is not None and trained.folds:
            alone = unseeing_probabilities(trained, descriptors, hashes)
        else:
            alone = probabilities_of(self._labeller, descriptors)
        both = with_labels(alone, labels, self._config.names)
        return PhotographTags(choose(alone, limit), choose(both, limit), alone)

    def _images(self, source: PhotographSource, split: str, seen: bool) -> Pairs:
        pairs = image_pairs(
            source.corpus,
            source.regions,
            split,
            self._vocabulary,
            all_regions=self._config.attention > 0,
            reading=self._reading(seen),
        )
        assert pairs.descriptors is not None  # tags require attention, and so all regions
        labels = [source.regions.labels_of(key) for key in pairs.photographs]
        tags = self._found(pairs.descriptors, labels, _hashes(source.regions, pairs) if seen else ())
        return replace(pairs, start=self.start(source.corpus), tags=tags, weight=source.weight)

    def _reading(self, seen: bool) -> Reading:
        """How photographs are read: mirrored only for training, not for validation."""
        reading = self._sources.reading
        return replace(reading, mirrored=reading.mirrored and seen)

    def _snippets(self, source: SnippetSource, split: str, seen: bool) -> Pairs:
        corpus, regions = self._sources.first.corpus, self._sources.first.regions
        snippets: Iterable[Snippet] = read_snippets(source.path, corpus, regions)
        if source.weight is not None and is_english(self._vocabulary.words):
            snippets = (replace(one, words=phrase_of(one.words)) for one in snippets)
        pairs = snippet_pairs(
            snippets,
            corpus,
            regions,
            split,
            self._vocabulary,
            with_whole_image=self._config.attention > 0,
            reading=self._reading(seen),
        )
        if pairs is None:
            raise DataError(
                f"{source.path}: no snippet of split {split} has a known word; run `vsa align` on that split too"
            )
        assert pairs.descriptors is not None
        hashes = _hashes(regions, pairs) if seen else ()
        tags = self._found(first_regions(pairs.descriptors), [()] * len(pairs.descriptors), hashes)
        return replace(pairs, start=self._start(REGION_STYLE), tags=tags, weight=source.weight or 1.0)

    def _mentions(self, corpus: Corpus, split: str) -> tuple[tuple[int, ...], ...]:
        labeller = self._sources.labeller
        assert labeller is not None
        sentences = [[sentence.tokens for sentence in image.sentences] for image in corpus.split(split)]
        return mentions_of(sentences, labeller.names)

    def _rates(self, measured: Sequence[Pairs], split: str) -> Rates:
        """The rates of tags on the photographs of `measured`, which are in the order of the corpora."""
        names = len(self._config.names)
        is_tag: list[torch.Tensor] = []
        is_mentioned: list[torch.Tensor] = []
        for source, pairs in zip(self._sources.having(split), measured, strict=False):
            if not isinstance(pairs.tags, PhotographTags):
                continue
            mentioned = _indicator([list(found) for found in self._mentions(source.corpus, split)], names)
            for tags in (pairs.tags.alone, pairs.tags.both):
                is_tag.append(_indicator(tags.tolist(), names))
                is_mentioned.append(mentioned)
        return Rates.measure(torch.cat(is_tag), torch.cat(is_mentioned))


def _hashes(regions: RegionStore, pairs: Pairs) -> list[str]:
    return [regions.hash_of(key) for key in pairs.photographs]


def _indicator(rows: Sequence[Sequence[int]], names: int) -> torch.Tensor:
    """(K, M) bool: whether each name is in each row; indices of M are ignored."""
    result = torch.zeros(len(rows), names + 1, dtype=torch.bool)
    for row, found in enumerate(rows):
        result[row, found] = True
    return result[:, :names]
