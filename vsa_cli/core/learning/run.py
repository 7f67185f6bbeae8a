"""A training from request to model directory, whatever is learnt: resuming, keeping the best, writing it."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from vsa_cli.core.config import EmbedConfig, EmbedTraining, GeneratorConfig, GeneratorTraining
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.envelope import VERSIONS, Envelope, parent, to_dict
from vsa_cli.core.learning.checkpoint import has_training, read_training, write_training
from vsa_cli.core.learning.loop import Epoch, Plan, State, Step, Task, fit
from vsa_cli.core.learning.model_dir import write_trained
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.store import RegionStore

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
    sources: Mapping[str, Any] | None = None,
) -> Generator[Step | Epoch, None, Epoch | None]:
    """Train, writing `request.out` as the model improves.

    Args:
        task: what is learnt.
        optimizer: of its model's parameters.
        request: how.
        format_name: of the model directory.
        corpus: its source.
        regions: likewise.
        sentences: trained on in an epoch.
        sources: what else it is made from, as facts for the envelope's configuration.

    Returns:
        The epoch whose weights are kept, be it of this run or of the one continued.

    Raises:
        ArtifactError: the run to continue was begun otherwise.
        DataError: the output cannot be written.
        DivergedError: the loss is not finite.
    """
    settings = request.training
    envelope = envelope_of(format_name, corpus, regions, request, sources)
    feature_spec = FeatureSpec.of(regions.envelope, str(regions.path))
    asked = {
        **settings_of(envelope),
        "split": request.split,
        "validate": request.validate,
        "keep_last": request.keep_last,  # which weights the state holds as those to keep
    }
    state = State(task.model, optimizer)
    trained_on = {"split": request.split, "images": len(corpus.split(request.split)), "sentences": sentences}

    def kept() -> Epoch | None:
        return next((epoch for epoch in reversed(state.history) if epoch.best or request.keep_last), None)

    def write(epoch: Epoch) -> None:
        scores = {"split": request.validate, **epoch.validation} if epoch.validation else {}
        facts = {"trained_on": trained_on, "scores": scores}
        write_trained(request.out, envelope, vocabulary_of(corpus), feature_spec, facts, state.best)

    def save() -> None:
        write_training(request.out, state, asked)
        last = state.history[-1]
        if last.best or request.keep_last:
            write(last)

    if request.resume and has_training(request.out):
        read_training(request.out, state, asked)
        if (epoch := kept()) is not None:  # the run may have died between its two files
            write(epoch)
    plan = Plan(
        learning_rate=settings.learning_rate,
        clip=settings.clip,
        epochs=settings.epochs,
        patience=settings.epochs if request.keep_last else settings.patience,
        steps_per_epoch=math.ceil(sentences / settings.batch_size),
        keep_last=request.keep_last,
    )
    yield from fit(task, state, plan, request.seed, save)
    return kept()


def settings_of(envelope: Envelope) -> dict[str, Any]:
    """What a run was asked for, each thing under the name that a message can call it by."""
    config = dict(envelope.config)
    groups = {**config.pop("model"), **config.pop("training"), **config}
    sources = {role: source["sha256"] for role, source in envelope.parents.items()}
    return {"format": envelope.format, "tool": envelope.tool, "seed": envelope.seed, **sources, **groups}


def envelope_of(
    format_name: str,
    corpus: Corpus,
    regions: RegionStore,
    request: Request[ModelConfig, Training],
    sources: Mapping[str, Any] | None = None,
) -> Envelope:
    """The envelope of what a request makes; `sources` are further entries of its configuration."""
    return Envelope(
        format=format_name,
        version=VERSIONS[format_name],
        config={"model": to_dict(request.model), "training": to_dict(request.training), **(sources or {})},
        parents={
            "corpus": parent(corpus.envelope.format, corpus.sha256),
            "regions": parent(regions.envelope.format, regions.sha256),
        },
        seed=request.seed,
    )
