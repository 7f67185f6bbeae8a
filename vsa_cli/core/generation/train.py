"""Training of the caption generator on a corpus and its regions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vsa_cli.core.alignment.snippets import read_snippets
from vsa_cli.core.config import GeneratorConfig, GeneratorTraining
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.device import has_fast_bfloat16
from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.generation.batches import Pairs, image_pairs, ordered_batches, shuffled_batches, snippet_pairs
from vsa_cli.core.generation.decoder import build_generator
from vsa_cli.core.generation.model import Batch, SentenceModel
from vsa_cli.core.generation.self_critical import ReferencedImages, SelfCriticalTask, images_with_references
from vsa_cli.core.io.envelope import GENERATOR
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.learning.loop import Epoch, Step
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.learning.run import TrainingRequest, run_training, vocabulary_of
from vsa_cli.core.regions.store import RegionStore

_MAX_NATS = 80.0  # e^80 stands for infinity, which JSON does not have


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
        """The negative log-likelihood (with label smoothing) in nats: the mean per sentence, and the sum to report."""
        moved = batch.to(self.model.device)
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self._bfloat16):
            logits = self.model.logits(moved)
        smoothing = self._training.label_smoothing
        nats = F.cross_entropy(logits.float(), moved.targets, reduction="sum", label_smoothing=smoothing)
        return nats / batch.batch_sizes[0], nats.item(), len(batch.targets)

    def validate(self) -> dict[str, float]:
        """The perplexity per word, END counted, on the validation split."""
        if self._held_out is None:
            return {}
        return {"perplexity": perplexity(self.model, self._held_out, self._start)}

    def selection_metric(self, validation: dict[str, float]) -> float:
        """The negative perplexity."""
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
    request: TrainingRequest[GeneratorConfig, GeneratorTraining],
    snippets: Path | None = None,
    start: Trained[SentenceModel] | None = None,
) -> Iterator[Step | Epoch]:
    """Train a generator, and write `request.out` each time it improves.

    Args:
        corpus: the images and sentences.
        regions: the regions of the images.
        request: what to train, and how.
        snippets: a file of aligned snippets; trains on regions and snippets instead of images and sentences.
        start: a trained generator whose weights are the initial ones.

    Raises:
        ArtifactError: the inputs are inconsistent, or the settings differ from those of the run to resume.
        DataError: there is nothing to train on, or the output cannot be written.
        DivergedError: the training has diverged.
    """
    vocabulary = vocabulary_of(corpus)
    torch.manual_seed(request.seed)
    model = build_generator(request.model, regions.descriptor_size, vocabulary.size)
    sources = _sources(snippets, start)
    if start is not None:
        _check_start(start, vocabulary, request.model, regions)
        model.load_state_dict(start.model.state_dict())
        model.to(request.device)
    if request.training.objective == "cider":
        yield from _train_by_metric(model, corpus, regions, request, sources)
        return
    train, held_out = _training_pairs(corpus, regions, request, snippets, all_regions=model.uses_regions)
    if start is None:
        model.initialise(train.target_counts(vocabulary.size), train.sample())
    model.to(request.device)
    task = GeneratorTask(model, train, held_out, vocabulary.start, request.training)
    yield from run_training(task, request, GENERATOR, corpus, regions, len(train.sentences), sources)


def _training_pairs(
    corpus: Corpus,
    regions: RegionStore,
    request: TrainingRequest[GeneratorConfig, GeneratorTraining],
    snippets: Path | None,
    *,
    all_regions: bool,
) -> tuple[Pairs, Pairs | None]:
    """The pairs to train on, and those to validate on, if any."""
    vocabulary = vocabulary_of(corpus)
    aligned = read_snippets(snippets, corpus, regions) if snippets is not None else None

    def read(split: str) -> Pairs:
        if aligned is None:
            return image_pairs(corpus, regions, split, vocabulary, all_regions=all_regions)
        pairs = snippet_pairs(aligned, corpus, regions, split, vocabulary, with_whole_image=all_regions)
        if pairs is None:
            raise DataError(
                f"{snippets}: no snippet of split {split} has a known word; run `vsa align` on that split too"
            )
        return pairs

    return read(request.split), read(request.validate) if request.validate is not None else None


def _train_by_metric(
    model: SentenceModel,
    corpus: Corpus,
    regions: RegionStore,
    request: TrainingRequest[GeneratorConfig, GeneratorTraining],
    sources: dict[str, Any],
) -> Iterator[Step | Epoch]:
    def read(split: str) -> ReferencedImages:
        return images_with_references(corpus, regions, split, all_regions=model.uses_regions)

    train = read(request.split)
    held_out = read(request.validate) if request.validate is not None else None
    task = SelfCriticalTask(model, vocabulary_of(corpus), train, held_out, request.training)
    yield from run_training(task, request, GENERATOR, corpus, regions, len(train.references), sources)


def _sources(snippets: Path | None, start: Trained[SentenceModel] | None) -> dict[str, Any]:
    """Sources of a generator other than corpus and regions, for its envelope."""
    found: dict[str, Any] = {}
    if snippets is not None:
        found["snippets"] = {"sha256": file_sha256(snippets)}
    if start is not None:
        found["start"] = {"sha256": start.sha256}
    return found


def _check_start(
    start: Trained[SentenceModel], vocabulary: Vocabulary, config: GeneratorConfig, regions: RegionStore
) -> None:
    if start.vocabulary != vocabulary:
        raise ArtifactError("the generator to start from and the corpus have different vocabularies")
    start.feature_spec.require_from(regions.envelope, str(regions.path))
    if start.model.config != config:
        raise ArtifactError("the generator to start from has a different configuration than the requested one")
