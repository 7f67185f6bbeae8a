"""The training loop, an iterator of progress records, and its optimisers (paper, section 3.4).

The random numbers of an epoch depend on `(seed, epoch)` alone, and everything else that the next step depends on is in
the `TrainingState` that is saved after each epoch. A run that was killed and resumed therefore yields the same weights
as an uninterrupted run, bit for bit on the CPU. This module does not depend on images
or words.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from vsa_cli.core.config import EmbedTraining, GeneratorTraining
from vsa_cli.core.errors import DivergedError
from vsa_cli.core.learning.distributed import GradientSum, from_first
from vsa_cli.core.ranks import ALONE, Ranks

BatchT = TypeVar("BatchT")

_INITIAL_RATE = "initial_rate"  # the entry of a parameter group that has another rate than the schedule

_DIVERGED = 1e4
"""Training is aborted as diverged above this multiple of the first loss per item (or of 1, if that is larger)."""


class Task(Protocol[BatchT]):
    """A model, the data that it is trained on, and how it is measured."""

    @property
    def model(self) -> nn.Module:
        """The model to train."""

    def batches(self, generator: torch.Generator) -> Iterable[BatchT]:
        """One epoch of batches, in an order drawn from `generator`."""

    def loss(self, batch: BatchT) -> tuple[Tensor, float, int]:
        """The scalar to minimise, the summed loss to report, and the number of items (sentences or images).

        Of several processes, each has a scalar whose gradients, summed over all, are those of the whole batch, and a
        part of the loss to report, whose sum over all is that of the whole batch. The items are those of the whole
        batch in every process.
        """

    def validate(self) -> dict[str, float]:
        """Metrics on held-out data; empty if there is none."""

    def selection_metric(self, validation: dict[str, float]) -> float:
        """The number by which the best epoch is selected; higher is better."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        learning_rate: the initial rate; half a cosine takes it to zero.
        clip: gradients are clipped elementwise to [-clip, clip].
        epochs: the maximum number of epochs.
        patience: epochs without improvement before stopping.
        steps_per_epoch: steps in an epoch, for the learning rate.
        keep_last: keep the weights of the last epoch instead of the best.
    """

    learning_rate: float
    clip: float
    epochs: int
    patience: int
    steps_per_epoch: int
    keep_last: bool = False


@dataclass(frozen=True)
class Step:
    """Progress within an epoch; `loss` is the mean over the items so far."""

    epoch: int
    step: int
    steps: int
    loss: float


@dataclass(frozen=True)
class Epoch:
    """A finished epoch.

    Attributes:
        number: the epoch's number, from 1.
        loss: the mean loss per item (sentence or image).
        validation: the metrics on held-out data.
        best: whether it is the best epoch so far (always true without validation).
        seconds: training time, without validation.
        items: the number of items trained on.
    """

    number: int
    loss: float
    validation: dict[str, float]
    best: bool
    seconds: float
    items: int

    @property
    def items_per_second(self) -> float:
        """Training throughput."""
        return self.items / max(self.seconds, 1e-9)


@dataclass
class TrainingState:
    """Everything that a resumed run needs: current weights, best weights, optimiser and history."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    best: dict[str, Tensor] = field(default_factory=dict)
    history: list[Epoch] = field(default_factory=list)

    @property
    def device(self) -> torch.device:
        """Where the model is trained."""
        return next(self.model.parameters()).device

    @property
    def epochs_since_best(self) -> int:
        """The number of epochs after the best one."""
        bests = [epoch.number for epoch in self.history if epoch.best]
        return len(self.history) - (bests[-1] if bests else 0)


def fit(
    task: Task[BatchT],
    state: TrainingState,
    schedule: Schedule,
    seed: int,
    save: Callable[[], None],
    ranks: Ranks = ALONE,
) -> Iterator[Step | Epoch]:
    """Train until the schedule ends, yielding a record for each step and for each epoch.

    Args:
        task: the model, its data and its loss.
        state: where to start; changed in place.
        schedule: how long and how fast to train.
        seed: the seed of batch order and dropout.
        save: called after each epoch, before the epoch's record is yielded; of several processes by the first only.
        ranks: this process.

    Raises:
        DivergedError: a loss, a weight or a metric is not finite, or the loss has exploded.
        EndedError: another process has ended.
    """
    summed = GradientSum(task.model, ranks)
    while len(state.history) < schedule.epochs and state.epochs_since_best < schedule.patience:
        number = len(state.history) + 1
        epoch = yield from _train_epoch(task, state, schedule, seed, number, ranks, summed)
        state.history.append(epoch)
        if epoch.best or schedule.keep_last:
            state.best = {name: value.detach().clone() for name, value in task.model.state_dict().items()}
        if ranks.first:
            save()
        yield epoch


def _train_epoch(
    task: Task[BatchT],
    state: TrainingState,
    schedule: Schedule,
    seed: int,
    number: int,
    ranks: Ranks,
    summed: GradientSum,
) -> Generator[Step, None, Epoch]:
    order = torch.Generator().manual_seed(seed * 1_000_003 + number)
    torch.manual_seed(seed * 1_000_003 + number)
    task.model.train()
    started, total, items, where = time.perf_counter(), 0.0, 0, ""
    first = abs(state.history[0].loss) if state.history else None
    steps = schedule.steps_per_epoch
    for i, batch in enumerate(task.batches(order), start=1):
        done, planned = (number - 1) * steps + i - 1, schedule.epochs * steps
        rate = cosine_rate(schedule.learning_rate, done, planned)
        for group in state.optimizer.param_groups:
            group["lr"] = cosine_rate(group.get(_INITIAL_RATE, schedule.learning_rate), done, planned)
        where = f"epoch {number}, step {i}, learning rate {rate:.2e}"
        objective, own_loss, count = task.loss(batch)
        state.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(objective)
        loss = summed(own_loss)
        first = abs(loss) / count if first is None else first
        if not math.isfinite(loss) or abs(loss) / count > _DIVERGED * max(1.0, first):
            raise _diverged(f"the loss is {loss:.4g}", where)
        nn.utils.clip_grad_value_(task.model.parameters(), schedule.clip)
        state.optimizer.step()
        total, items = total + loss, items + count
        yield Step(number, i, steps, total / items)
    seconds = time.perf_counter() - started
    task.model.eval()
    with torch.inference_mode():
        validation = from_first(task.validate, ranks, state.device)
    _check_finite(task.model, validation, where)
    earlier = [task.selection_metric(epoch.validation) for epoch in state.history if epoch.validation]
    best = not validation or task.selection_metric(validation) > max(earlier, default=-math.inf)
    return Epoch(number, total / max(items, 1), validation, best, seconds, items)


def _check_finite(model: nn.Module, validation: dict[str, float], where: str) -> None:
    """Check the weights and metrics after the last step of an epoch, because no later loss would reveal a fault."""
    broken = [name for name, value in model.named_parameters() if not bool(torch.isfinite(value).all())]
    if broken:
        raise _diverged(f"{broken[0]} has weights that are not finite", where)
    for name, value in validation.items():
        if not math.isfinite(value):
            raise _diverged(f"{name} is {value}", where)


def _diverged(what: str, where: str) -> DivergedError:
    return DivergedError(f"{what} at {where}: try a smaller `learning_rate`")


def make_optimizer(model: nn.Module, training: EmbedTraining | GeneratorTraining) -> torch.optim.Optimizer:
    """The optimiser of a model's parameters: SGD with momentum, RMSProp, or Adam with decoupled weight decay.

    Args:
        model: the model, on the device where it is trained.
        training: the configuration; `sgd` is for the alignment model, `rmsprop` for the caption generator.
    """
    parameters, rate = _parameter_groups(model, training), training.learning_rate
    if training.optimizer == "adam":
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=training.weight_decay, fused=True)
    if isinstance(training, EmbedTraining):
        return torch.optim.SGD(
            parameters, lr=rate, momentum=training.momentum, weight_decay=training.weight_decay, fused=True
        )
    return torch.optim.RMSprop(parameters, lr=rate, alpha=training.decay)


def _parameter_groups(model: nn.Module, training: EmbedTraining | GeneratorTraining) -> list[dict[str, Any]]:
    """All parameters in one group; or in two, if the CNN's tail, the submodule `cnn`, learns at its own rate."""
    if not isinstance(training, EmbedTraining) or training.cnn_rate == 0:
        return [{"params": list(model.parameters())}]
    named = [(name.startswith("cnn."), parameter) for name, parameter in model.named_parameters()]
    return [
        {"params": [parameter for is_cnn, parameter in named if not is_cnn]},
        {"params": [parameter for is_cnn, parameter in named if is_cnn], _INITIAL_RATE: training.cnn_rate},
    ]


def cosine_rate(initial: float, step: int, steps: int) -> float:
    """The learning rate at a step: half a cosine from `initial` down to zero.

    Args:
        initial: the rate of the first step.
        step: the step's number, from 0.
        steps: the number of steps in the whole training.
    """
    progress = min(1.0, step / steps)
    return initial * 0.5 * (1 + math.cos(math.pi * progress))
