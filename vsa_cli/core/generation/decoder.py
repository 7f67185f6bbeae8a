"""A trained generator with its search, which captions descriptors.

A trained generator is a model directory (`core.learning.model_dir`) of format `vsa-generator`. This module does not
depend on photographs or output formats.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vsa_cli.core.config import REGION_STYLE, DecodingConfig, GeneratorConfig
from vsa_cli.core.corpus.vocabulary import END, Vocabulary
from vsa_cli.core.errors import ArtifactError, ConfigError
from vsa_cli.core.generation.attentive import AttentiveGenerator
from vsa_cli.core.generation.beam_search import Hypothesis, beam_search
from vsa_cli.core.generation.confidence import Calibration, shown_in
from vsa_cli.core.generation.constraints import AtLeast, Avoid, DecoderState, NoRepeat, NotLast, Rule, StepFunction
from vsa_cli.core.generation.decoding import MOST_LENGTH_NORM, ids_of, resolve_decoding
from vsa_cli.core.generation.model import Generator, SentenceModel, no_tags
from vsa_cli.core.generation.repetition import UNFINISHED, NoSecondMention, is_english
from vsa_cli.core.generation.results import Box, Candidate, SeenObject
from vsa_cli.core.generation.sampling import sample
from vsa_cli.core.generation.styles import likeliest
from vsa_cli.core.generation.tags import AT_LEAST, choose, probabilities_of, with_labels
from vsa_cli.core.io.envelope import GENERATOR
from vsa_cli.core.learning.model_dir import Trained, read_trained
from vsa_cli.core.onednn import packed
from vsa_cli.core.regions.image_regions import ImageRegions, Label, pad

ROWS = 8192
"""Unfinished sentences decoded together. Their scores form an array of this many rows and V columns: 80 MB for the
vocabulary of Flickr8k."""

_ROWS_HINT = 128  # unfinished sentences of a usual step, for which the layers are laid out

MOST_TAGS = 100
"""The largest number of tags of an image."""


def build_generator(config: GeneratorConfig, descriptor_size: int, vocabulary_size: int) -> SentenceModel:
    """A new model: the paper's, or one with attention."""
    kind = AttentiveGenerator if config.attention else Generator
    return kind(config, descriptor_size, vocabulary_size)


def read_generator(folder: Path, device: torch.device) -> Trained[SentenceModel]:
    """Read a trained generator.

    Raises:
        DataError: the folder does not exist or cannot be read.
        ArtifactError: it is damaged, of another format, or its length normalisation is out of range.
    """
    trained = read_trained(folder, device, GENERATOR, GeneratorConfig, build_generator)
    config = trained.model.config
    if not 0 <= config.length_norm <= MOST_LENGTH_NORM:
        raise ArtifactError(f"{folder}: length_norm={config.length_norm} does not fit GeneratorConfig")
    if config.tags > MOST_TAGS:
        raise ArtifactError(f"{folder}: tags={config.tags} does not fit GeneratorConfig (at most {MOST_TAGS})")
    return trained


class Decoder:
    """A trained generator and the settings of its search or sampling.

    Args:
        trained: the generator, whose weights must not change afterwards.
        decoding: the settings of the search.
        seed: random seed of the sampling.
        calibration: gives each caption a confidence; None gives none.

    Raises:
        ConfigError: the settings contradict each other, or a word of `avoid` or `require`, or the `style`, is unknown
            to the model.
    """

    def __init__(
        self,
        trained: Trained[SentenceModel],
        decoding: DecodingConfig,
        seed: int,
        calibration: Calibration | None = None,
    ) -> None:
        self._model, self._vocabulary, self._calibration = trained.model, trained.vocabulary, calibration
        self._decoding, self._seed = resolve_decoding(decoding), seed
        self._layers = {name: packed(*weights, _ROWS_HINT) for name, weights in self._model.step_weights.items()}
        default = trained.model.config.length_norm
        self._length_norm = default if decoding.length_norm is None else decoding.length_norm
        by_default = trained.model.config.attention > 0 and self._decoding.groups == 1
        self._consensus = by_default if decoding.consensus is None else decoding.consensus
        self._required = ids_of(self._decoding.require, trained.vocabulary, "require")
        _check_style(self._decoding.style, trained.model.config.styles)
        self._rules = _rules(self._decoding, trained.vocabulary)
        repetition = self._decoding.repetition
        forbidden = bool(trained.model.config.tags) and is_english(trained.vocabulary.words)
        if repetition is False or (repetition is None and forbidden):
            self._rules.append(NoSecondMention(trained.vocabulary.words, self._required))
            unfinished = tuple(trained.vocabulary.encode(filter(trained.vocabulary.knows, UNFINISHED)))
            self._rules.append(NotLast(unfinished, END, self._decoding.max_length))

    @property
    def uses_regions(self) -> bool:
        """Whether the model takes the descriptors of all regions rather than only of the whole image."""
        return self._model.uses_regions

    @torch.inference_mode()
    def caption(
        self, images: Sequence[ImageRegions], keys: Sequence[str], style: str | None = None
    ) -> list[tuple[Candidate, ...]]:
        """Candidates for each of B images, best first; sampled ones in the order drawn.

        An image has none if the settings rule out every sentence.

        Args:
            images: the images; only region 0 of each is used unless the model `uses_regions`.
            keys: the identifier of each image; with the seed, it determines the sampled words.
            style: one of the model's styles; None takes that of the settings, or else the one that suits each image.
        """
        seen = self.names(images, style)
        step, state = self._model.start_decoding(self._descriptors(images), self._tags(seen), self._layers)
        start = self._start(style or self._decoding.style, seen)
        decode = self._sample if self._decoding.sample else self._search
        rows = self._decoding.nbest if self._decoding.sample else self._decoding.beam << len(self._required)
        together = max(1, ROWS // rows)
        found: list[list[Hypothesis]] = []
        for first in range(0, len(keys), together):
            part = slice(first, first + together)
            found += decode(step, tuple(tensor[part] for tensor in state), start[part], keys[part])
        captions = [tuple(map(self._candidate, hypotheses)) for hypotheses in found]
        if self._calibration is None:
            return captions
        return self._calibration.rate(captions, shown_in(self._model.config.names, seen))

    def names(self, images: Sequence[ImageRegions], style: str | None = None) -> Tensor:
        """(B, M) probability of each of the model's names in each image, by its labeller and by the images' labels.

        Args:
            images: the images.
            style: the style of the captions; for a region, which is followed by its surroundings, the names are its
                own.
        """
        config, labeller = self._model.config, getattr(self._model, "labeller", None)
        seen = [image.take([0]) for image in images] if style == REGION_STYLE else images
        probabilities = torch.zeros(len(images), len(config.names))
        if labeller is not None:
            probabilities = probabilities_of(labeller, torch.from_numpy(pad([image.descriptors for image in seen])))
        return with_labels(probabilities, [image.labels for image in seen], config.names)

    def objects(self, images: Sequence[ImageRegions]) -> list[tuple[SeenObject, ...]]:
        """What each image shows, by the model's labeller and the images' labels, surest first; each name once.

        Raises:
            ConfigError: the model has no labeller.
        """
        labeller = getattr(self._model, "labeller", None)
        if labeller is None:
            raise ConfigError("`objects`: the model does not name things; only one trained with a labeller does")
        found = []
        for image in images:
            best: dict[str, Label] = {}
            for label in (*labeller.labels(image, AT_LEAST), *image.labels):
                if label.score >= max(AT_LEAST, best[label.name].score if label.name in best else 0.0):
                    best[label.name] = label
            labels = sorted(best.values(), key=lambda label: (-label.score, label.name))
            found.append(tuple(SeenObject(one.name, one.score, _box(image, one.region)) for one in labels))
        return found

    def _tags(self, names: Tensor) -> Tensor:
        limit = self._model.config.tags
        tags = choose(names, limit) if limit else no_tags(len(names))
        return tags.to(self._model.device)

    def _descriptors(self, images: Sequence[ImageRegions]) -> Tensor:
        if not self.uses_regions:
            return torch.from_numpy(np.stack([image.descriptors[0] for image in images])).float().to(self._model.device)
        return torch.from_numpy(pad([image.descriptors for image in images])).float().to(self._model.device)

    def _start(self, style: str | None, names: Tensor) -> Tensor:
        """(B,) int64 START of each image: that of the style, or of the style that suits what is seen."""
        start, config = torch.full((len(names),), self._vocabulary.start), self._model.config
        if style is not None and style in config.styles:
            start += config.styles.index(style)
        elif config.tags and len(config.styles) > 1:
            start += likeliest(self._model.get_buffer("style_weight").cpu(), names)
        return start.to(self._model.device)

    def _search(
        self, step: StepFunction, state: DecoderState, start: Tensor, keys: Sequence[str]
    ) -> list[list[Hypothesis]]:
        return beam_search(
            step,
            state,
            start=start,
            end=END,
            width=self._decoding.beam,
            max_length=self._decoding.max_length,
            nbest=self._decoding.nbest,
            length_norm=self._length_norm,
            consensus=self._consensus,
            groups=self._decoding.groups,
            diversity=self._decoding.diversity,
            rules=self._rules,
            required=self._required,
        )

    def _sample(
        self, step: StepFunction, state: DecoderState, start: Tensor, keys: Sequence[str]
    ) -> list[list[Hypothesis]]:
        times, words = self._decoding.nbest, self._decoding.max_length
        seeds = [_seed_of(self._seed, key, number) for key in keys for number in range(times)]
        drawn = sample(
            step,
            tuple(part.repeat_interleave(times, 0) for part in state),
            start=start.repeat_interleave(times),
            end=END,
            max_length=words,
            draws=torch.stack([_uniform(seed, words) for seed in seeds]),
            temperature=self._decoding.temperature,
            top_k=self._decoding.top_k,
            top_p=self._decoding.top_p,
            rules=self._rules,
        )
        return [[h for h in drawn[i : i + times] if h is not None] for i in range(0, len(drawn), times)]

    def _candidate(self, hypothesis: Hypothesis) -> Candidate:
        return Candidate(self._vocabulary.decode(hypothesis.words), hypothesis.logprob)


def _box(image: ImageRegions, region: int) -> Box:
    x1, y1, x2, y2 = image.boxes[region].tolist()
    return x1, y1, x2, y2


def _check_style(style: str | None, styles: Sequence[str]) -> None:
    offered = [one for one in styles if one != REGION_STYLE]
    if style is None or style in offered:
        return
    known = ", ".join(offered)
    raise ConfigError(f"`style`: the model has no style {style!r}; " + (f"it has {known}" if known else "it has none"))


def _rules(decoding: DecodingConfig, vocabulary: Vocabulary) -> list[Rule]:
    """The rules that forbid UNK and what the settings rule out."""
    avoided = ids_of(decoding.avoid, vocabulary, "avoid")
    avoided += () if vocabulary.unk is None else (vocabulary.unk,)
    rules: list[Rule] = [Avoid(avoided)] if avoided else []
    if decoding.min_length:
        rules.append(AtLeast(decoding.min_length, END))
    if decoding.no_repeat_ngram:
        rules.append(NoRepeat(decoding.no_repeat_ngram))
    return rules


def _seed_of(seed: int, key: str, draw: int) -> int:
    digest = hashlib.sha256(f"{seed}/{draw}/{key}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _uniform(seed: int, count: int) -> torch.Tensor:
    return torch.rand(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
