"""Training a generator by the metric itself (Rennie et al. 2017), from a start that likelihood has trained.

For each image some sentences are drawn from the model; each is worth its CIDEr among the image's own references, less
the mean worth of the others drawn for that image; the log-probabilities of those worth more are raised, of those worth
less lowered. CIDEr's word weights are those of the training references.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core.config import DecodingConfig, GeneratorTraining
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.vocabulary import END, Vocabulary
from vsa_cli.core.device import has_fast_bfloat16
from vsa_cli.core.errors import DataError
from vsa_cli.core.generation.batches import Pairs, pack
from vsa_cli.core.generation.beam_search import beam_search
from vsa_cli.core.generation.constraints import Avoid, Rule
from vsa_cli.core.generation.model import SentenceModel
from vsa_cli.core.generation.sampling import sample
from vsa_cli.core.metrics.captioning import DocumentFrequencies, cider, count_documents
from vsa_cli.core.metrics.ptb import Tokenizer
from vsa_cli.core.regions.store import RegionStore

_VALIDATED = 64  # images captioned at once


@dataclass(frozen=True)
class Described:
    """Images and what people said of them.

    Attributes:
        descriptors: (K, D) or (K, R, D) float16.
        references: of each image, PTB tokens joined by spaces.
    """

    descriptors: Tensor
    references: tuple[tuple[str, ...], ...]


def described_images(corpus: Corpus, regions: RegionStore, split: str, *, all_regions: bool) -> Described:
    """The images of a split that people said something of.

    Raises:
        ArtifactError: the regions lack an image of the split.
        DataError: none of its images has a sentence.
    """
    images = [image for image in corpus.split(split) if image.sentences]
    if not images:
        raise DataError(f"split {split}: no image with a sentence")
    keys = [image.key for image in images]
    tokenizer = Tokenizer()
    references = tuple(tuple(tokenizer.tokenize([s.raw for s in image.sentences])) for image in images)
    found = regions.padded(keys) if all_regions else regions.whole_images(keys)
    return Described(torch.from_numpy(found), references)


@dataclass(frozen=True)
class MetricBatch:
    """Images, and one uniform number for each word that may be drawn: (images * samples, longest)."""

    images: Tensor
    draws: Tensor


class SelfCriticalTask:
    """Raise the expected CIDEr of sentences drawn from the model."""

    def __init__(
        self,
        model: SentenceModel,
        vocabulary: Vocabulary,
        train: Described,
        held_out: Described | None,
        training: GeneratorTraining,
    ) -> None:
        self.model = model
        self._vocabulary, self._train, self._held_out, self._training = vocabulary, train, held_out, training
        self._frequencies: DocumentFrequencies = count_documents(train.references)
        self._rules: list[Rule] = [] if vocabulary.unk is None else [Avoid((vocabulary.unk,))]
        self._bfloat16 = has_fast_bfloat16(model.device)

    def batches(self, generator: torch.Generator) -> Iterable[MetricBatch]:
        """Every image once, in random order."""
        order = torch.randperm(len(self._train.references), generator=generator)
        for images in torch.split(order, self._training.batch_size):
            rows = len(images) * self._training.samples
            yield MetricBatch(
                images, torch.rand(rows, DecodingConfig.max_length, generator=generator, dtype=torch.float64)
            )

    def loss(self, batch: MetricBatch) -> tuple[Tensor, float, int]:
        """The policy gradient's surrogate to descend; the (negative) CIDEr of what was drawn, to report."""
        descriptors = self._train.descriptors[batch.images]
        drawn = self._draw(descriptors, batch.draws)
        image = torch.arange(len(batch.images)).repeat_interleave(self._training.samples)
        references = [self._train.references[int(batch.images[i])] for i in image]
        worth = self._worth(drawn, references).reshape(-1, self._training.samples)
        others = (worth.sum(1, keepdims=True) - worth) / (self._training.samples - 1)
        advantage = torch.from_numpy((worth - others).ravel()).float()
        objective = -(advantage.to(self.model.device) * self._log_probability(descriptors, image, drawn)).mean()
        return objective, -float(worth.sum()), worth.size

    def validate(self) -> dict[str, float]:
        """CIDEr of the likeliest words one by one on the held-out images, its weights those of train."""
        if self._held_out is None:
            return {}
        said: list[tuple[int, ...]] = []
        for descriptors in torch.split(self._held_out.descriptors, _VALIDATED):
            step, state = self.model.begin(descriptors.float().to(self.model.device))
            found = beam_search(
                step,
                state,
                start=self._vocabulary.start,
                end=END,
                width=1,
                max_length=DecodingConfig.max_length,
                rules=self._rules,
            )
            said += [hypotheses[0].words if hypotheses else () for hypotheses in found]
        return {"CIDEr": float(self._worth(said, self._held_out.references).mean())}

    def selection_metric(self, validation: dict[str, float]) -> float:
        """CIDEr."""
        return validation["CIDEr"]

    def _draw(self, descriptors: Tensor, draws: Tensor) -> list[tuple[int, ...]]:
        """(images * samples) sentences, those of an image together, drawn without dropout."""
        self.model.eval()
        with torch.inference_mode():
            step, state = self.model.begin(descriptors.float().to(self.model.device))
            drawn = sample(
                step,
                tuple(part.repeat_interleave(self._training.samples, 0) for part in state),
                start=self._vocabulary.start,
                end=END,
                max_length=DecodingConfig.max_length,
                draws=draws,
                rules=self._rules,
            )
        self.model.train()
        return [() if hypothesis is None else hypothesis.words for hypothesis in drawn]

    def _log_probability(self, descriptors: Tensor, image: Tensor, drawn: list[tuple[int, ...]]) -> Tensor:
        """(S,) of each sentence given its image, END included, divided by its number of words."""
        batch = pack(Pairs(descriptors, image, tuple(drawn)), range(len(drawn)), self._vocabulary.start)
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self._bfloat16):
            logits = self.model.logits(batch.to(self.model.device))
        each = torch.log_softmax(logits.float(), -1).gather(1, batch.targets.to(logits.device)[:, None])[:, 0]
        longest_first = sorted(range(len(drawn)), key=lambda i: -len(drawn[i]))  # as `pack` has them
        owner = torch.cat([torch.tensor(longest_first[:rows]) for rows in batch.batch_sizes]).to(logits.device)
        total = torch.zeros(len(drawn), device=logits.device).index_add(0, owner, each)
        return total / torch.bincount(owner, minlength=len(drawn))

    def _worth(self, said: Iterable[tuple[int, ...]], references: Iterable[tuple[str, ...]]) -> NDArray[np.float64]:
        pairs = [(self._vocabulary.decode(words), told) for words, told in zip(said, references, strict=True)]
        return cider(pairs, self._frequencies).each["CIDEr"]
