"""Thresholds for builds: `CIDEr=0.40`, or relative to a baseline, `CIDEr=baseline-0.01`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vsa_cli.core.errors import MissingError, UsageError
from vsa_cli.core.evaluation.results import LOWER_IS_BETTER

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
            raise UsageError(f"--fail-under {argument}: write METRIC=VALUE, such as CIDEr=0.40 or CIDEr=baseline-0.01")
        try:
            value = float(match["number"] or 0)
        except ValueError as error:
            raise UsageError(f"--fail-under {argument}: {match['number']} is not a number") from error
        if match["name"] in LOWER_IS_BETTER:
            raise UsageError(f"--fail-under {argument}: a lower {match['name']} is better; take a recall")
        if not math.isfinite(value):
            raise UsageError(f"--fail-under {argument}: {match['number']} is too large")
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
            raise UsageError(f"--fail-under {name}: not measured here; there is {', '.join(scores)}")
        wanted = threshold.value
        if threshold.relative:
            if baseline is None or name not in baseline:
                raise UsageError(
                    f"--fail-under {name}=baseline: needs a --baseline FILE (or --compare) that has {name}"
                )
            wanted += baseline[name]
        if scores[name] < wanted:
            lines.append(f"{name} is {scores[name]:.6g}, under {wanted:.6g} by {wanted - scores[name]:.6g}")
    return lines
