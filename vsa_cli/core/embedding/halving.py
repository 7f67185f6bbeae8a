"""Successive halving, by default with a factor of 3: many settings for a few epochs, the best third for longer, etc.

This module only plans; the caller trains each trial. All trials of a rung start from scratch and train for the same
number of epochs, with a learning rate schedule of that length, so that they can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from vsa_cli.core.config import EmbedTraining, SweepConfig
from vsa_cli.core.errors import ArtifactError, ConfigError, DivergedError

RecordT = TypeVar("RecordT")
Metrics = Mapping[str, float]

SELECTION_METRIC = "rsum"
"""The metric by which trials are ranked, as epochs are: the sum of the six recalls."""


@dataclass(frozen=True)
class Setting:
    """The hyperparameters that a sweep selects."""

    learning_rate: float
    weight_decay: float

    def __str__(self) -> str:
        return f"learning rate {self.learning_rate:g}, weight decay {self.weight_decay:g}"


@dataclass(frozen=True)
class Rung:
    """A round of at most `trials` trials of `epochs` epochs each; `number` counts from 1."""

    number: int
    trials: int
    epochs: int


@dataclass(frozen=True)
class Trial:
    """A finished trial of a setting.

    Attributes:
        rung: the number of its rung.
        setting: the setting that was tried.
        epochs: the number of epochs that it was to train for.
        metrics: the metrics of its best epoch on the validation split; empty if it diverged.
        diverged: how it diverged, or None.
    """

    rung: int
    setting: Setting
    epochs: int
    metrics: Metrics
    diverged: str | None = None

    @property
    def selection_metric(self) -> float:
        """The metric to rank by; higher is better, and minus infinity if the trial diverged."""
        return -math.inf if self.diverged is not None else self.metrics[SELECTION_METRIC]

    def to_dict(self) -> dict[str, Any]:
        """The trial as a JSON object."""
        return {
            "rung": self.rung,
            "learning_rate": self.setting.learning_rate,
            "weight_decay": self.setting.weight_decay,
            "epochs": self.epochs,
            "metrics": dict(self.metrics),
            "diverged": self.diverged,
        }

    @classmethod
    def from_dict(cls, data: object, where: str) -> Trial:
        """Read a trial from its JSON object.

        Raises:
            ArtifactError: the object is not a trial, or is damaged.
        """
        fields: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
        names = ("rung", "learning_rate", "weight_decay", "epochs", "metrics", "diverged")
        rung, rate, decay, epochs, metrics, diverged = (fields.get(name, math.nan) for name in names)
        whole = type(rung) is int and type(epochs) is int and isinstance(diverged, str | None)
        if not whole or not _is_real(rate) or not _is_real(decay) or not isinstance(metrics, Mapping):
            raise ArtifactError(f"{where}: not a trial of a sweep, or damaged")
        if not all(map(_is_real, metrics.values())) or (SELECTION_METRIC in metrics) != (diverged is None):
            raise ArtifactError(f"{where}: damaged (metrics)")
        return cls(rung, Setting(rate, decay), epochs, metrics, diverged)


@dataclass(frozen=True)
class Winner:
    """The setting that a sweep has selected."""

    setting: Setting


@dataclass(frozen=True)
class SweepPlan:
    """The plan of a sweep.

    Attributes:
        settings: the settings of the first rung.
        rungs: the rungs in order; each tries the best settings of the previous one.
        epochs: the number of epochs that the winner is trained for at the end.
    """

    settings: tuple[Setting, ...]
    rungs: tuple[Rung, ...]
    epochs: int

    @property
    def trials(self) -> int:
        """The maximum number of trials."""
        return sum(rung.trials for rung in self.rungs)

    @property
    def total_epochs(self) -> int:
        """The maximum number of epochs, including the winner's training."""
        return sum(rung.trials * rung.epochs for rung in self.rungs) + self.epochs


def plan_sweep(
    training: EmbedTraining,
    validate: str | None,
    rates: Sequence[float] = (),
    decays: Sequence[float] = (),
    config: SweepConfig | None = None,
) -> SweepPlan:
    """Plan a sweep.

    Args:
        training: the training of the winner; its learning rate and weight decay are the centre of the grid.
        validate: the split to select on.
        rates: learning rates to try instead of the grid's.
        decays: weight decays to try instead of the grid's.
        config: the grid, and the length of the rungs.

    Raises:
        ConfigError: there is no split to select on, or only one setting to try.
    """
    if validate is None:
        raise ConfigError("a sweep needs held-out images: give their split as `validate`, or prepare a split `tune`")
    config = config or SweepConfig()
    rates = rates or _around(training.learning_rate, config.rate_factors)
    decays = decays or _around(training.weight_decay, config.decay_factors)
    settings = [Setting(rate, decay) for rate in sorted(set(rates)) for decay in sorted(set(decays))]
    if len(settings) < 2:
        raise ConfigError(f"a sweep needs two settings or more, but there is only one: {settings[0]}")
    return SweepPlan(tuple(settings), _rungs(len(settings), training.epochs, config), training.epochs)


def _around(centre: float, factors: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(f"{centre * factor:.6g}") for factor in factors)  # 0.0003, not 0.00029999999999999997


def _rungs(trials: int, longest: int, config: SweepConfig) -> tuple[Rung, ...]:
    rungs: list[Rung] = []
    epochs = min(config.epochs, longest)
    # A rung as long as the winner's own training is the last: another could show nothing new.
    while trials > 1 and not (rungs and rungs[-1].epochs == longest):
        rungs.append(Rung(len(rungs) + 1, trials, epochs))
        trials, epochs = max(1, trials // config.share), min(epochs * config.share, longest)
    return tuple(rungs)


def _is_real(value: object) -> bool:
    return math.isfinite(value) if isinstance(value, float) else type(value) is int and abs(value) < 2**53


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that did not diverge, best first; ties in the order in which they were tried."""
    return sorted((trial for trial in trials if trial.diverged is None), key=lambda trial: -trial.selection_metric)


def halve(
    plan: SweepPlan, run: Callable[[Rung, Setting], Generator[RecordT, None, Metrics]], finished: Sequence[Trial] = ()
) -> Iterator[RecordT | Trial | Winner]:
    """Run a sweep: yield the records of each trial and then its `Trial`, and at the end the `Winner`.

    Args:
        plan: the plan of the sweep.
        run: trains a setting for the epochs of a rung, and returns its metrics.
        finished: trials of an earlier run; they are not run again.

    Raises:
        DivergedError: every trial of a rung diverged.
    """
    done = {(trial.rung, trial.setting): trial for trial in finished}
    contenders = list(plan.settings)
    for rung in plan.rungs:
        trials: list[Trial] = []
        for setting in contenders[: rung.trials]:
            trial = done.get((rung.number, setting)) or (yield from _try(rung, setting, run))
            trials.append(trial)
            yield trial
        contenders = [trial.setting for trial in ranked(trials)]
        if not contenders:
            raise DivergedError(f"every trial of rung {rung.number} diverged: try smaller learning rates")
    yield Winner(contenders[0])


def _try(
    rung: Rung, setting: Setting, run: Callable[[Rung, Setting], Generator[RecordT, None, Metrics]]
) -> Generator[RecordT, None, Trial]:
    try:
        metrics = yield from run(rung, setting)
    except DivergedError as error:
        return Trial(rung.number, setting, rung.epochs, {}, str(error))
    return Trial(rung.number, setting, rung.epochs, metrics)
