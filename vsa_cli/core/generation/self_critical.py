"""Self-critical training: maximise the CIDEr of captions sampled from a trained generator (Rennie et al. 2017).

For each image some captions are sampled from the model. The reward of each is its CIDEr against the image's references;
its advantage is the reward minus the mean reward of the image's other samples (the leave-one-out baseline of Luo 2020).
The log-probability of a caption is raised or lowered in proportion to its advantage. CIDEr's word weights are those of
the training references.
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

_VALIDATION_BATCH = 64  # images


@dataclass(frozen=True)
class ReferencedImages:
    """K images and their reference sentences.

    Attributes:
        descriptors: (K, D) or (K, R, D) float16 descriptors.
        references: the references of each image, as PTB tokens joined by spaces.
    """

    descriptors: Tensor
    references: tuple[tuple[str, ...], ...]


def images_with_references(corpus: Corpus, regions: RegionStore, split: str, *, all_regions: bool) -> ReferencedImages:
    """Read the images of a split that have sentences.

    Raises:
        ArtifactError: the regions of an image are missing.
        DataError: none of its images has a sentence.
    """
    images = [image for image in corpus.split(split) if image.sentences]
    if not images:
        raise DataError(f"split {split}: no image with a sentence")
    keys = [image.key for image in images]
    tokenizer = Tokenizer()
    references = tuple(tuple(tokenizer.tokenize([s.raw for s in image.sentences])) for image in images)
    found = regions.padded(keys) if all_regions else regions.whole_images(keys)
    return ReferencedImages(torch.from_numpy(found), references)


@dataclass(frozen=True)
class MetricBatch:
    """Image indices, and (images * samples, longest) uniform random numbers, one for each word to sample."""

    images: Tensor
    draws: Tensor


class SelfCriticalTask:
    """Maximise the expected CIDEr of captions that are sampled from the model."""

    def __init__(
        self,
        model: SentenceModel,
        vocabulary: Vocabulary,
        train: ReferencedImages,
        held_out: ReferencedImages | None,
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
        """The surrogate loss of the policy gradient, and the negative CIDEr of the samples to report."""
        descriptors = self._train.descriptors[batch.images]
        captions = self._sample(descriptors, batch.draws)
        image = torch.arange(len(batch.images)).repeat_interleave(self._training.samples)
        references = [self._train.references[int(batch.images[i])] for i in image]
        reward = self._cider(captions, references).reshape(-1, self._training.samples)
        others = (reward.sum(1, keepdims=True) - reward) / (self._training.samples - 1)
        advantage = torch.from_numpy((reward - others).ravel()).float()
        objective = -(advantage.to(self.model.device) * self._log_probability(descriptors, image, captions)).mean()
        return objective, -float(reward.sum()), reward.size

    def validate(self) -> dict[str, float]:
        """CIDEr of greedy captions on the validation split, with the word weights of the training references."""
        if self._held_out is None:
            return {}
        captions: list[tuple[int, ...]] = []
        for descriptors in torch.split(self._held_out.descriptors, _VALIDATION_BATCH):
            step, state = self.model.start_decoding(descriptors.float().to(self.model.device))
            found = beam_search(
                step,
                state,
                start=self._vocabulary.start,
                end=END,
                width=1,
                max_length=DecodingConfig.max_length,
                rules=self._rules,
            )
            captions += [hypotheses[0].words if hypotheses else () for hypotheses in found]
        return {"CIDEr": float(self._cider(captions, self._held_out.references).mean())}

    def selection_metric(self, validation: dict[str, float]) -> float:
        """The CIDEr."""
        return validation["CIDEr"]

    def _sample(self, descriptors: Tensor, draws: Tensor) -> list[tuple[int, ...]]:
        """Sample (images * samples) captions without dropout, those of an image in sequence."""
        self.model.eval()
        with torch.inference_mode():
            step, state = self.model.start_decoding(descriptors.float().to(self.model.device))
            sampled = sample(
                step,
                tuple(part.repeat_interleave(self._training.samples, 0) for part in state),
                start=self._vocabulary.start,
                end=END,
                max_length=DecodingConfig.max_length,
                draws=draws,
                rules=self._rules,
            )
        self.model.train()
        return [() if hypothesis is None else hypothesis.words for hypothesis in sampled]

    def _log_probability(self, descriptors: Tensor, image: Tensor, captions: list[tuple[int, ...]]) -> Tensor:
        """(S,) mean log-probability per word of each caption given its image, END counted, in nats."""
        batch = pack(Pairs(descriptors, image, tuple(captions)), range(len(captions)), self._vocabulary.start)
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self._bfloat16):
            logits = self.model.logits(batch.to(self.model.device))
        each = torch.log_softmax(logits.float(), -1).gather(1, batch.targets.to(logits.device)[:, None])[:, 0]
        longest_first = sorted(range(len(captions)), key=lambda i: -len(captions[i]))  # the order of `pack`
        owner = torch.cat([torch.tensor(longest_first[:rows]) for rows in batch.batch_sizes]).to(logits.device)
        total = torch.zeros(len(captions), device=logits.device).index_add(0, owner, each)
        return total / torch.bincount(owner, minlength=len(captions))

    def _cider(self, captions: Iterable[tuple[int, ...]], references: Iterable[tuple[str, ...]]) -> NDArray[np.float64]:
        pairs = [(self._vocabulary.decode(words), own) for words, own in zip(captions, references, strict=True)]
        return cider(pairs, self._frequencies).each["CIDEr"]
