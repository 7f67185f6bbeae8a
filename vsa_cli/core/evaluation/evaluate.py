"""Evaluate a file: recognise what it contains, check the settings for it, and score it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vsa_cli.core.errors import ConfigError
from vsa_cli.core.evaluation.inputs import Input, open_input
from vsa_cli.core.evaluation.results import CAPTION_FAMILIES, CONTENTS, Evaluation, Mode
from vsa_cli.core.metrics.bootstrap import SAMPLES

_SETTINGS: dict[Mode, frozenset[str]] = {
    "captions": frozenset({"references", "split", "metric", "document_frequencies"}),
    "rankings": frozenset({"folds"}),
    "alignments": frozenset({"boxes"}),
}
"""The settings that apply to each kind of file."""


def evaluate(
    path: Path,
    *,
    references: Path | None = None,
    split: str | None = None,
    metric: Sequence[str] | None = None,
    document_frequencies: Path | None = None,
    boxes: Path | None = None,
    folds: int | None = None,
    samples: int = SAMPLES,
    seed: int = 0,
    strict: bool = False,
) -> Evaluation:
    """Evaluate captions, retrieval rankings or word-to-region alignments (a file of word scores).

    Args:
        path: the file to score; `-` is standard input.
        references: the file with the reference sentences (captions only).
        split: the split of the references to score (captions only; default: the one that all captions belong to, or
            `all`).
        metric: names from `CAPTION_FAMILIES` (captions only; default: all that can be computed).
        document_frequencies: the file of CIDEr's document frequencies, read if it exists and written if not (captions
            only).
        boxes: the file with the ground-truth boxes (word scores only).
        folds: the number of folds that the file must have (rankings only).
        samples: number of bootstrap resamples for the intervals; 0 for no intervals (word scores only).
        seed: random seed of the resampling.
        strict: fail if ids do not match, or captions are missing, empty or duplicated.

    Raises:
        ConfigError: a setting does not apply to the contents of the file, or a required setting is missing.
        DataError: a file cannot be read, there is nothing to score, or with `strict`, the input has a problem.
        ArtifactError: an artifact is damaged or of another kind.
        MissingError: METEOR was selected with `metric` and cannot run.
    """
    unknown = [name for name in metric or () if name not in CAPTION_FAMILIES]
    if unknown:
        raise ConfigError(f"`metric` {unknown[0]}: choose from {', '.join(CAPTION_FAMILIES)}")
    given = {
        "references": references, "split": split, "metric": metric, "document_frequencies": document_frequencies,
        "boxes": boxes, "folds": folds,
    }  # fmt: skip
    source = open_input(path)
    _check_settings(source, [name for name, value in given.items() if value is not None])
    if source.mode == "captions" and references is not None:
        return _evaluate_captions(source, references, split, metric, document_frequencies, strict=strict)
    if source.mode == "alignments" and boxes is not None:
        from vsa_cli.core.evaluation.alignments import evaluate_alignments
        from vsa_cli.core.evaluation.entities import read_entities

        evaluation = evaluate_alignments(source, read_entities(boxes), samples=samples, seed=seed)
    else:
        from vsa_cli.core.evaluation.rankings import evaluate_rankings

        evaluation = evaluate_rankings(source, folds=folds)
    if strict:
        evaluation.check_problems()
    return evaluation


def _check_settings(source: Input, given: Sequence[str]) -> None:
    misplaced = [f"`{name}`" for name in given if name not in _SETTINGS[source.mode]]
    if misplaced:
        verb = "does" if len(misplaced) == 1 else "do"
        raise ConfigError(
            f"{source.where}: contains {CONTENTS[source.mode]}, to which {' and '.join(misplaced)} {verb} not apply"
        )
    if source.mode == "captions" and "references" not in given:
        raise ConfigError(f"{source.where}: contains captions; give their references with `references`")
    if source.mode == "alignments" and "boxes" not in given:
        raise ConfigError(f"{source.where}: contains word scores; give the phrases' ground-truth boxes with `boxes`")


def _evaluate_captions(
    source: Input,
    references: Path,
    split: str | None,
    metric: Sequence[str] | None,
    document_frequencies: Path | None,
    *,
    strict: bool,
) -> Evaluation:
    from vsa_cli.core.evaluation.captions import TOKENIZER, evaluate_captions
    from vsa_cli.core.evaluation.frequencies import read_frequencies, write_frequencies
    from vsa_cli.core.evaluation.hypotheses import read_hypotheses
    from vsa_cli.core.evaluation.references import read_references

    file = document_frequencies
    saved = read_frequencies(file) if file is not None and file.exists() else None
    evaluation, counted = evaluate_captions(
        read_hypotheses(source),
        read_references(references),
        split=split,
        families=metric,
        frequencies=saved,
        count=file is not None,
    )
    if strict:
        evaluation.check_problems()  # before anything is written
    if file is not None and saved is None and counted is not None:
        write_frequencies(file, counted, {"split": evaluation.head["split"], "tokenizer": TOKENIZER})
    return evaluation
