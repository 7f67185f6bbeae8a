"""Training the alignment model: puts corpus, regions, model, loss and loop together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vsa_cli.core.artifacts import Envelope, parent
from vsa_cli.core.config import EmbedConfig, EmbedTraining, to_dict
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.device import has_fast_bfloat16
from vsa_cli.core.embedding.artifact import FORMAT, VERSION
from vsa_cli.core.embedding.batches import Batch, Pairs, read_pairs, shuffled_batches
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.score import contrastive_loss, ranking_loss
from vsa_cli.core.embedding.search import combined_scores, recall_both_ways, score_pairs
from vsa_cli.core.embedding.sentences import pack
from vsa_cli.core.errors import DataError
from vsa_cli.core.regions.recipe import Recipe
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.training.checkpoint import has_training, read_training, write_model, write_training
from vsa_cli.core.training.loop import Epoch, Plan, State, Step, fit

_SAMPLE = 500  # images and sentences from which the first weights are scaled


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
    model: EmbedConfig
    training: EmbedTraining
    split: str
    validate: str | None
    keep_last: bool
    seed: int
    device: torch.device
    resume: bool


class EmbeddingTask:
    """Score true pairs above others (paper, section 3.1.3)."""

    def __init__(self, model: Embedding, train: Pairs, held_out: Pairs | None, training: EmbedTraining) -> None:
        self.model = model
        self._train, self._held_out, self._training = train, held_out, training
        self._device = model.W_m.weight.device
        self._bfloat16 = has_fast_bfloat16(self._device)

    def batches(self, generator: torch.Generator) -> Iterable[Batch]:
        """Every training sentence once, in random order."""
        return shuffled_batches(self._train, self._training.batch_size, generator)

    def loss(self, batch: Batch) -> tuple[Tensor, float, int]:
        """The loss of a batch's pairs: a pair's, on average, to descend; the batch's, to report."""
        moved = batch.to(self._device)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bfloat16):
            S = combined_scores(self.model, moved.packed, moved.regions)
        pairs = len(moved.image)
        if self._training.loss == "hinge":
            loss = ranking_loss(S, moved.image, self._training.margin) / pairs
        else:
            loss = contrastive_loss(S, moved.image, self._training.temperature)
        return loss, loss.item() * pairs, pairs

    def validate(self) -> dict[str, float]:
        """Recalls and ranks both ways on the held-out split."""
        if self._held_out is None:
            return {}
        scores = score_pairs(self.model, self._held_out)
        return recall_both_ways(scores, self._held_out.image.numpy(), len(self._held_out.wordless))

    def merit(self, validation: dict[str, float]) -> float:
        """The sum of the six recalls."""
        return validation["rsum"]


def train_embedding(corpus: Corpus, regions: RegionStore, request: Request) -> Iterator[Step | Epoch]:
    """Train an alignment model, writing `request.out` as it improves.

    Raises:
        ArtifactError: corpus and regions do not fit, or the run to continue was begun otherwise.
        DataError: nothing to train on, or the output cannot be written.
        DivergedError: the loss is not finite.
    """
    if corpus.vocabulary is None:
        raise DataError("the corpus has no vocabulary: its train split is empty")
    vocabulary = corpus.vocabulary
    recipe = Recipe.of(regions.envelope, str(regions.path))
    train = read_pairs(corpus, regions, request.split, vocabulary)
    if len(train.image_ids) < 2:
        raise DataError(f"split {request.split}: one image has no other to be told from")
    held_out = read_pairs(corpus, regions, request.validate, vocabulary) if request.validate is not None else None
    torch.manual_seed(request.seed)
    model = Embedding(request.model, recipe.descriptor_size, vocabulary.size)
    sample = train.regions[:_SAMPLE].float().flatten(0, 1)
    model.start_from_data(sample, pack(train.sentences[:_SAMPLE]))
    model.to(request.device)
    state = State(model, _optimizer(model, request.training))
    envelope = _envelope(corpus, regions, request)
    plan_on_disk = {"envelope": envelope.to_dict(), "split": request.split, "validate": request.validate}
    if request.resume and has_training(request.out):
        read_training(request.out, state, plan_on_disk)
    trained_on = {"split": request.split, "images": len(train.image_ids), "sentences": len(train.sentences)}

    def save() -> None:
        write_training(request.out, state, plan_on_disk)
        kept = state.history[-1] if request.keep_last else [e for e in state.history if e.best][-1]
        if kept is state.history[-1]:
            contents = {
                "vocabulary": vocabulary.to_dict(),
                "regions": recipe.to_dict(),
                "trained_on": trained_on,
                "scores": {"split": request.validate, **kept.validation} if kept.validation else {},
            }
            write_model(request.out, envelope, contents, state.best)

    settings = request.training
    plan = Plan(
        learning_rate=settings.learning_rate,
        clip=settings.clip,
        epochs=settings.epochs,
        patience=settings.epochs if request.keep_last or held_out is None else settings.patience,
        steps_per_epoch=math.ceil(len(train.sentences) / settings.batch_size),
        keep_last=request.keep_last,
    )
    yield from fit(EmbeddingTask(model, train, held_out, settings), state, plan, request.seed, save)


def _optimizer(model: Embedding, training: EmbedTraining) -> torch.optim.Optimizer:
    if training.optimizer == "sgd":
        return torch.optim.SGD(
            model.parameters(),
            lr=training.learning_rate,
            momentum=training.momentum,
            weight_decay=training.weight_decay,
        )
    return torch.optim.AdamW(model.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)


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
