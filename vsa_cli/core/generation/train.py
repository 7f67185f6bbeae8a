"""Training the generator: puts corpus, regions, model and loop together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vsa_cli.core.artifacts import Envelope, parent
from vsa_cli.core.config import GeneratorConfig, GeneratorTraining, to_dict
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.errors import DataError
from vsa_cli.core.generation.artifact import FORMAT, VERSION, write_generator
from vsa_cli.core.generation.batches import Pairs, ordered_batches, shuffled_batches, whole_image_pairs
from vsa_cli.core.generation.model import Batch, Generator
from vsa_cli.core.regions.recipe import Recipe
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.training.checkpoint import has_training, read_training, write_training
from vsa_cli.core.training.loop import Epoch, Plan, State, Step, fit

_MAX_NATS = 80.0  # e^80 is as good as infinite, and JSON has no infinity


@dataclass(frozen=True)
class Request:
    """A training, asked for.

    Attributes:
        out: the model directory.
        model: what is trained.
        training: how.
        split: trained on.
        validate: the split that chooses the best epoch; None trains for all epochs and keeps the last.
        keep_last: keep the last epoch even where `validate` measures each.
        seed: of initial weights, batch order and dropout.
        device: where.
        resume: continue the run in `out`.
    """

    out: Path
    model: GeneratorConfig
    training: GeneratorTraining
    split: str
    validate: str | None
    keep_last: bool
    seed: int
    device: torch.device
    resume: bool


class GeneratorTask:
    """Maximise the log-probability of each sentence given its image (paper, section 3.2)."""

    def __init__(self, model: Generator, train: Pairs, held_out: Pairs | None, start: int, batch_size: int) -> None:
        self.model = model
        self._train, self._held_out, self._start, self._size = train, held_out, start, batch_size
        self._device = model.W_hi.weight.device

    def batches(self, generator: torch.Generator) -> Iterable[Batch]:
        """Every training sentence once, in random order."""
        return shuffled_batches(self._train, self._size, self._start, generator)

    def loss(self, batch: Batch) -> tuple[Tensor, float, int]:
        """Negative log-likelihood in nats: a sentence's, on average, to descend; the batch's, to report."""
        nats = -self.model(batch.to(self._device)).sum()
        return nats / batch.batch_sizes[0], nats.item(), len(batch.targets)

    def validate(self) -> dict[str, float]:
        """`perplexity` per word (END counted) on the held-out sentences."""
        if self._held_out is None:
            return {}
        return {"perplexity": perplexity(self.model, self._held_out, self._start, self._device)}

    def merit(self, validation: dict[str, float]) -> float:
        """Lower perplexity is better."""
        return -validation["perplexity"]


@torch.inference_mode()
def perplexity(model: Generator, pairs: Pairs, start: int, device: torch.device) -> float:
    """Exp of the mean negative log-probability per word, END counted, in nats; at most e^80."""
    model.eval()
    nats = sum(-float(model(batch.to(device)).sum()) for batch in ordered_batches(pairs, 256, start))
    return math.exp(min(nats / pairs.steps, _MAX_NATS))


def train_generator(corpus: Corpus, regions: RegionStore, request: Request) -> Iterator[Step | Epoch]:
    """Train a generator on whole images and their sentences, writing `request.out` as it improves.

    Raises:
        ArtifactError: corpus and regions do not fit, or the run to continue was begun otherwise.
        DataError: nothing to train on, or the output cannot be written.
        DivergedError: the loss is not finite.
    """
    if corpus.vocabulary is None:
        raise DataError("the corpus has no vocabulary: its train split is empty")
    vocabulary = corpus.vocabulary
    recipe = Recipe.of(regions.envelope, str(regions.path))
    train = whole_image_pairs(corpus, regions, request.split, vocabulary)
    held_out = (
        whole_image_pairs(corpus, regions, request.validate, vocabulary) if request.validate is not None else None
    )
    torch.manual_seed(request.seed)
    model = Generator(request.model, recipe.descriptor_size, vocabulary.size)
    model.start_from_data(train.target_counts(vocabulary.size), train.descriptors)
    model.to(request.device)
    settings = request.training
    optimizer = torch.optim.RMSprop(model.parameters(), lr=settings.learning_rate, alpha=settings.decay)
    state = State(model, optimizer)
    envelope = _envelope(corpus, regions, request)
    plan_on_disk = {"envelope": envelope.to_dict(), "split": request.split, "validate": request.validate}
    if request.resume and has_training(request.out):
        read_training(request.out, state, plan_on_disk)
    facts = {
        "split": request.split,
        "images": len(corpus.split(request.split)),
        "sentences": len(train.sentences),
    }

    def save() -> None:
        write_training(request.out, state, plan_on_disk)
        kept = state.history[-1] if request.keep_last else [e for e in state.history if e.best][-1]
        if kept is state.history[-1]:
            scores = {"split": request.validate, **kept.validation} if kept.validation else {}
            about = {"trained_on": facts, "scores": scores}
            write_generator(request.out, envelope, vocabulary, recipe, about, state.best)

    plan = Plan(
        learning_rate=settings.learning_rate,
        clip=settings.clip,
        epochs=settings.epochs,
        patience=settings.epochs if request.keep_last or held_out is None else settings.patience,
        steps_per_epoch=math.ceil(len(train.sentences) / settings.batch_size),
        keep_last=request.keep_last,
    )
    task = GeneratorTask(model, train, held_out, vocabulary.start, settings.batch_size)
    yield from fit(task, state, plan, request.seed, save)


def _envelope(corpus: Corpus, regions: RegionStore, request: Request) -> Envelope:
    return Envelope(
        format=FORMAT,
        version=VERSION,
        config={"model": to_dict(request.model), "training": to_dict(request.training)},
        parents={
            "corpus": parent(corpus.envelope.format, corpus.sha256),
            "regions": parent(regions.envelope.format, regions.sha256),
        },
        seed=request.seed,
    )
