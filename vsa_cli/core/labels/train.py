"""Training of the labeller on what corpora and teachers know of photographs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vsa_cli.core.config import LabellerConfig, LabellerTraining
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.core.io.envelope import LABELLER, VERSIONS, Envelope, parent, to_dict
from vsa_cli.core.labels.labeller import Labeller, fold_folder, fold_of, write_labeller
from vsa_cli.core.labels.names import Names
from vsa_cli.core.labels.scores import mean_average_precision
from vsa_cli.core.labels.targets import Known, Sources, Teacher, held_out, read_known
from vsa_cli.core.learning.checkpoint import read_training, write_training
from vsa_cli.core.learning.distributed import start_together
from vsa_cli.core.learning.loop import Epoch, Schedule, Step, TrainingState, fit
from vsa_cli.core.learning.model_dir import has_training
from vsa_cli.core.learning.run import settings_of
from vsa_cli.core.learning.shares import Rows
from vsa_cli.core.ranks import ALONE, Ranks
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.features import mean_and_scale
from vsa_cli.core.regions.store import RegionStore

_AT_ONCE = 256
"""Photographs whose names are computed at once in validation."""


@dataclass(frozen=True)
class LabellerRequest:
    """What a labeller is trained on, and how.

    Attributes:
        out: the model directory to write.
        names: the names to learn.
        model: the configuration of the model, with the same names.
        training: the configuration of the training.
        split: the split of the corpora to train on, beside the photographs that are in no corpus.
        validate: the split that selects the best epoch; None holds out the last tenth of the photographs.
        seed: the seed of initial weights, order and dropout.
        device: the device to train on.
        resume: resume the run in `out`, if there is one.
        left_out: the fold, from 1, whose photographs are not trained on, and the number of folds; None trains on all.
            The labeller of a fold is written into the directory of the whole one.
        ranks: this process, among those that train together.
    """

    out: Path
    names: Names
    model: LabellerConfig
    training: LabellerTraining
    split: str
    validate: str | None
    seed: int
    device: torch.device
    resume: bool = False
    left_out: tuple[int, int] | None = None
    ranks: Ranks = ALONE


class LabellerTask:
    """Minimise the weighted binary cross-entropy of names."""

    def __init__(self, model: Labeller, train: Known, checked: Known, request: LabellerRequest) -> None:
        self.model = model
        self._train, self._checked = train, checked
        self._batch_size, self._device, self._ranks = request.training.batch_size, request.device, request.ranks

    def batches(self, generator: torch.Generator) -> Iterable[Tensor]:
        """The numbers of the photographs of each batch, in random order."""
        return torch.split(torch.randperm(len(self._train), generator=generator), self._batch_size)

    def loss(self, batch: Tensor) -> tuple[Tensor, float, int]:
        """The cross-entropy in nats, summed over names: the mean per photograph, and the sum to report."""
        owner = torch.tensor(self._ranks.owners(len(batch)))
        rows = None if self._ranks.alone else Rows.of_owner(owner, self._ranks)
        own = batch if rows is None else rows.take(batch)
        descriptors, shown, weight = (
            part[own].to(self._device) for part in (self._train.descriptors, self._train.shown, self._train.weight)
        )
        logits = self.model.image_logits(descriptors.float(), None if rows is None else rows.to(self._device))
        nats = F.binary_cross_entropy_with_logits(logits, shown, weight, reduction="sum")
        if self._ranks.rank not in owner:
            nats = 0 * nats
        return nats / len(batch), nats.item(), len(batch)

    def validate(self) -> dict[str, float]:
        """The mean average precision of names, on the photographs that are held out."""
        parts = torch.split(self._checked.descriptors, _AT_ONCE)
        found = torch.cat([self.model.of_images(part.to(self._device).float()).cpu() for part in parts])
        return {"average precision": mean_average_precision(found, self._checked.shown, self._checked.weight > 0)}

    def selection_metric(self, validation: dict[str, float]) -> float:
        """The mean average precision."""
        return validation["average precision"]


def train_labeller(
    request: LabellerRequest,
    regions: tuple[RegionStore, ...],
    corpora: tuple[Corpus, ...],
    teachers: tuple[RegionStore, ...],
) -> Iterator[Step | Epoch]:
    """Train a labeller, and write `request.out` each time it improves.

    Args:
        request: what to train, and how.
        regions: the regions of the photographs.
        corpora: sentences of photographs; those of splits other than the request's are not used.
        teachers: regions with the labels of a detector.

    Raises:
        ConfigError: neither corpora nor teachers are given, or it would be trained on the split that it is tested on.
        ArtifactError: the regions files were not made in the same way, or the settings differ from those of the run to
            resume.
        DataError: too little is known of the photographs, or the output cannot be written.
        DivergedError: the training has diverged.
    """
    if not corpora and not teachers:
        raise ConfigError("nothing names what the photographs show: give a `corpus` or a `teacher`")
    if request.validate is not None and request.validate in (request.split, "all"):
        raise ConfigError(f"`validate` {request.validate}: the photographs that select the epoch are not trained on")
    spec = FeatureSpec.of(regions[0].envelope, str(regions[0].path))
    for store in regions[1:]:
        spec.require_from(store.envelope, str(store.path))
    train, checked = _read(request, regions, corpora, teachers)
    torch.manual_seed(request.seed)
    training = request.training
    model = Labeller(request.model, regions[0].descriptor_size, training.dropout)
    _initialise(model, train)
    model.to(request.device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay, fused=True
    )
    state = TrainingState(model, optimizer)
    out = fold_folder(request.out, request.left_out[0]) if request.left_out else request.out
    envelope = _envelope(request, regions, corpora, teachers)

    settings = {
        **settings_of(envelope),
        "split": request.split,
        "validate": request.validate,
        "folds": list(request.left_out or ()) or training.folds,
        "words": request.names.to_dict(),
    }

    def write_best() -> None:
        epoch = next(epoch for epoch in reversed(state.history) if epoch.best)
        scores = {"split": request.validate or "held out", "images": len(checked), **epoch.validation}
        facts: dict[str, Any] = {"trained_on": {"split": request.split, "images": len(train)}, "scores": scores}
        if request.left_out:
            facts["left_out"] = list(request.left_out)
        write_labeller(out, envelope, request.names, spec, facts, state.best)

    def save() -> None:
        write_training(out, state, settings)
        if state.history[-1].best:
            write_best()

    if request.resume and has_training(out):
        read_training(out, state, settings)
        if request.ranks.first:
            write_best()  # the run may have been killed between writing the two files
    start_together(model, {**settings, "epochs done": len(state.history)}, request.ranks)

    schedule = Schedule(
        learning_rate=training.learning_rate,
        clip=training.clip,
        epochs=training.epochs,
        patience=training.patience,
        steps_per_epoch=math.ceil(len(train) / training.batch_size),
    )
    yield from fit(LabellerTask(model, train, checked, request), state, schedule, request.seed, save, request.ranks)


def _read(
    request: LabellerRequest,
    regions: tuple[RegionStore, ...],
    corpora: tuple[Corpus, ...],
    teachers: tuple[Teacher, ...],
) -> tuple[Known, Known]:
    """What is known of the photographs to train on, and of those that are held out."""
    sources = Sources(request.names, corpora, teachers, request.training)
    split, validate = request.split, request.validate
    left_out = request.left_out

    def to_train_on(sha256: str) -> bool:
        # a photograph whose corpora put it into different splits is neither trained on nor held out
        own = sources.splits_of(sha256)
        in_split = validate not in own and (split == "all" or own <= {split})
        return in_split and (left_out is None or fold_of(sha256, left_out[1]) != left_out[0])

    train = read_known(sources, regions, to_train_on)
    if validate is None:
        train, checked = held_out(train)
    else:
        checked = read_known(sources, regions, lambda sha256: sources.splits_of(sha256) == {validate})
    for what, known in (("train on", train), ("validate on", checked)):
        if not bool((known.shown * known.weight).any()):
            raise DataError(f"no photograph to {what} shows one of the names")
    return train, checked


@torch.no_grad()
def _initialise(model: Labeller, train: Known) -> None:
    """Standardise the descriptors of whole images; start at the share of the photographs that show each name."""
    mean, scale = mean_and_scale(train.descriptors[:, 0].float())
    model.mean.copy_(mean)
    model.scale.copy_(scale)
    shown = (train.shown * train.weight).sum(0).double()
    model.output.bias.copy_(torch.logit((shown + 0.5) / (train.weight.sum(0).double() + 1)).clamp(-6, 3))


def _envelope(
    request: LabellerRequest,
    regions: tuple[RegionStore, ...],
    corpora: tuple[Corpus, ...],
    teachers: tuple[RegionStore, ...],
) -> Envelope:
    config: dict[str, Any] = {"model": to_dict(request.model), "training": to_dict(request.training)}
    roles: dict[str, tuple[RegionStore | Corpus, ...]] = {"regions": regions, "corpus": corpora, "teacher": teachers}
    parents = {
        f"{role} {number}" if len(files) > 1 else role: parent(file.envelope.format, file.sha256)
        for role, files in roles.items()
        for number, file in enumerate(files, start=1)
    }
    return Envelope(LABELLER, VERSIONS[LABELLER], config, parents, request.seed)
