"""Comparison of scores: two evaluations by paired bootstrap, saved scores as a baseline, and thresholds."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsa_cli.core.errors import ConfigError, DataError, MissingError
from vsa_cli.core.evaluation.results import CONTENTS, COUNTS, LOWER_IS_BETTER, Evaluation
from vsa_cli.core.io.json import read_json
from vsa_cli.core.metrics.bootstrap import SAMPLES, interval, resample, two_sided_p

_THRESHOLD = re.compile(r"(?P<name>[^=]+)=(?P<base>baseline)?(?P<number>[-+]?[0-9.]+(?:[eE][-+]?\d+)?)?")


@dataclass(frozen=True)
class Threshold:
    """The least value that a metric may have.

    Attributes:
        name: the metric.
        value: the least value, or with `relative`, the least difference from the baseline.
        relative: whether `value` is added to the metric's value in the baseline.
    """

    name: str
    value: float
    relative: bool


def compare(old: Evaluation, new: Evaluation, *, samples: int = SAMPLES, seed: int = 0) -> dict[str, Any]:
    """Compute the difference, new minus old, of each metric that both have, with paired bootstrap intervals.

    Both are resampled with the same draws, so that the variation between images, which they share, cancels out.

    Returns:
        One flat object: the head of the new evaluation, and for each metric `NAME` (the new score), `NAME_old`,
        `NAME_change`, `NAME_change_low` and `NAME_change_high` (its 95 % interval) and `NAME_p` (two-sided).

    Raises:
        DataError: the two are not evaluations of the same images or queries in the same order.
    """
    if old.mode != new.mode:
        raise DataError(f"`compare`: the old file contains {CONTENTS[old.mode]}, the new one {CONTENTS[new.mode]}")
    if old.sample.units != new.sample.units or old.sample.strata != new.sample.strata:
        shared = len(set(old.sample.units) & set(new.sample.units))
        units = "queries" if old.mode == "rankings" else "images"
        raise DataError(
            f"`compare`: the files do not have the same {units} in the same order: "
            f"{len(old.sample.units)} old, {len(new.sample.units)} new, {shared} in both"
        )
    before = resample(old.sample.measure, old.sample.strata, samples, seed)
    after = resample(new.sample.measure, new.sample.strata, samples, seed)
    flat: dict[str, Any] = {**new.head, "samples": samples}
    for name, score in new.scores.items():
        if name in old.scores and name in before and name in after:
            differences = after[name] - before[name]
            flat |= {name: score, f"{name}_old": old.scores[name], f"{name}_change": score - old.scores[name]}
            flat |= {**interval(f"{name}_change", differences), f"{name}_p": two_sided_p(differences)}
    return flat | new.absences()


def read_baseline(path: Path) -> dict[str, float]:
    """Read the numbers that `vsa evaluate` printed as JSON, by name.

    Raises:
        DataError: the file cannot be read, is not JSON, or is not an object with numbers.
    """
    data = read_json(path)
    numbers = (
        {name: float(value) for name, value in data.items() if type(value) in (int, float) and abs(value) < 2**53}
        if isinstance(data, dict)
        else {}
    )
    if not numbers:
        raise DataError(f"{path}: contains no scores; `baseline` takes the JSON output of vsa evaluate")
    return numbers


def baseline_mismatches(baseline: Mapping[str, float], head: Mapping[str, Any], where: str) -> list[str]:
    """The counts in which a baseline differs from the evaluation that it is compared with, as one message each."""
    return [
        f"{where}: the baseline was computed on {baseline[name]:g} {noun}, these scores on {head[name]}"
        for name, noun in COUNTS.items()
        if name in head and baseline.get(name, head[name]) != head[name]
    ]


def baseline_changes(scores: Mapping[str, float], baseline: Mapping[str, float], where: str) -> dict[str, float]:
    """The changes of scores since a baseline: `NAME_baseline` and `NAME_change`.

    Raises:
        DataError: the two have no metric in common.
    """
    shared = [name for name in scores if name in baseline]
    if not shared:
        raise DataError(f"{where}: contains none of the metrics {', '.join(scores)}")
    flat: dict[str, float] = {}
    for name in shared:
        flat |= {f"{name}_baseline": baseline[name], f"{name}_change": scores[name] - baseline[name]}
    return flat


def parse_thresholds(arguments: Sequence[str]) -> list[Threshold]:
    """Parse thresholds, each `METRIC=VALUE`, `METRIC=baseline` or `METRIC=baseline-VALUE`.

    Raises:
        ConfigError: a threshold is malformed, or is for a metric of which lower values are better.
    """
    thresholds = []
    for argument in arguments:
        match = _THRESHOLD.fullmatch(argument.strip())
        if match is None or not (match["base"] or match["number"]):
            raise ConfigError(
                f"`fail_under` {argument}: expected METRIC=VALUE, such as CIDEr=0.40 or CIDEr=baseline-0.01"
            )
        try:
            value = float(match["number"] or 0)
        except ValueError as error:
            raise ConfigError(f"`fail_under` {argument}: {match['number']} is not a number") from error
        if match["name"] in LOWER_IS_BETTER:
            raise ConfigError(f"`fail_under` {argument}: lower values of {match['name']} are better; use a recall")
        if not math.isfinite(value):
            raise ConfigError(f"`fail_under` {argument}: {match['number']} is too large")
        thresholds.append(Threshold(match["name"], value, match["base"] is not None))
    return thresholds


def missed_thresholds(
    thresholds: Sequence[Threshold],
    scores: Mapping[str, float],
    absent: Mapping[str, str],
    baseline: Mapping[str, float] | None,
) -> list[str]:
    """The thresholds that the scores do not reach, as one message each.

    Raises:
        ConfigError: a metric was not computed, or the baseline for a relative threshold is missing.
        MissingError: a metric could not be computed because something is not installed.
    """
    messages = []
    for threshold in thresholds:
        name = threshold.name
        if name in absent:
            raise MissingError(f"`fail_under` {name}: {absent[name]}")
        if name not in scores:
            raise ConfigError(f"`fail_under` {name}: not computed; choose from {', '.join(scores)}")
        least = threshold.value
        if threshold.relative:
            if baseline is None or name not in baseline:
                raise ConfigError(f"`fail_under` {name}=baseline: needs a `baseline` (or `compare`) with {name}")
            least += baseline[name]
        if scores[name] < least:
            messages.append(f"{name} is {scores[name]:.6g}, under {least:.6g} by {least - scores[name]:.6g}")
    return messages
