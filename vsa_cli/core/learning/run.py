"""A training run, for either model: resume, train, and save the best weights as a model directory."""

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
from vsa_cli.core.device import Precision, resolve_precision
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.envelope import VERSIONS, Envelope, parent, to_dict
from vsa_cli.core.learning.checkpoint import PRECISION, read_training, write_training
from vsa_cli.core.learning.distributed import start_together
from vsa_cli.core.learning.loop import Epoch, Schedule, Step, Task, TrainingState, fit, make_optimizer
from vsa_cli.core.learning.model_dir import has_training, tail_tensors, write_trained
from vsa_cli.core.ranks import ALONE, Ranks
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.tail import stored_tail

ModelConfig = TypeVar("ModelConfig", EmbedConfig, GeneratorConfig)
Training = TypeVar("Training", EmbedTraining, GeneratorTraining)


@dataclass(frozen=True)
class TrainingRequest(Generic[ModelConfig, Training]):
    """What to train, and how.

    Attributes:
        out: the model directory to write.
        model: the configuration of the model.
        training: the configuration of the training.
        split: the corpus split to train on.
        validate: the split that selects the best epoch; None trains for all epochs and keeps the last.
        keep_last: keep the weights of the last epoch even if `validate` is given.
        seed: the seed of initial weights, batch order and dropout.
        device: the device to train on.
        resume: resume the run in `out`, if there is one.
        ranks: this process, among those that train together.
        precision: the precision of matrix products; None is bf16 on devices where it is faster. Weights, losses and
            the optimiser's state are float32.
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
    ranks: Ranks = ALONE
    precision: Precision | None = None


def vocabulary_of(corpus: Corpus) -> Vocabulary:
    """The vocabulary of a corpus.

    Raises:
        DataError: the train split is empty, so there is no vocabulary.
    """
    if corpus.vocabulary is None:
        raise DataError("the corpus has no vocabulary: its train split is empty")
    return corpus.vocabulary


def run_training(
    task: Task[Any],
    request: TrainingRequest[ModelConfig, Training],
    format_name: str,
    corpus: Corpus,
    regions: RegionStore,
    sentences: int,
    sources: Mapping[str, Any] | None = None,
    vocabulary: Vocabulary | None = None,
) -> Generator[Step | Epoch, None, Epoch | None]:
    """Train, and write `request.out` each time the model improves.

    Args:
        task: the model, on the request's device, its data and its loss.
        request: what to train, and how.
        format_name: the format of the model directory.
        corpus: the corpus of the training data.
        regions: the regions of the training data.
        sentences: the number of items in an epoch: sentences or, with the `cider` objective, images.
        sources: other inputs to record in the envelope's configuration, such as snippets or word vectors.
        vocabulary: the vocabulary of the model; None takes that of the corpus.

    Returns:
        The epoch whose weights are kept; it may belong to the run that was resumed.

    Raises:
        ArtifactError: the settings differ from those of the run to resume, or between processes.
        DataError: the output cannot be written.
        DivergedError: the training has diverged.
    """
    training, words = request.training, vocabulary or vocabulary_of(corpus)
    envelope = envelope_of(format_name, corpus, regions, request, sources)
    feature_spec = FeatureSpec.of(regions.envelope, str(regions.path))
    settings = {
        **settings_of(envelope),
        "split": request.split,
        "validate": request.validate,
        "keep_last": request.keep_last,  # decides which weights the state holds as the best
        **precision_of(request),
    }
    tail = tail_tensors(stored_tail(regions)) if feature_spec.tail_sha256 else {}
    state = TrainingState(task.model, make_optimizer(task.model, training))
    trained_on = {"split": request.split, "images": len(corpus.split(request.split)), "sentences": sentences}

    def kept() -> Epoch | None:
        return next((epoch for epoch in reversed(state.history) if epoch.best or request.keep_last), None)

    def write(epoch: Epoch) -> None:
        scores = {"split": request.validate, **epoch.validation} if epoch.validation else {}
        facts = {"trained_on": trained_on, "scores": scores}
        write_trained(request.out, envelope, words, feature_spec, facts, {**tail, **state.best})

    def save() -> None:
        write_training(request.out, state, settings)
        last = state.history[-1]
        if last.best or request.keep_last:
            write(last)

    if request.resume and has_training(request.out):
        read_training(request.out, state, settings)
        epoch = kept()
        if request.ranks.first and epoch is not None:  # the run may have been killed between writing the two files
            write(epoch)
    start_together(task.model, {**settings, "epochs done": len(state.history)}, request.ranks)
    schedule = Schedule(
        learning_rate=training.learning_rate,
        clip=training.clip,
        epochs=training.epochs,
        patience=training.epochs if request.keep_last else training.patience,
        steps_per_epoch=math.ceil(sentences / training.batch_size),
        keep_last=request.keep_last,
    )
    yield from fit(task, state, schedule, request.seed, save, request.ranks)
    return kept()


def precision_of(request: TrainingRequest[ModelConfig, Training]) -> dict[str, Precision]:
    """The entry of a run's settings that states its precision."""
    return {PRECISION: resolve_precision(request.precision, request.device)}


def settings_of(envelope: Envelope) -> dict[str, Any]:
    """The settings of a run, by the names that messages use."""
    config = dict(envelope.config)
    groups = {**config.pop("model"), **config.pop("training"), **config}
    sources = {role: source["sha256"] for role, source in envelope.parents.items()}
    return {"format": envelope.format, "tool": envelope.tool, "seed": envelope.seed, **sources, **groups}


def envelope_of(
    format_name: str,
    corpus: Corpus,
    regions: RegionStore,
    request: TrainingRequest[ModelConfig, Training],
    sources: Mapping[str, Any] | None = None,
) -> Envelope:
    """The envelope of the model that a request makes; `sources` are further entries of its configuration."""
    precision = {name: value for name, value in precision_of(request).items() if value != "float32"}
    return Envelope(
        format=format_name,
        version=VERSIONS[format_name],
        config={"model": to_dict(request.model), "training": to_dict(request.training), **precision, **(sources or {})},
        parents={
            "corpus": parent(corpus.envelope.format, corpus.sha256),
            "regions": parent(regions.envelope.format, regions.sha256),
        },
        seed=request.seed,
    )
