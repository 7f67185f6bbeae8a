"""Scores as plain text for people, one metric a line. Knows no terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vsa_cli.core.evaluation.results import Evaluation

HEALTH = {
    "copied": "captions that are a training sentence, share",
    "distinct": "different captions, share",
    "distinct_1": "different words, share",
    "distinct_2": "different word pairs, share",
    "vocabulary": "different words",
    "mean_length": "words a caption",
}
_UNITS = {
    "captions": "BLEU, METEOR, ROUGE-L from 0 to 1, CIDEr from 0 to 10",
    "rankings": "recalls in percent, ranks from 1",
    "alignments": "percent of the phrases",
}


def evaluation_table(evaluation: Evaluation, changes: Mapping[str, float]) -> list[str]:
    """Lines that tell what was scored, each metric, and what lies beside.

    Args:
        evaluation: the scores.
        changes: `NAME_baseline` and `NAME_change` where there is a baseline.
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
            lines.append(f"{name:<{width}}  absent: {evaluation.absent[name]}")
            continue
        value = evaluation.scores.get(name, extra.get(name, 0.0))
        line = f"{name:<{width}}  {_number(value, evaluation.mode)}"
        if f"{name}_low" in extra:
            low, high = extra[f"{name}_low"], extra[f"{name}_high"]
            line += f"  [{_number(low, evaluation.mode).strip()}, {_number(high, evaluation.mode).strip()}]"
        if f"{name}_change" in changes:
            line += f"  {changes[f'{name}_change']:+.4f} since {changes[f'{name}_baseline']:.4f}"
        lines.append(line)
    health = [f"{text}: {extra[name]:.4g}" for name, text in HEALTH.items() if name in extra]
    return [*lines, *([f"health: {'; '.join(health)}"] if health else [])]


def comparison_table(flat: Mapping[str, Any]) -> list[str]:
    """Lines of a comparison: each metric old, new, its change with the 95 % interval and p."""
    names = [name.removesuffix("_old") for name in flat if name.endswith("_old")]
    width = max(map(len, [*names, "metric"]))
    lines = [f"{'metric':<{width}}       old       new    change  95 % interval         p"]
    for name in names:
        old, new, p = (flat[key] for key in (f"{name}_old", name, f"{name}_p"))
        changed, low, high = (flat[f"{name}_change{end}"] for end in ("", "_low", "_high"))
        lines.append(f"{name:<{width}}  {old:8.4f}  {new:8.4f}  {changed:+8.4f}  [{low:+.4f}, {high:+.4f}]  {p:.3f}")
    return lines


def _head(evaluation: Evaluation) -> str:
    told = {"n_images": "images", "n_references": "references", "n_sentences": "sentences", "n_phrases": "phrases"}
    head = evaluation.head
    parts = [f"{head[name]} {noun}" for name, noun in told.items() if name in head]
    parts += [f"{head['folds']} folds"] if "folds" in head else []
    parts += [f"tokenised by {head['tokenizer']}"] if "tokenizer" in head else []
    return f"{evaluation.mode}, split {head.get('split') or 'unknown'}: {', '.join(parts)}"


def _number(value: float, mode: str) -> str:
    return f"{value:8.4f}" if mode == "captions" else f"{value:8.2f}"
