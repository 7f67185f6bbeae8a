"""Training of the labeller, with a detector as teacher and with what sentences mention.

What is known of a photograph: its sentences, if it is in a corpus, and the labels of its regions, if they were
extracted with a detector. A name counts as seen if a sentence mentions it or the detector is sure of it, and as unseen
if the detector, which knows the name, does not find it, or, with a smaller weight, if no sentence mentions it. A name
of which nothing is known does not count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vsa_cli.core.config import LabellerConfig, LabellerTraining
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.envelope import LABELLER, VERSIONS, Envelope, parent, to_dict
from vsa_cli.core.labels.labeller import Labeller, write_labeller
from vsa_cli.core.labels.names import Names
from vsa_cli.core.learning.loop import Epoch, Schedule, Step, TrainingState, fit
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.features import mean_and_scale
from vsa_cli.core.regions.store import RegionStore

_SAMPLE = 2000  # photographs
_CLIP = 5.0


@dataclass(frozen=True)
class Targets:
    """What is known of K photographs.

    Attributes:
        keys: for each photograph, the index of its regions file and its id there.
        seen: (K, M) float32, 1 if a name is seen, 0 if not.
        weight: (K, M) float32 weight of each in the loss; 0 if nothing is known.
    """

    keys: tuple[tuple[int, str], ...]
    seen: Tensor
    weight: Tensor


@dataclass(frozen=True)
class LabellerRequest:
    """What a labeller is trained on, and how.

    Attributes:
        out: the model directory to write.
        names: the names to learn.
        regions: regions of photographs, with the labels of a detector or without.
        corpora: sentences of some of the photographs.
        validate: the split of the corpora on which average precision is measured; None measures nothing.
        model: the configuration of the model, without the names.
        training: the configuration of the training.
        seed: the seed of initial weights, order and dropout.
    """

    out: Path
    names: Names
    regions: tuple[RegionStore, ...]
    corpora: tuple[Corpus, ...]
    validate: str | None
    model: LabellerConfig
    training: LabellerTraining
    seed: int


def read_targets(request: LabellerRequest, *, held_out: bool) -> Targets:
    """What is known of the photographs to train on, or of those held out.

    Photographs in no corpus are trained on; those in a corpus only if they are in its train split. Held out are those
    in the split `validate` of a corpus.
    """
    image_of = {image.key: image for corpus in request.corpora for image in corpus.images}
    split = request.validate if held_out else "train"
    keys: list[tuple[int, str]] = []
    seen: list[Tensor] = []
    weight: list[Tensor] = []
    for number, store in enumerate(request.regions):
        taught = torch.tensor([name in store.label_names for name in request.names.names])
        for key in store.ids:
            image = image_of.get(key)
            if image is not None and image.sha256 != store.hash_of(key):
                image = None  # another photograph of this name
            if (image is None and held_out) or (image is not None and image.split != split):
                continue
            tokens = [sentence.tokens for sentence in image.sentences] if image is not None else []
            if not tokens and not bool(taught.any()):
                continue
            own_seen, own_weight = _known(request, store, key, tokens, taught)
            keys.append((number, key))
            seen.append(own_seen)
            weight.append(own_weight)
    if not keys:
        return Targets((), torch.zeros(0, len(taught)), torch.zeros(0, len(taught)))
    return Targets(tuple(keys), torch.stack(seen), torch.stack(weight))


def _known(
    request: LabellerRequest, store: RegionStore, key: str, tokens: Sequence[Sequence[str]], taught: Tensor
) -> tuple[Tensor, Tensor]:
    """(M,) whether each name is seen in a photograph, and (M,) the weight of that."""
    training, names = request.training, request.names.names
    mentioned = torch.zeros(len(names), dtype=torch.bool)
    for sentence in tokens:
        mentioned[list(request.names.mentions(sentence))] = True
    score = torch.zeros(len(names))
    index_of = {name: index for index, name in enumerate(names)}
    for label in store.labels_of(key):
        if (index := index_of.get(label.name)) is not None:
            score[index] = max(float(score[index]), label.score)
    seen = mentioned | (score >= training.sure)
    weight = torch.full((len(names),), training.mention_weight if tokens else 0.0)
    weight[taught & (score < training.unsure)] = 1.0
    weight[taught & (score >= training.unsure)] = 0.0
    weight[seen] = 1.0
    return seen.float(), weight


class LabellerTask:
    """Minimise the weighted binary cross-entropy of names."""

    def __init__(self, model: Labeller, request: LabellerRequest, train: Targets, held_out: Targets) -> None:
        self.model, self._request = model, request
        self._train, self._held_out = train, held_out
        self._descriptors = _read(request.regions, train.keys)
        self._held_out_descriptors = _read(request.regions, held_out.keys) if held_out.keys else None

    def sample(self) -> Tensor:
        """(S, D) float32 descriptors of regions of up to 4,000 photographs, evenly spaced among all."""
        step = max(1, len(self._descriptors) // _SAMPLE)
        return self._descriptors[::step].float().flatten(0, 1)

    def batches(self, generator: torch.Generator) -> Iterable[Tensor]:
        """The indices of the photographs, in random order."""
        order = torch.randperm(len(self._descriptors), generator=generator)
        return torch.split(order, self._request.training.batch_size)

    def loss(self, batch: Tensor) -> tuple[Tensor, float, int]:
        """The cross-entropy in nats, summed over the names: the mean per photograph, and the sum to report."""
        logits = self.model.logits(self._descriptors[batch].float()).amax(1)
        seen, weight = self._train.seen[batch], self._train.weight[batch]
        nats = F.binary_cross_entropy_with_logits(logits, seen, weight, reduction="sum")
        return nats / len(batch), nats.item(), len(batch)

    def validate(self) -> dict[str, float]:
        """The mean average precision over the names that sentences of the held-out photographs mention."""
        if self._held_out_descriptors is None:
            return {}
        parts = torch.split(self._held_out_descriptors, 256)
        found = torch.cat([self.model.of_images(part.float()) for part in parts])
        seen = self._held_out.seen
        each = [average_precision(found[:, name], seen[:, name]) for name in seen.any(0).nonzero()[:, 0].tolist()]
        return {"average precision": float(np.mean(each))} if each else {}

    def selection_metric(self, validation: dict[str, float]) -> float:
        """The mean average precision."""
        return validation["average precision"]


def average_precision(scores: Tensor, relevant: Tensor) -> float:
    """The mean, over the relevant of K items, of the precision at the rank of each.

    Args:
        scores: (K,) scores; equal ones keep their order.
        relevant: (K,) 1 for the relevant items, of which there is at least one.
    """
    hits = relevant[scores.argsort(descending=True, stable=True)]
    precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
    return float((precision * hits).sum() / hits.sum())


def _read(stores: Sequence[RegionStore], keys: Sequence[tuple[int, str]]) -> Tensor:
    """(K, R, D) float16 descriptors of photographs in several files; missing regions repeat the whole image."""
    found = [torch.from_numpy(store.padded([k for n, k in keys if n == i])) for i, store in enumerate(stores)]
    most = max(part.shape[1] for part in found)
    padded = [torch.cat([part, part[:, :1].expand(-1, most - part.shape[1], -1)], 1) for part in found]
    return torch.cat(padded)


def train_labeller(request: LabellerRequest) -> Iterator[Step | Epoch]:
    """Train a labeller, and write `request.out` after the best epoch so far.

    Raises:
        ArtifactError: the regions files were not made in the same way.
        DataError: nothing is known of any photograph, or the output cannot be written.
        DivergedError: the training has diverged.
    """
    spec = FeatureSpec.of(request.regions[0].envelope, str(request.regions[0].path))
    for store in request.regions:
        spec.require_from(store.envelope, str(store.path))
    train, held_out = read_targets(request, held_out=False), read_targets(request, held_out=True)
    if not train.keys:
        raise DataError(
            "no photograph to learn from: the regions have no labels of a detector (`vsa extract-regions --detector "
            "ssd`), and no corpus has sentences of their train split"
        )
    torch.manual_seed(request.seed)
    model = Labeller(request.model, request.regions[0].descriptor_size)
    task = LabellerTask(model, request, train, held_out)
    _initialise(model, task.sample(), train)
    training = request.training
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay, fused=True
    )
    state = TrainingState(model, optimizer)
    envelope = _envelope(request)
    steps = math.ceil(len(train.keys) / training.batch_size)
    schedule = Schedule(training.learning_rate, _CLIP, training.epochs, training.epochs, steps)

    def save() -> None:
        epoch = state.history[-1]
        if epoch.best:
            scores = {"split": request.validate, **epoch.validation} if epoch.validation else {}
            facts = {"trained_on": {"images": len(train.keys)}, "scores": scores}
            write_labeller(request.out, model, envelope, request.names, spec, facts)

    yield from fit(task, state, schedule, request.seed, save)


@torch.no_grad()
def _initialise(model: Labeller, descriptors: Tensor, train: Targets) -> None:
    """Standardise each descriptor dimension; start at the share of photographs that show each name."""
    mean, scale = mean_and_scale(descriptors)
    model.mean.copy_(mean)
    model.scale.copy_(scale)
    known = train.weight.sum(0).double()
    share = (((train.seen * train.weight).sum(0).double() + 0.5) / (known + 1)).clamp(1e-4, 0.9)
    model.output.bias.copy_(torch.logit(share))
    model.output.weight.mul_(0.1)


def _envelope(request: LabellerRequest) -> Envelope:
    parents = {f"regions[{i}]": parent(one.envelope.format, one.sha256) for i, one in enumerate(request.regions)}
    parents |= {f"corpus[{i}]": parent(one.envelope.format, one.sha256) for i, one in enumerate(request.corpora)}
    config: dict[str, Any] = {"model": to_dict(request.model), "training": to_dict(request.training)}
    return Envelope(LABELLER, VERSIONS[LABELLER], config, parents, request.seed)
