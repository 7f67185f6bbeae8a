"""Training the generator: puts corpus, regions, model and loop together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vsa_cli.core.config import GeneratorConfig, GeneratorTraining
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.device import has_fast_bfloat16
from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.generation.batches import Pairs, image_pairs, ordered_batches, shuffled_batches
from vsa_cli.core.generation.decoder import build_generator
from vsa_cli.core.generation.fragments import fragment_pairs, read_fragments
from vsa_cli.core.generation.model import Batch, SentenceModel
from vsa_cli.core.generation.self_critical import SelfCriticalTask, described_images
from vsa_cli.core.io.envelope import GENERATOR
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.learning.loop import Epoch, Step
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.learning.run import Request, run_training, vocabulary_of
from vsa_cli.core.regions.store import RegionStore

_MAX_NATS = 80.0  # e^80 is as good as infinite, and JSON has no infinity


class GeneratorTask:
    """Maximise the log-probability of each sentence given its image (paper, section 3.2)."""

    def __init__(
        self, model: SentenceModel, train: Pairs, held_out: Pairs | None, start: int, training: GeneratorTraining
    ) -> None:
        self.model = model
        self._train, self._held_out, self._start, self._training = train, held_out, start, training
        self._bfloat16 = has_fast_bfloat16(model.device)

    def batches(self, generator: torch.Generator) -> Iterable[Batch]:
        """Every training sentence once, in random order."""
        return shuffled_batches(self._train, self._training.batch_size, self._start, generator)

    def loss(self, batch: Batch) -> tuple[Tensor, float, int]:
        """(Smoothed) negative log-likelihood in nats: a sentence's mean, to descend; the batch's, to report."""
        moved = batch.to(self.model.device)
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self._bfloat16):
            logits = self.model.logits(moved)
        smoothing = self._training.label_smoothing
        nats = F.cross_entropy(logits.float(), moved.targets, reduction="sum", label_smoothing=smoothing)
        return nats / batch.batch_sizes[0], nats.item(), len(batch.targets)

    def validate(self) -> dict[str, float]:
        """`perplexity` per word (END counted) on the held-out sentences."""
        if self._held_out is None:
            return {}
        return {"perplexity": perplexity(self.model, self._held_out, self._start)}

    def selection_metric(self, validation: dict[str, float]) -> float:
        """Lower perplexity is better."""
        return -validation["perplexity"]


@torch.inference_mode()
def perplexity(model: SentenceModel, pairs: Pairs, start: int) -> float:
    """Exp of the mean negative log-probability per word, END counted, in nats; at most e^80."""
    model.eval()
    nats = sum(-float(model(batch.to(model.device)).sum()) for batch in ordered_batches(pairs, 256, start))
    return math.exp(min(nats / pairs.steps, _MAX_NATS))


def train_generator(
    corpus: Corpus,
    regions: RegionStore,
    request: Request[GeneratorConfig, GeneratorTraining],
    snippets: Path | None = None,
    start: Trained[SentenceModel] | None = None,
) -> Iterator[Step | Epoch]:
    """Train a generator, writing `request.out` as it improves.

    Args:
        corpus: its images and sentences.
        regions: of the images.
        request: how.
        snippets: train on the regions and fragments that `vsa align` wrote there, not on images and sentences.
        start: a trained generator to go on from.

    Raises:
        ArtifactError: corpus and regions do not fit, or the run to continue was begun otherwise.
        DataError: nothing to train on, or the output cannot be written.
        DivergedError: the loss is not finite.
    """
    vocabulary = vocabulary_of(corpus)
    torch.manual_seed(request.seed)
    model = build_generator(request.model, regions.descriptor_size, vocabulary.size)

    sources = _sources(snippets, start)
    if start is not None:
        _require_same(start, vocabulary, request.model, regions)
        model.load_state_dict(start.model.state_dict())
        model.to(request.device)
    if request.training.objective == "cider":
        yield from _train_by_metric(model, corpus, regions, request, sources)
        return
    looks = model.uses_regions
    fragments = read_fragments(snippets, corpus, regions) if snippets is not None else None

    def pairs(split: str) -> Pairs | None:
        if fragments is None:
            return image_pairs(corpus, regions, split, vocabulary, all_regions=looks)
        return fragment_pairs(fragments, corpus, regions, split, vocabulary, beside=looks)

    train = pairs(request.split)
    if train is None:
        raise DataError(f"{snippets}: no snippet of split {request.split} with a known word")
    held_out = pairs(request.validate) if request.validate is not None else None
    if request.validate is not None and held_out is None:
        raise DataError(
            f"{snippets}: no snippet of split {request.validate} to choose by; "
            "align --split all, or give --validate none"
        )
    if start is None:
        model.start_from_data(train.target_counts(vocabulary.size), train.sample())
    model.to(request.device)
    task = GeneratorTask(model, train, held_out, vocabulary.start, request.training)
    optimizer = _optimizer(model, request.training)
    yield from run_training(task, optimizer, request, GENERATOR, corpus, regions, len(train.sentences), sources)


def _train_by_metric(
    model: SentenceModel,
    corpus: Corpus,
    regions: RegionStore,
    request: Request[GeneratorConfig, GeneratorTraining],
    sources: dict[str, Any],
) -> Iterator[Step | Epoch]:
    looks = model.uses_regions
    train = described_images(corpus, regions, request.split, all_regions=looks)
    held_out = (
        described_images(corpus, regions, request.validate, all_regions=looks) if request.validate is not None else None
    )
    task = SelfCriticalTask(model, vocabulary_of(corpus), train, held_out, request.training)
    optimizer = _optimizer(model, request.training)
    yield from run_training(task, optimizer, request, GENERATOR, corpus, regions, len(train.references), sources)


def _sources(snippets: Path | None, start: Trained[SentenceModel] | None) -> dict[str, Any]:
    """What else than corpus and regions a generator is made from, for its envelope."""
    found: dict[str, Any] = {}
    if snippets is not None:
        found["snippets"] = {"sha256": file_sha256(snippets)}
    if start is not None:
        found["start"] = {"sha256": start.sha256}
    return found


def _require_same(
    start: Trained[SentenceModel], vocabulary: Vocabulary, config: GeneratorConfig, regions: RegionStore
) -> None:
    if start.vocabulary != vocabulary:
        raise ArtifactError("the generator to start from has another vocabulary than the corpus")
    start.feature_spec.require_from(regions.envelope, str(regions.path))
    if start.model.config != config:
        raise ArtifactError("the generator to start from has another shape than the one asked for")


def _optimizer(model: SentenceModel, training: GeneratorTraining) -> torch.optim.Optimizer:
    if training.optimizer == "adam":
        return torch.optim.AdamW(
            model.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay, fused=True
        )
    return torch.optim.RMSprop(model.parameters(), lr=training.learning_rate, alpha=training.decay)
