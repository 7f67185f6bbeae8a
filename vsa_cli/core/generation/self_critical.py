"""Self-critical training: maximise the CIDEr of captions sampled from a trained generator (Rennie et al. 2017).

For each image some captions are sampled from the model. The reward of each is its CIDEr against the image's references;
its advantage is the reward minus the mean reward of the image's other samples (the leave-one-out baseline of Luo 2020).
The log-probability of a caption is raised or lowered in proportion to its advantage. CIDEr's word weights are those of
the training references.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core.config import DecodingConfig, GeneratorTraining
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.vocabulary import END, Vocabulary
from vsa_cli.core.device import Precision, products_in, resolve_precision
from vsa_cli.core.errors import DataError
from vsa_cli.core.generation.batches import Pairs, longest_first, pack
from vsa_cli.core.generation.beam_search import beam_search
from vsa_cli.core.generation.constraints import Avoid, Rule
from vsa_cli.core.generation.model import SentenceModel, no_tags
from vsa_cli.core.generation.sampling import sample
from vsa_cli.core.generation.tags import GivenTags, TagSource
from vsa_cli.core.learning.distributed import gathered
from vsa_cli.core.learning.reading import IN_MEMORY, Reading
from vsa_cli.core.learning.shares import Rows, counts_of
from vsa_cli.core.metrics.captioning import DocumentFrequencies, cider, count_documents
from vsa_cli.core.metrics.ptb import Tokenizer
from vsa_cli.core.ranks import ALONE, Ranks
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.stored_descriptors import Descriptors, descriptors_of

_VALIDATION_BATCH = 64  # images


@dataclass(frozen=True)
class ReferencedImages:
    """K images and their reference sentences.

    Attributes:
        descriptors: (K, D) or (K, R, D) float16 descriptors, in memory or in their file.
        references: the references of each image, as PTB tokens joined by spaces.
        start: the id of START, which determines the style.
        tags: the tags of the images; None for a model without tags.
    """

    descriptors: Descriptors
    references: tuple[tuple[str, ...], ...]
    start: int
    tags: TagSource | None = None

    def draw_tags(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """(B, G) tags of the images with these (B,) indices."""
        return no_tags(len(images)) if self.tags is None else self.tags.draw(images, generator)

    def batch(self, images: Tensor, tags: Tensor, draws: Tensor) -> MetricBatch:
        """The batch of these images, whose descriptors are read."""
        return MetricBatch(self, images, tags, draws, self.descriptors[images].float())


def images_with_references(
    corpus: Corpus,
    regions: RegionStore,
    split: str,
    *,
    all_regions: bool,
    stream: bool,
    start: int,
    tags: Callable[[Sequence[str]], TagSource | None],
) -> ReferencedImages:
    """Read the images of a split that have sentences.

    Args:
        corpus: the references.
        regions: the descriptors.
        split: the corpus split to read.
        all_regions: read all regions rather than only the whole image.
        stream: leave the descriptors in their file.
        start: the id of START.
        tags: finds the tags of images by their keys.

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
    found = descriptors_of(regions, keys, stream=stream, whole_only=not all_regions)
    return ReferencedImages(found, references, start, tags(keys))


@dataclass(frozen=True)
class MetricBatch:
    """Images of one source.

    Attributes:
        source: the source.
        images: (B,) int64 indices of images.
        tags: (B, G) int64 tags of the images.
        draws: (B * samples, longest) uniform random numbers, one for each word to sample.
        descriptors: (B, D) or (B, R, D) float32 descriptors of the images.
    """

    source: ReferencedImages
    images: Tensor
    tags: Tensor
    draws: Tensor
    descriptors: Tensor

    def part(self, rows: Tensor) -> MetricBatch:
        """Some of the images, by their positions in the batch."""
        draws = self.draws.view(len(self.images), -1, self.draws.shape[1])[rows].flatten(0, 1)
        return MetricBatch(self.source, self.images[rows], self.tags[rows], draws, self.descriptors[rows])


class SelfCriticalTask:
    """Maximise the expected CIDEr of captions that are sampled from the model."""

    def __init__(
        self,
        model: SentenceModel,
        vocabulary: Vocabulary,
        train: Sequence[ReferencedImages],
        held_out: Sequence[ReferencedImages],
        training: GeneratorTraining,
        reading: Reading = IN_MEMORY,
        ranks: Ranks = ALONE,
        precision: Precision | None = None,
    ) -> None:
        self.model, self._reading, self._ranks = model, reading, ranks
        self._vocabulary, self._train, self._held_out, self._training = vocabulary, train, held_out, training
        self._frequencies: DocumentFrequencies = count_documents(
            [references for source in train for references in source.references]
        )
        self._rules: list[Rule] = [] if vocabulary.unk is None else [Avoid((vocabulary.unk,))]
        self._precision = resolve_precision(precision, model.device)

    def batches(self, generator: torch.Generator) -> Iterable[MetricBatch]:
        """Every image once, in random order; the images of a batch are from one source."""
        return self._reading.ahead(self._batches(generator))

    def _batches(self, generator: torch.Generator) -> Iterator[Callable[[], MetricBatch]]:
        size = self._training.batch_size
        parts = [
            (source, images)
            for source in self._train
            for images in torch.split(torch.randperm(len(source.references), generator=generator), size)
        ]
        for number in torch.randperm(len(parts), generator=generator).tolist():
            source, images = parts[number]
            rows = len(images) * self._training.samples
            tags = source.draw_tags(images, generator)
            draws = torch.rand(rows, DecodingConfig.max_length, generator=generator, dtype=torch.float64)
            yield partial(source.batch, images, tags, draws)

    def loss(self, batch: MetricBatch) -> tuple[Tensor, float, int]:
        """The surrogate loss of the policy gradient, and the negative CIDEr of the samples to report.

        All processes know the rewards of the whole batch; the first reports them.
        """
        captions, rewards = self._rewarded(batch)
        image = torch.arange(len(batch.images)).repeat_interleave(self._training.samples)
        reward = rewards.reshape(-1, self._training.samples)
        others = (reward.sum(1, keepdims=True) - reward) / (self._training.samples - 1)
        advantage = torch.from_numpy((reward - others).ravel()).float()
        log_probability = self._log_probability(batch, image, captions)
        objective = -(advantage.to(self.model.device) * log_probability).mean()
        return objective, -float(reward.sum()) if self._ranks.first else 0.0, reward.size

    def validate(self) -> dict[str, float]:
        """CIDEr of greedy captions on the validation split, with the word weights of the training references."""
        scores = [self._greedy(source) for source in self._held_out]
        return {"CIDEr": float(np.concatenate(scores).mean())} if scores else {}

    def _greedy(self, source: ReferencedImages) -> NDArray[np.float64]:
        captions: list[tuple[int, ...]] = []
        for images in torch.split(torch.arange(len(source.references)), _VALIDATION_BATCH):
            descriptors, tags = source.descriptors[images].float(), source.draw_tags(images)
            device = self.model.device
            step, state = self.model.start_decoding(descriptors.to(device), tags.to(device))
            found = beam_search(
                step,
                state,
                start=source.start,
                end=END,
                width=1,
                max_length=DecodingConfig.max_length,
                rules=self._rules,
            )
            captions += [hypotheses[0].words if hypotheses else () for hypotheses in found]
        return self._cider(captions, source.references)

    def selection_metric(self, validation: dict[str, float]) -> float:
        """The CIDEr."""
        return validation["CIDEr"]

    def _rewarded(self, batch: MetricBatch) -> tuple[list[tuple[int, ...]], NDArray[np.float64]]:
        """Captions sampled for the images of a batch, and their rewards; of several processes, each samples some."""
        owner = torch.tensor(self._ranks.owners(len(batch.images)))
        part = batch.part(Rows.of_owner(owner, self._ranks).own)
        captions = self._sample(part)
        samples = self._training.samples
        references = [batch.source.references[int(image)] for image in part.images for _ in range(samples)]
        rewards = self._cider(captions, references)
        if self._ranks.alone:
            return captions, rewards
        counts = [samples * count for count in counts_of(owner, self._ranks)]
        rows = [
            [reward, len(words), *words, *[0] * (DecodingConfig.max_length - len(words))]
            for reward, words in zip(rewards.tolist(), captions, strict=True)
        ][: counts[self._ranks.rank]]
        table = torch.tensor(rows, dtype=torch.float64).reshape(len(rows), DecodingConfig.max_length + 2)
        found = gathered(table.to(self.model.device), counts, self._ranks, summed=False).cpu()
        sentences = [tuple(map(int, row[2 : 2 + int(row[1])])) for row in found.tolist()]
        return sentences, found[:, 0].numpy()

    def _sample(self, batch: MetricBatch) -> list[tuple[int, ...]]:
        """Sample (images * samples) captions without dropout, those of an image in sequence."""
        self.model.eval()
        with torch.inference_mode():
            device = self.model.device
            step, state = self.model.start_decoding(batch.descriptors.to(device), batch.tags.to(device))
            sampled = sample(
                step,
                tuple(part.repeat_interleave(self._training.samples, 0) for part in state),
                start=batch.source.start,
                end=END,
                max_length=DecodingConfig.max_length,
                draws=batch.draws,
                rules=self._rules,
            )
        self.model.train()
        return [() if hypothesis is None else hypothesis.words for hypothesis in sampled]

    def _log_probability(self, batch: MetricBatch, image: Tensor, captions: list[tuple[int, ...]]) -> Tensor:
        """(S,) mean log-probability per word of each caption given its image, END counted, in nats.

        Zero for captions that another process computes.
        """
        sources = [Pairs(batch.descriptors, image, tuple(captions), batch.source.start, GivenTags(batch.tags))]
        chosen = [(0, i) for i in range(len(captions))]
        packed = pack(sources, chosen, ranks=self._ranks)
        with products_in(self._precision, self.model.device):
            logits = self.model.logits(packed.to(self.model.device))
        each = torch.log_softmax(logits.float(), -1).gather(1, packed.targets.to(logits.device)[:, None])[:, 0]
        order = torch.tensor([i for _, i in longest_first(sources, chosen)])
        if packed.rows is not None:
            order = packed.rows.sentences.take(order)
            each = 0 * each if packed.rows.idle else each
        owner = torch.cat([order[:rows] for rows in packed.batch_sizes]).to(logits.device)
        total = torch.zeros(len(captions), device=logits.device).index_add(0, owner, each)
        return total / torch.tensor([len(words) + 1 for words in captions], device=logits.device)

    def _cider(self, captions: Iterable[tuple[int, ...]], references: Iterable[tuple[str, ...]]) -> NDArray[np.float64]:
        pairs = [(self._vocabulary.decode(words), own) for words, own in zip(captions, references, strict=True)]
        return cider(pairs, self._frequencies).each["CIDEr"]
