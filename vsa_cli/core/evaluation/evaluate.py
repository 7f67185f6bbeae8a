"""From a file and what is wanted to its scores: chooses the measure by what the file holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vsa_cli.core.errors import ConfigError
from vsa_cli.core.evaluation.inputs import Document, open_document
from vsa_cli.core.evaluation.results import Evaluation
from vsa_cli.core.metrics.bootstrap import SAMPLES

FAMILIES = ("BLEU", "METEOR", "ROUGE-L", "CIDEr")
"""Metrics of captions; BLEU is four."""


@dataclass(frozen=True)
class Wanted:
    """How to evaluate.

    Attributes:
        references: what captions are scored against.
        split: of the references.
        families: of metrics for captions; all that can be had if None.
        frequencies: CIDEr's document frequencies, read where the file exists and written where not.
        boxes: what alignments are scored against.
        folds: how many folds rankings must have.
        samples: resamplings for intervals.
        seed: of the resampling.
        strict: whether doubts are failures.
    """

    references: Path | None = None
    split: str | None = None
    families: tuple[str, ...] | None = None
    frequencies: Path | None = None
    boxes: Path | None = None
    folds: int | None = None
    samples: int = SAMPLES
    seed: int = 0
    strict: bool = False


def evaluate(path: Path, wanted: Wanted) -> Evaluation:
    """Score a file.

    Raises:
        UsageError: an option does not fit what the file holds, or is missing.
        DataError: unreadable, nothing to score, or with `strict`, anything doubtful.
        ArtifactError: a damaged artifact, or one of another kind.
        MissingError: METEOR was asked for by name, and cannot be had.
    """
    document = open_document(path)
    _refuse_misfits(document, wanted)
    if document.mode == "captions":
        evaluation = _captions(document, wanted)
    elif document.mode == "rankings":
        from vsa_cli.core.evaluation.rankings import evaluate_rankings

        evaluation = evaluate_rankings(document, folds=wanted.folds)
    else:
        evaluation = _alignments(document, wanted)
    if wanted.strict:
        evaluation.refuse_doubts()
    return evaluation


def _refuse_misfits(document: Document, wanted: Wanted) -> None:
    odd = [family for family in wanted.families or () if family not in FAMILIES]
    if odd:
        raise ConfigError(f"--metric {odd[0]}: choose from {', '.join(FAMILIES)}")
    by_mode: dict[str, dict[str, object]] = {
        "captions": {"--boxes": wanted.boxes, "--folds": wanted.folds},
        "rankings": {"--boxes": wanted.boxes},
        "alignments": {"--folds": wanted.folds},
    }
    misfits = by_mode[document.mode]
    if document.mode != "captions":
        misfits |= {
            "--references": wanted.references,
            "--split": wanted.split,
            "--metric": wanted.families,
            "--document-frequencies": wanted.frequencies,
        }
    given = [option for option, value in misfits.items() if value is not None]
    if given:
        raise ConfigError(f"{document.where}: holds {document.mode}, which take no {' or '.join(given)}")
    if document.mode == "captions" and wanted.references is None:
        raise ConfigError(f"{document.where}: holds captions: --references FILE says what humans said")
    if document.mode == "alignments" and wanted.boxes is None:
        raise ConfigError(f"{document.where}: holds alignments: --boxes FILE says where the phrases' boxes are")


def _captions(document: Document, wanted: Wanted) -> Evaluation:
    from vsa_cli.core.evaluation.captions import TOKENIZER, evaluate_captions
    from vsa_cli.core.evaluation.frequencies import read_frequencies, write_frequencies
    from vsa_cli.core.evaluation.hypotheses import read_hypotheses
    from vsa_cli.core.evaluation.references import read_references

    assert wanted.references is not None
    file = wanted.frequencies
    saved = read_frequencies(file) if file is not None and file.exists() else None
    evaluation, counted = evaluate_captions(
        read_hypotheses(document),
        read_references(wanted.references),
        split=wanted.split,
        families=wanted.families,
        frequencies=saved,
        count=file is not None,
    )
    if wanted.strict:
        evaluation.refuse_doubts()  # before anything is written
    if file is not None and saved is None and counted is not None:
        write_frequencies(file, counted, {"split": evaluation.head["split"], "tokenizer": TOKENIZER})
    return evaluation


def _alignments(document: Document, wanted: Wanted) -> Evaluation:
    from vsa_cli.core.evaluation.alignments import evaluate_alignments
    from vsa_cli.core.evaluation.entities import read_entities

    assert wanted.boxes is not None
    return evaluate_alignments(document, read_entities(wanted.boxes), samples=wanted.samples, seed=wanted.seed)
