"""The training loop: a generator of records. Knows no images, no words and no screen.

Every epoch starts from `(seed, epoch)` alone, and everything else that the next step depends on is in the
`State` handed over after each epoch; so a run that was killed and continued ends at the same weights, bit for
bit on the CPU, as one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from vsa_cli.core.errors import DivergedError

BatchT = TypeVar("BatchT")

_EXPLODED = 1e4
"""Times the first loss of an item (or 1, if that is more): a greater loss is no learning any more."""


class Task(Protocol[BatchT]):
    """What is learnt."""

    @property
    def model(self) -> nn.Module:
        """What is learnt with."""

    def batches(self, generator: torch.Generator) -> Iterable[BatchT]:
        """One epoch of batches, in an order drawn from `generator`."""

    def loss(self, batch: BatchT) -> tuple[Tensor, float, int]:
        """The scalar to descend, the summed loss to report, and how many items it sums over."""

    def validate(self) -> dict[str, float]:
        """Measures on held-out data; empty without any."""

    def selection_metric(self, validation: dict[str, float]) -> float:
        """One number of a validation, higher is better."""


@dataclass(frozen=True)
class Plan:
    """How long and how fast to learn.

    Attributes:
        learning_rate: at the start; it follows half a cosine to zero.
        clip: elementwise bound of gradients.
        epochs: at most.
        patience: epochs without improvement before stopping.
        steps_per_epoch: for the schedule.
        keep_last: end with the last weights instead of the best ones.
    """

    learning_rate: float
    clip: float
    epochs: int
    patience: int
    steps_per_epoch: int
    keep_last: bool = False


@dataclass(frozen=True)
class Step:
    """Progress within an epoch. `loss` is the mean over the items so far."""

    epoch: int
    step: int
    steps: int
    loss: float


@dataclass(frozen=True)
class Epoch:
    """An epoch done.

    Attributes:
        number: from 1.
        loss: mean over the epoch's items.
        validation: what the task measured.
        best: whether it is the best so far (always, with nothing to validate on).
        seconds: spent on training, validation apart.
        items: trained on.
    """

    number: int
    loss: float
    validation: dict[str, float]
    best: bool
    seconds: float
    items: int

    @property
    def items_per_second(self) -> float:
        """Throughput of training."""
        return self.items / max(self.seconds, 1e-9)


@dataclass
class State:
    """All that a continued run needs: the weights now, the best weights, the optimiser, and the history."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    best: dict[str, Tensor] = field(default_factory=dict)
    history: list[Epoch] = field(default_factory=list)

    @property
    def epochs_since_best(self) -> int:
        """Epochs since the best one."""
        bests = [epoch.number for epoch in self.history if epoch.best]
        return len(self.history) - (bests[-1] if bests else 0)


def fit(task: Task[BatchT], state: State, plan: Plan, seed: int, save: Callable[[], None]) -> Iterator[Step | Epoch]:
    """Train until `plan` ends it, yielding a record a step and a record an epoch.

    Args:
        task: what is learnt.
        state: where to start; changed in place.
        plan: how.
        seed: of batch order and dropout.
        save: called after each epoch, before its record is yielded.

    Raises:
        DivergedError: a loss, a weight or a measure is not finite, or a loss has exploded.
    """
    while len(state.history) < plan.epochs and state.epochs_since_best < plan.patience:
        number = len(state.history) + 1
        epoch = yield from _train_epoch(task, state, plan, seed, number)
        state.history.append(epoch)
        if epoch.best or plan.keep_last:
            state.best = {name: value.detach().clone() for name, value in task.model.state_dict().items()}
        save()
        yield epoch


def _train_epoch(task: Task[BatchT], state: State, plan: Plan, seed: int, number: int) -> Generator[Step, None, Epoch]:
    order = torch.Generator().manual_seed(seed * 1_000_003 + number)
    torch.manual_seed(seed * 1_000_003 + number)
    task.model.train()
    started, total, items, where = time.perf_counter(), 0.0, 0, ""
    first = abs(state.history[0].loss) if state.history else None
    for i, batch in enumerate(task.batches(order), start=1):
        rate = cosine(plan.learning_rate, (number - 1) * plan.steps_per_epoch + i - 1, plan)
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        where = f"epoch {number}, step {i}, learning rate {rate:.2e}"
        objective, loss, count = task.loss(batch)
        first = abs(loss) / count if first is None else first
        if not math.isfinite(loss) or abs(loss) / count > _EXPLODED * max(1.0, first):
            raise _diverged(f"the loss is {loss:.4g}", where)
        state.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(objective)
        nn.utils.clip_grad_value_(task.model.parameters(), plan.clip)
        state.optimizer.step()
        total, items = total + loss, items + count
        yield Step(number, i, plan.steps_per_epoch, total / items)
    seconds = time.perf_counter() - started
    task.model.eval()
    with torch.inference_mode():
        validation = task.validate()
    _require_finite(task.model, validation, where)
    merits = [task.selection_metric(epoch.validation) for epoch in state.history if epoch.validation]
    best = not validation or task.selection_metric(validation) > max(merits, default=-math.inf)
    return Epoch(number, total / max(items, 1), validation, best, seconds, items)


def _require_finite(model: nn.Module, validation: dict[str, float], where: str) -> None:
    """Notice what the last step broke, before it is kept: no loss comes after it to tell."""
    broken = [name for name, value in model.named_parameters() if not bool(torch.isfinite(value).all())]
    if broken:
        raise _diverged(f"{broken[0]} holds weights that are not finite", where)
    for name, value in validation.items():
        if not math.isfinite(value):
            raise _diverged(f"{name} is {value}", where)


def _diverged(what: str, where: str) -> DivergedError:
    return DivergedError(f"{what} at {where}: try a smaller --learning-rate")


def cosine(learning_rate: float, step: int, plan: Plan) -> float:
    """The learning rate at a step counted from 0: half a cosine from `learning_rate` down to zero."""
    progress = min(1.0, step / (plan.epochs * plan.steps_per_epoch))
    return learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
