"""A trained generator with its search: descriptors in, captions out. Knows no photographs and no output format."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from vsa_cli.core.config import DecodingConfig
from vsa_cli.core.corpus.vocabulary import END, Vocabulary
from vsa_cli.core.generation.beam_search import Hypothesis, beam_search
from vsa_cli.core.generation.constraints import AtLeast, Avoid, DecoderState, NoRepeat, Rule, StepFunction
from vsa_cli.core.generation.decoding import ids_of
from vsa_cli.core.generation.model import SentenceModel
from vsa_cli.core.generation.results import Candidate
from vsa_cli.core.generation.sampling import sample
from vsa_cli.core.learning.model_dir import Trained

ROWS = 8192
"""Unfinished sentences decoded at once; their scores are this by V floats, about 80 MB for Flickr8k's words."""


class Captioner:
    """A trained generator with a way to search it, or to draw from it.

    Raises:
        UsageError: the model does not know a word that is to be avoided or required.
    """

    def __init__(self, trained: Trained[SentenceModel], decoding: DecodingConfig, seed: int) -> None:
        self._model, self._vocabulary = trained.model, trained.vocabulary
        self._decoding, self._seed = decoding, seed
        own = trained.model.config.length_norm
        self._length_norm = own if decoding.length_norm is None else decoding.length_norm
        self._required = ids_of(decoding.require, trained.vocabulary, "--require")
        self._rules = _rules(decoding, trained.vocabulary)

    @property
    def uses_regions(self) -> bool:
        """Whether it wants descriptors of all regions, or of the whole image."""
        return self._model.uses_regions

    @torch.inference_mode()
    def caption(self, descriptors: NDArray[np.float16], keys: Sequence[str]) -> list[tuple[Candidate, ...]]:
        """Candidates for each of B images, best first; drawn ones in the order of the draws. None may be allowed.

        Args:
            descriptors: float16, as `regions.h5` holds them: (B, D) of whole images, or (B, R, D) of all regions,
                whichever the model looks at.
            keys: who each image is; with the seed, it decides what is drawn when sampling.
        """
        step, state = self._model.begin(torch.from_numpy(descriptors).float().to(self._model.device))
        decode = self._draw if self._decoding.sample else self._search
        rows = self._decoding.nbest if self._decoding.sample else self._decoding.beam << len(self._required)
        images = max(1, ROWS // rows)
        found: list[list[Hypothesis]] = []
        for first in range(0, len(keys), images):
            some = slice(first, first + images)
            found += decode(step, tuple(part[some] for part in state), keys[some])
        return [tuple(self._say(hypothesis) for hypothesis in hypotheses) for hypotheses in found]

    def _search(self, step: StepFunction, state: DecoderState, keys: Sequence[str]) -> list[list[Hypothesis]]:
        return beam_search(
            step,
            state,
            start=self._vocabulary.start,
            end=END,
            width=self._decoding.beam,
            max_length=self._decoding.max_length,
            nbest=self._decoding.nbest,
            length_norm=self._length_norm,
            groups=self._decoding.groups,
            diversity=self._decoding.diversity,
            rules=self._rules,
            required=self._required,
        )

    def _draw(self, step: StepFunction, state: DecoderState, keys: Sequence[str]) -> list[list[Hypothesis]]:
        times, words = self._decoding.nbest, self._decoding.max_length
        seeds = [_seed_of(self._seed, key, n) for key in keys for n in range(times)]
        drawn = sample(
            step,
            tuple(part.repeat_interleave(times, 0) for part in state),
            start=self._vocabulary.start,
            end=END,
            max_length=words,
            draws=torch.stack([_uniform(seed, words) for seed in seeds]),
            temperature=self._decoding.temperature,
            top_k=self._decoding.top_k,
            top_p=self._decoding.top_p,
            rules=self._rules,
        )
        return [[h for h in drawn[i : i + times] if h is not None] for i in range(0, len(drawn), times)]

    def _say(self, hypothesis: Hypothesis) -> Candidate:
        return Candidate(self._vocabulary.decode(hypothesis.words), hypothesis.logprob)


def _rules(decoding: DecodingConfig, vocabulary: Vocabulary) -> list[Rule]:
    """What no sentence may say: UNK, and what the configuration rules out."""
    avoided = ids_of(decoding.avoid, vocabulary, "--avoid")
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
