"""A training from request to model directory, whatever is learnt: resuming, keeping the best, writing it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from vsa_cli.core.artifacts import Envelope, parent
from vsa_cli.core.config import EmbedConfig, EmbedTraining, GeneratorConfig, GeneratorTraining, to_dict
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.errors import DataError
from vsa_cli.core.learning.artifact import VERSION, write_trained
from vsa_cli.core.regions.recipe import Recipe
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.training.checkpoint import has_training, read_training, write_training
from vsa_cli.core.training.loop import Epoch, Plan, State, Step, Task, fit

ModelConfig = TypeVar("ModelConfig", EmbedConfig, GeneratorConfig)
Training = TypeVar("Training", EmbedTraining, GeneratorTraining)


@dataclass(frozen=True)
class Request(Generic[ModelConfig, Training]):
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
    model: ModelConfig
    training: Training
    split: str
    validate: str | None
    keep_last: bool
    seed: int
    device: torch.device
    resume: bool


def vocabulary_of(corpus: Corpus) -> Vocabulary:
    """The words to train on.

    Raises:
        DataError: the corpus has no train split, hence no vocabulary.
    """
    if corpus.vocabulary is None:
        raise DataError("the corpus has no vocabulary: its train split is empty")
    return corpus.vocabulary


def run_training(
    task: Task[Any],
    optimizer: torch.optim.Optimizer,
    request: Request[ModelConfig, Training],
    format_name: str,
    corpus: Corpus,
    regions: RegionStore,
    sentences: int,
) -> Iterator[Step | Epoch]:
    """Train, writing `request.out` as the model improves.

    Args:
        task: what is learnt.
        optimizer: of its model's parameters.
        request: how.
        format_name: of the model directory.
        corpus: its source.
        regions: likewise.
        sentences: trained on in an epoch.

    Raises:
        ArtifactError: the run to continue was begun otherwise.
        DataError: the output cannot be written.
        DivergedError: the loss is not finite.
    """
    settings = request.training
    envelope = _envelope(format_name, corpus, regions, request)
    recipe = Recipe.of(regions.envelope, str(regions.path))
    asked = {"envelope": envelope.to_dict(), "split": request.split, "validate": request.validate}
    state = State(task.model, optimizer)
    if request.resume and has_training(request.out):
        read_training(request.out, state, asked)
    trained_on = {"split": request.split, "images": len(corpus.split(request.split)), "sentences": sentences}

    def save() -> None:
        write_training(request.out, state, asked)
        last = state.history[-1]
        if last.best or request.keep_last:
            scores = {"split": request.validate, **last.validation} if last.validation else {}
            facts = {"trained_on": trained_on, "scores": scores}
            write_trained(request.out, envelope, vocabulary_of(corpus), recipe, facts, state.best)

    plan = Plan(
        learning_rate=settings.learning_rate,
        clip=settings.clip,
        epochs=settings.epochs,
        patience=settings.epochs if request.keep_last else settings.patience,
        steps_per_epoch=math.ceil(sentences / settings.batch_size),
        keep_last=request.keep_last,
    )
    yield from fit(task, state, plan, request.seed, save)


def _envelope(
    format_name: str, corpus: Corpus, regions: RegionStore, request: Request[ModelConfig, Training]
) -> Envelope:
    return Envelope(
        format=format_name,
        version=VERSION,
        config={"model": to_dict(request.model), "training": to_dict(request.training)},
        parents={
            "corpus": parent(corpus.envelope.format, corpus.sha256),
            "regions": parent(regions.envelope.format, regions.sha256),
        },
        seed=request.seed,
    )
