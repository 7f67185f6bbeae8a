"""Scores as plain text tables, one metric per line, the same for every terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vsa_cli.core.evaluation.results import COUNTS, Evaluation

if TYPE_CHECKING:
    from vsa_cli.core.generation.calibration import Bin
    from vsa_cli.core.generation.confidence import Scores

DIVERSITY = {
    "copied": "share copied from training",
    "distinct": "share of distinct captions",
    "distinct_1": "distinct-1",
    "distinct_2": "distinct-2",
    "vocabulary": "vocabulary",
    "mean_length": "mean length",
}
_UNITS = {
    "captions": "BLEU, METEOR, ROUGE-L from 0 to 1, CIDEr from 0 to 10",
    "rankings": "recalls in percent; median and mean ranks start at 1",
    "alignments": "accuracy in percent of the phrases",
}


def evaluation_table(evaluation: Evaluation, changes: Mapping[str, float]) -> list[str]:
    """The lines of a table: the input, each metric, and caption diversity.

    Args:
        evaluation: the scores.
        changes: `NAME_baseline` and `NAME_change` of each metric, if there is a baseline.
    """
    extra = evaluation.extra
    lines = [_head(evaluation), f"({_UNITS[evaluation.mode]})"]
    names = [
        *evaluation.scores,
        *evaluation.absent,
        *(name for name in extra if "_minus_" in name and not name.endswith(("_low", "_high"))),
    ]
    width = max(map(len, names))
    for name in names:
        if name in evaluation.absent:
            lines.append(f"{name:<{width}}  not computed: {evaluation.absent[name]}")
            continue
        value = evaluation.scores.get(name, extra.get(name, 0.0))
        line = f"{name:<{width}}  {_number(value, evaluation.mode)}"
        if f"{name}_low" in extra:
            low, high = extra[f"{name}_low"], extra[f"{name}_high"]
            line += f"  [{_number(low, evaluation.mode).strip()}, {_number(high, evaluation.mode).strip()}]"
        if f"{name}_change" in changes:
            line += f"  {changes[f'{name}_change']:+.4f} from {changes[f'{name}_baseline']:.4f}"
        lines.append(line)
    diversity = [f"{text} {extra[name]:.4g}" for name, text in DIVERSITY.items() if name in extra]
    return [*lines, *([f"diversity: {', '.join(diversity)}"] if diversity else [])]


def comparison_table(flat: Mapping[str, Any]) -> list[str]:
    """The lines of a comparison: for each metric the old and new score, the change with its 95 % interval, and p."""
    names = [name.removesuffix("_old") for name in flat if name.endswith("_old")]
    width = max(map(len, [*names, "metric"]))
    lines = [f"{'metric':<{width}}       old       new    change  95 % interval         p"]
    for name in names:
        old, new, p = (flat[key] for key in (f"{name}_old", name, f"{name}_p"))
        change, low, high = (flat[f"{name}_change{end}"] for end in ("", "_low", "_high"))
        lines.append(f"{name:<{width}}  {old:8.4f}  {new:8.4f}  {change:+8.4f}  [{low:+.4f}, {high:+.4f}]  {p:.3f}")
    return lines


def _head(evaluation: Evaluation) -> str:
    head = evaluation.head
    parts = [f"{head[name]} {noun}" for name, noun in COUNTS.items() if name in head]
    parts += [f"{head['folds']} folds"] if "folds" in head else []
    parts += [f"tokenizer {head['tokenizer']}"] if "tokenizer" in head else []
    return f"{evaluation.mode}, split {head.get('split') or 'unknown'}: {', '.join(parts)}"


def _number(value: float, mode: str) -> str:
    return f"{value:8.4f}" if mode == "captions" else f"{value:8.2f}"


def calibration_table(scores: Scores, bins: Sequence[Bin]) -> list[str]:
    """The lines of a calibration: its scores; then, for minimum confidences, how many captions are kept, and right."""
    share = scores.right
    lines = [
        f"captions  {scores.captions:,}",
        f"right     {100 * share:.1f} %",
        f"Brier     {scores.brier:.4f}  ({share * (1 - share):.4f} if all had the confidence {share:.3f})",
        f"ECE       {scores.ece:.4f}",
        "minimum confidence  captions kept  right",
    ]
    for place, one in enumerate(bins):
        kept = sum(other.captions for other in bins[place:])
        right = sum(other.captions * other.right for other in bins[place:]) / kept
        lines.append(f"{one.low:18.1f}  {100 * kept / scores.captions:11.0f} %  {100 * right:3.0f} %")
    return lines
