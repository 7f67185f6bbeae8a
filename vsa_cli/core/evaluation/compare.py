"""Comparing evaluations: old and new by paired bootstrap, and scores against saved ones. Knows no metric."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsa_cli.core.errors import ConfigError, DataError, MissingError
from vsa_cli.core.evaluation.results import LOWER_IS_BETTER, Evaluation
from vsa_cli.core.io.json import read_json
from vsa_cli.core.metrics.bootstrap import SAMPLES, interval, resample, two_sided_p


def compare(old: Evaluation, new: Evaluation, *, samples: int = SAMPLES, seed: int = 0) -> dict[str, Any]:
    """Differences new minus old of every metric that both have, with paired bootstrap confidence.

    Both are resampled with the same draws, so what an image adds to both falls out of the difference.

    Returns:
        One flat object: what was compared, and for each metric `NAME` (the new score), `NAME_old`, `NAME_change`,
        `NAME_change_low` and `NAME_change_high` (its 95 % interval) and `NAME_p` (two-sided).

    Raises:
        DataError: they are not scores of the same images, sentences or queries.
    """
    if old.mode != new.mode:
        raise DataError(f"--compare: the old file holds {old.mode}, the new one {new.mode}")
    if old.sample.units != new.sample.units or old.sample.strata != new.sample.strata:
        both = len(set(old.sample.units) & set(new.sample.units))
        raise DataError(
            f"--compare: the files are not of the same {'queries' if old.mode == 'rankings' else 'images'}, in the "
            f"same order: {len(old.sample.units)} old, {len(new.sample.units)} new, {both} in both"
        )
    before = resample(old.sample.measure, old.sample.strata, samples, seed)
    after = resample(new.sample.measure, new.sample.strata, samples, seed)
    flat: dict[str, Any] = {**new.head, "samples": samples}
    for name in new.scores:
        if name in old.scores and name in before and name in after:
            differences = after[name] - before[name]
            flat |= change(name, new.scores[name], old.scores[name], "old")
            flat |= {**interval(f"{name}_change", differences), f"{name}_p": two_sided_p(differences)}
    return flat | new.absences()


def change(name: str, new: float, old: float, what: str) -> dict[str, float]:
    """A score beside another one: `NAME`, `NAME_<what>` and `NAME_change`."""
    return {name: new, f"{name}_{what}": old, f"{name}_change": new - old}


def read_baseline(path: Path) -> dict[str, float]:
    """The numbers of a saved `vsa evaluate --json`, by name.

    Raises:
        DataError: unreadable, no JSON, or no object with numbers.
    """
    data = read_json(path)
    numbers = (
        {name: float(value) for name, value in data.items() if type(value) in (int, float) and abs(value) < 2**53}
        if isinstance(data, dict)
        else {}
    )
    if not numbers:
        raise DataError(f"{path}: no scores; --baseline takes what vsa evaluate --json printed")
    return numbers


def doubts_about(baseline: Mapping[str, float], head: Mapping[str, Any], where: str) -> list[str]:
    """In what a baseline is of other data than the scores set against it, a line each."""
    told = {"n_images": "images", "n_references": "references", "n_sentences": "sentences", "n_phrases": "phrases"}
    return [
        f"{where}: is of {baseline[name]:g} {noun}, these scores of {head[name]}"
        for name, noun in told.items()
        if name in head and baseline.get(name, head[name]) != head[name]
    ]


def against_baseline(scores: Mapping[str, float], baseline: Mapping[str, float], where: str) -> dict[str, float]:
    """Changes of scores since a baseline: `NAME_baseline` and `NAME_change`.

    Raises:
        DataError: they have no metric in common.
    """
    shared = [name for name in scores if name in baseline]
    if not shared:
        raise DataError(f"{where}: has none of the metrics {', '.join(scores)}")
    flat: dict[str, float] = {}
    for name in shared:
        flat |= {f"{name}_baseline": baseline[name], f"{name}_change": scores[name] - baseline[name]}
    return flat


_SHAPE = re.compile(r"(?P<name>[^=]+)=(?P<base>baseline)?(?P<number>[-+]?[0-9.]+(?:[eE][-+]?\d+)?)?")


@dataclass(frozen=True)
class Threshold:
    """A metric must not be under `value`; with `relative`, under the baseline's value plus `value`."""

    name: str
    value: float
    relative: bool


def read_thresholds(arguments: Sequence[str]) -> list[Threshold]:
    """Parse `METRIC=VALUE` arguments.

    Raises:
        UsageError: one has another shape, or a metric of which less is better.
    """
    thresholds = []
    for argument in arguments:
        match = _SHAPE.fullmatch(argument.strip())
        if match is None or not (match["base"] or match["number"]):
            raise ConfigError(f"--fail-under {argument}: write METRIC=VALUE, such as CIDEr=0.40 or CIDEr=baseline-0.01")
        try:
            value = float(match["number"] or 0)
        except ValueError as error:
            raise ConfigError(f"--fail-under {argument}: {match['number']} is not a number") from error
        if match["name"] in LOWER_IS_BETTER:
            raise ConfigError(f"--fail-under {argument}: a lower {match['name']} is better; take a recall")
        if not math.isfinite(value):
            raise ConfigError(f"--fail-under {argument}: {match['number']} is too large")
        thresholds.append(Threshold(match["name"], value, match["base"] is not None))
    return thresholds


def missed(
    thresholds: Sequence[Threshold],
    scores: Mapping[str, float],
    absent: Mapping[str, str],
    baseline: Mapping[str, float] | None,
) -> list[str]:
    """The thresholds that were missed, each with by how much, in one line.

    Raises:
        UsageError: a metric was not measured here, or there is no baseline to be relative to.
        MissingError: a metric is absent for want of something on this machine.
    """
    lines = []
    for threshold in thresholds:
        name = threshold.name
        if name in absent:
            raise MissingError(f"--fail-under {name}: {absent[name]}")
        if name not in scores:
            raise ConfigError(f"--fail-under {name}: not measured here; there is {', '.join(scores)}")
        wanted = threshold.value
        if threshold.relative:
            if baseline is None or name not in baseline:
                raise ConfigError(
                    f"--fail-under {name}=baseline: needs a --baseline FILE (or --compare) that has {name}"
                )
            wanted += baseline[name]
        if scores[name] < wanted:
            lines.append(f"{name} is {scores[name]:.6g}, under {wanted:.6g} by {wanted - scores[name]:.6g}")
    return lines
