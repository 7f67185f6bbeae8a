"""Training of the caption generator on corpora and their regions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from vsa_cli.core.config import GeneratorConfig, GeneratorTraining
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.device import Precision, products_in, resolve_precision
from vsa_cli.core.errors import ArtifactError, ConfigError
from vsa_cli.core.generation.attentive import AttentiveGenerator
from vsa_cli.core.generation.batches import Pairs, ordered_batches, shuffled_batches, total_counts
from vsa_cli.core.generation.decoder import build_generator
from vsa_cli.core.generation.model import Batch, SentenceModel
from vsa_cli.core.generation.self_critical import ReferencedImages, SelfCriticalTask, images_with_references
from vsa_cli.core.generation.sources import SourceReader, Sources, complete
from vsa_cli.core.io.envelope import GENERATOR
from vsa_cli.core.learning.loop import Epoch, Step
from vsa_cli.core.learning.model_dir import Trained, widened
from vsa_cli.core.learning.reading import IN_MEMORY, Reading
from vsa_cli.core.learning.run import TrainingRequest, run_training
from vsa_cli.core.ranks import ALONE, Ranks

_MAX_NATS = 80.0  # e^80 stands for infinity, which JSON does not have

Request = TrainingRequest[GeneratorConfig, GeneratorTraining]


class GeneratorTask:
    """Maximise the log-probability of each sentence given its image (paper, section 3.2)."""

    def __init__(
        self,
        model: SentenceModel,
        train: Sequence[Pairs],
        held_out: Sequence[Pairs],
        training: GeneratorTraining,
        reading: Reading = IN_MEMORY,
        ranks: Ranks = ALONE,
        precision: Precision | None = None,
    ) -> None:
        self.model, self._reading, self._ranks = model, reading, ranks
        self._train, self._held_out, self._training = train, held_out, training
        self._precision = resolve_precision(precision, model.device)

    def batches(self, generator: torch.Generator) -> Iterable[Batch]:
        """The sentences of all sources, each as often as its weight requires, in random order."""
        size = self._training.batch_size
        return shuffled_batches(self._train, size, generator, self._reading, self._ranks)

    def loss(self, batch: Batch) -> tuple[Tensor, float, int]:
        """The negative log-likelihood (with label smoothing) in nats: the mean per sentence, and the sum to report."""
        moved = batch.to(self.model.device)
        with products_in(self._precision, self.model.device):
            logits = self.model.logits(moved)
        smoothing = self._training.label_smoothing
        nats = F.cross_entropy(logits.float(), moved.targets, reduction="sum", label_smoothing=smoothing)
        if batch.rows is not None and batch.rows.idle:
            nats = 0 * nats
        return nats / batch.sentences, nats.item(), batch.words

    def validate(self) -> dict[str, float]:
        """The perplexity per word, END counted, on the validation split."""
        return {"perplexity": perplexity(self.model, self._held_out)} if self._held_out else {}

    def selection_metric(self, validation: dict[str, float]) -> float:
        """The negative perplexity."""
        return -validation["perplexity"]


@torch.inference_mode()
def perplexity(model: SentenceModel, sources: Sequence[Pairs]) -> float:
    """Exp of the mean negative log-probability per word, END counted, in nats; at most e^80."""
    model.eval()
    nats = sum(-float(model(batch.to(model.device)).sum()) for batch in ordered_batches(sources, 256))
    return math.exp(min(nats / sum(pairs.steps for pairs in sources), _MAX_NATS))


def train_generator(
    sources: Sources, request: Request, start: Trained[SentenceModel] | None = None
) -> Iterator[Step | Epoch]:
    """Train a generator, and write `request.out` each time it improves.

    Args:
        sources: what to train on.
        request: how to train it.
        start: a trained generator whose weights are the initial ones.

    Raises:
        ArtifactError: the inputs are inconsistent, or the settings differ from those of the run to resume.
        ConfigError: the generator to start from does not have the style of a source.
        DataError: there is nothing to train on, or the output cannot be written.
        DivergedError: the training has diverged.
        EndedError: another process of the run has ended.
    """
    sources.check()
    corpus, regions = sources.first.corpus, sources.first.regions
    recorded = sources.record()
    if start is None:
        vocabulary = sources.vocabulary(request.split)
        request = replace(request, model=complete(request.model, sources))
    else:
        _check_start(start, request.model, sources)
        vocabulary = start.vocabulary
        recorded["start"] = {"sha256": start.sha256}
    torch.manual_seed(request.seed)
    model = build_generator(request.model, regions.descriptor_size, vocabulary.size)
    if start is not None:
        model.load_state_dict(widened(start.model.state_dict(), model))
    labeller = model.eval().labeller if isinstance(model, AttentiveGenerator) else None
    if labeller is not None and sources.labeller is not None:
        labeller.load_state_dict(sources.labeller.model.state_dict())
    reader = SourceReader(sources, request.model, vocabulary, labeller)
    if request.training.objective == "cider":
        model.to(request.device)
        train_images = _referenced(reader, sources, vocabulary, request.split, model)
        held = _referenced(reader, sources, vocabulary, request.validate, model) if request.validate else []
        by_metric = SelfCriticalTask(
            model,
            vocabulary,
            train_images,
            held,
            request.training,
            sources.reading,
            request.ranks,
            request.precision,
        )
        count = sum(len(images.references) for images in train_images)
        yield from run_training(by_metric, request, GENERATOR, corpus, regions, count, recorded, vocabulary)
        return
    photographs = reader.photographs(request.split, seen=True)
    held_out = reader.photographs(request.validate, seen=False) if request.validate is not None else []
    # without folds, tags of photographs that the labeller was trained on are better than those of new ones
    measured = (held_out, request.validate) if request.validate is not None else (photographs, request.split)
    train = [*photographs, *reader.text(request.split, *measured)]
    if start is None:
        model.initialise(total_counts(train, vocabulary.size), photographs[0].sample())
        if (style_weight := reader.style_weight(photographs)) is not None:
            model.get_buffer("style_weight").copy_(style_weight)
    else:
        model.standardise(photographs[0].sample())
    model.to(request.device)
    task = GeneratorTask(model, train, held_out, request.training, sources.reading, request.ranks, request.precision)
    count = sum(pairs.drawn for pairs in train)
    yield from run_training(task, request, GENERATOR, corpus, regions, count, recorded, vocabulary)


def _referenced(
    reader: SourceReader, sources: Sources, vocabulary: Vocabulary, split: str, model: SentenceModel
) -> list[ReferencedImages]:
    """The images of a split of every corpus that has it, with their references."""
    return [
        images_with_references(
            source.corpus,
            source.regions,
            split,
            all_regions=model.uses_regions,
            stream=sources.reading.stream,
            start=reader.start(source.corpus),
            tags=partial(reader.tags, source.regions),
        )
        for source in sources.having(split)
    ]


def _check_start(start: Trained[SentenceModel], config: GeneratorConfig, sources: Sources) -> None:
    regions = sources.first.regions
    # a CNN tuned since then describes images in almost the same way, but the labeller must know its descriptors
    where = str(regions.path)
    spec = start.feature_spec.with_details_of(regions.envelope, where)
    if sources.labeller is None or not spec.same_trunk(regions.envelope, where):
        spec.require_from(regions.envelope, where)
    if start.model.config != config:
        raise ArtifactError("the generator to start from has a different configuration than the requested one")
    if unknown := [style for style in sources.styles if style not in config.styles]:
        raise ConfigError(f"the generator to start from does not know the style {unknown[0]!r}")
    own = None if sources.labeller is None else sources.labeller.model.config
    if own is not None and (own.names, own.hidden_size) != (config.names, config.labeller_size):
        raise ArtifactError("the generator to start from was trained with another labeller")
