"""Successive halving: many settings are tried for a short while, the best third of them for longer, and so on.

Pure planning; what a trial is, its caller knows. Trials of a rung train for equally long, each from the start and
under a schedule of the rung's length, so that they compare.
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

MERIT = "rsum"
"""The measure that trials are ranked by, as epochs are: the sum of the six recalls."""


@dataclass(frozen=True)
class Setting:
    """What a sweep chooses."""

    learning_rate: float
    weight_decay: float

    def __str__(self) -> str:
        return f"learning rate {self.learning_rate:g}, weight decay {self.weight_decay:g}"


@dataclass(frozen=True)
class Rung:
    """A contest: `trials` settings, at most, for `epochs` epochs each; `number` counts from 1."""

    number: int
    trials: int
    epochs: int


@dataclass(frozen=True)
class Trial:
    """A setting tried.

    Attributes:
        rung: in which rung.
        setting: what was tried.
        epochs: for how long it was to train.
        metrics: of its best epoch on the held-out split; empty where it diverged.
        diverged: how it left the numbers, or None.
    """

    rung: int
    setting: Setting
    epochs: int
    metrics: Metrics
    diverged: str | None = None

    @property
    def selection_metric(self) -> float:
        """Higher is better; below all others where it diverged."""
        return -math.inf if self.diverged is not None else self.metrics[MERIT]

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, flat but for the metrics."""
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
        """Read `to_dict`'s form back.

        Raises:
            ArtifactError: it is no trial, or a damaged one.
        """
        fields: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
        names = ("rung", "learning_rate", "weight_decay", "epochs", "metrics", "diverged")
        rung, rate, decay, epochs, metrics, diverged = (fields.get(name, math.nan) for name in names)
        whole = type(rung) is int and type(epochs) is int and isinstance(diverged, str | None)
        if not whole or not _is_real(rate) or not _is_real(decay) or not isinstance(metrics, Mapping):
            raise ArtifactError(f"{where}: no trial of a sweep, or a damaged one")
        if not all(map(_is_real, metrics.values())) or (MERIT in metrics) != (diverged is None):
            raise ArtifactError(f"{where}: damaged (metrics)")
        return cls(rung, Setting(rate, decay), epochs, metrics, diverged)


@dataclass(frozen=True)
class Winner:
    """The setting that is left."""

    setting: Setting


@dataclass(frozen=True)
class SweepPlan:
    """A sweep, laid out.

    Attributes:
        settings: those of the first rung.
        rungs: one after the other; a rung's trials are the best of the one before.
        epochs: that the winner trains for at the end.
    """

    settings: tuple[Setting, ...]
    rungs: tuple[Rung, ...]
    epochs: int

    @property
    def trials(self) -> int:
        """Trials in all, at most."""
        return sum(rung.trials for rung in self.rungs)

    @property
    def total_epochs(self) -> int:
        """Epochs in all, at most, the winner's among them."""
        return sum(rung.trials * rung.epochs for rung in self.rungs) + self.epochs


def plan_sweep(
    training: EmbedTraining,
    validate: str | None,
    rates: Sequence[float] = (),
    decays: Sequence[float] = (),
    config: SweepConfig | None = None,
) -> SweepPlan:
    """Lay out a sweep.

    Args:
        training: how the winner will train; the middle of the grid.
        validate: the split to choose on.
        rates: learning rates to try instead of the grid's.
        decays: weight decays, likewise.
        config: of the sweep.

    Raises:
        UsageError: nothing is held out to choose on, or only one setting would be tried.
    """
    if validate is None:
        raise ConfigError("--sweep chooses on held-out photographs: name their split (--validate), or prep with --tune")
    config = config or SweepConfig()
    rates = rates or _around(training.learning_rate, config.rate_factors)
    decays = decays or _around(training.weight_decay, config.decay_factors)
    settings = [Setting(rate, decay) for rate in sorted(set(rates)) for decay in sorted(set(decays))]
    if len(settings) < 2:
        raise ConfigError(f"a sweep needs settings to choose from, and there is one: {settings[0]}")
    return SweepPlan(tuple(settings), _rungs(len(settings), training.epochs, config), training.epochs)


def _around(centre: float, factors: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(f"{centre * factor:.6g}") for factor in factors)  # 0.0003, not 0.00029999999999999997


def _rungs(trials: int, longest: int, config: SweepConfig) -> tuple[Rung, ...]:
    rungs: list[Rung] = []
    epochs = min(config.epochs, longest)
    # After a rung as long as the winner's own training there is nothing left to learn from another.
    while trials > 1 and not (rungs and rungs[-1].epochs == longest):
        rungs.append(Rung(len(rungs) + 1, trials, epochs))
        trials, epochs = max(1, trials // config.share), min(epochs * config.share, longest)
    return tuple(rungs)


def _is_real(value: object) -> bool:
    return math.isfinite(value) if isinstance(value, float) else type(value) is int and abs(value) < 2**53


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """Those that did not diverge, best first; of equals, the one tried first."""
    return sorted((trial for trial in trials if trial.diverged is None), key=lambda trial: -trial.selection_metric)


def halve(
    plan: SweepPlan, run: Callable[[Rung, Setting], Generator[RecordT, None, Metrics]], known: Sequence[Trial] = ()
) -> Iterator[RecordT | Trial | Winner]:
    """Run a sweep: a trial's own records, then its `Trial`, and at the end the `Winner`.

    Args:
        plan: the sweep.
        run: trains a setting for a rung's epochs and returns its metrics.
        known: trials that an earlier run has done; they are not run again.

    Raises:
        DivergedError: every trial of a rung diverged.
    """
    done = {(trial.rung, trial.setting): trial for trial in known}
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
