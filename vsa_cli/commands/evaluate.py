"""`vsa evaluate`: score captions, rankings and alignments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vsa_cli.options import Force, Json, Quiet, Seed, UsageError
from vsa_cli.output.console import Console, print_data

if TYPE_CHECKING:
    from vsa_cli.core.evaluation.results import Evaluation

_CAPTIONS, _OTHERS, _COMPARISON, _OUTPUT = "Captions", "Rankings and alignments", "Comparison", "Output"


def evaluate(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="Captions (from vsa caption --format coco), rankings (vsa retrieve -o) or word scores "
            "(vsa align --scores); - for stdin.",
        ),
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(
            "--references",
            metavar="FILE",
            help="Reference sentences: corpus.json, COCO captions, Flickr token file, CSV, TSV or JSON Lines.",
            rich_help_panel=_CAPTIONS,
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="SPLIT",
            help="Split to score: train, tune, val, test or all (default: the split that the captions belong to).",
            rich_help_panel=_CAPTIONS,
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="BLEU|METEOR|ROUGE-L|CIDEr",
            help="Metric to compute; may be repeated (default: all that can be computed).",
            rich_help_panel=_CAPTIONS,
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Fail if ids do not match, or captions are missing, empty or duplicated.",
            rich_help_panel=_CAPTIONS,
        ),
    ] = False,
    document_frequencies: Annotated[
        Path | None,
        typer.Option(
            "--document-frequencies",
            metavar="FILE",
            help="Document frequencies for CIDEr: read from FILE, or written to it if it does not exist.",
            rich_help_panel=_CAPTIONS,
        ),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            "--boxes",
            metavar="FILE",
            help="True boxes of phrases for alignments: Flickr30k Entities as JSON Lines, plain or gzipped.",
            rich_help_panel=_OTHERS,
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            min=2,
            metavar="K",
            help="Number of folds that the rankings must have; metrics are averaged over the folds.",
            rich_help_panel=_OTHERS,
        ),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            "--compare",
            metavar="OLD NEW",
            help="Instead of FILE: report the changes from OLD to NEW, with paired bootstrap confidence.",
            rich_help_panel=_COMPARISON,
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            metavar="FILE",
            help="Report the changes from the scores in FILE, saved with --json.",
            rich_help_panel=_COMPARISON,
        ),
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-under",
            metavar="METRIC=VALUE",
            help="Exit with code 5 if the metric is lower; may be repeated. VALUE may be relative to --baseline or "
            "OLD, as in CIDEr=baseline-0.01.",
            rich_help_panel=_COMPARISON,
        ),
    ] = None,
    samples: Annotated[
        int,
        typer.Option(
            "--samples",
            min=100,
            max=100_000,
            metavar="N",
            help="Number of bootstrap resamplings for confidence intervals.",
            rich_help_panel=_COMPARISON,
        ),
    ] = 1000,
    seed: Seed = 0,
    per_image: Annotated[
        Path | None,
        typer.Option(
            "--per-image",
            metavar="FILE",
            help="Write the scores of each image (or query, or phrase) to FILE, as JSON Lines.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    json: Json = False,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Score captions, rankings or alignments.

    Captions are scored against --references as in coco-caption: BLEU-1 to BLEU-4, METEOR (if Java is installed),
    ROUGE-L and CIDEr. Rankings give recalls and ranks. Alignments, with --boxes, give phrase grounding accuracy with
    95 % intervals.

    Example: vsa evaluate captions.json --references corpus.json --split val --fail-under CIDEr=0.40
    """
    from vsa_cli.core.errors import ExitCode
    from vsa_cli.core.evaluation import compare as comparison
    from vsa_cli.core.evaluation.evaluate import evaluate as evaluate_file
    from vsa_cli.core.io.files import check_distinct, check_output
    from vsa_cli.core.io.json import dump_json
    from vsa_cli.output.tables import comparison_table, evaluation_table

    if (file is None) == (compare is None):
        raise UsageError("give one FILE to score, or two files with --compare OLD NEW")
    if compare is not None and (per_image or baseline):
        raise UsageError(f"{'--per-image' if per_image else '--baseline'} and --compare exclude each other")
    check_distinct(per_image, document_frequencies)
    if per_image is not None:
        check_output(per_image, force=force)
    console, thresholds = Console(quiet=quiet), comparison.parse_thresholds(fail_under or ())
    before: Mapping[str, float] | None = comparison.read_baseline(baseline) if baseline is not None else None
    score = partial(
        evaluate_file, references=references, split=split, metric=metric or None, boxes=boxes, folds=folds,
        document_frequencies=document_frequencies, samples=samples, seed=seed, strict=strict,
    )  # fmt: skip
    evaluations = [score(path) for path in ([file] if file is not None else compare or ())]
    for evaluation in evaluations:
        _report_notes(console, evaluation)
    new = evaluations[-1]
    changes = comparison.baseline_changes(new.scores, before, str(baseline)) if before is not None else {}
    for mismatch in comparison.baseline_mismatches(before or {}, new.head, str(baseline)):
        console.warn(mismatch)
    if compare is not None:
        before = evaluations[0].scores
        flat: dict[str, Any] = comparison.compare(evaluations[0], new, samples=samples, seed=seed)
        lines: Sequence[str] = comparison_table(flat)
    else:
        flat, lines = new.to_dict(), evaluation_table(new, changes)
    if per_image is not None:
        _write_rows(per_image, new)
    print_data(dump_json({**flat, **changes}) if json else "\n".join(lines))
    failures = comparison.missed_thresholds(thresholds, new.scores, new.absent, before)
    for failure in failures:
        console.warn(f"--fail-under: {failure}")
    if failures:
        raise typer.Exit(ExitCode.BELOW_THRESHOLD)


def _report_notes(console: Console, evaluation: Evaluation) -> None:
    for name, reason in evaluation.absent.items():
        console.note(f"note: {name} was not computed: {reason}")
    for note in evaluation.notes:
        if note.kind == "info":
            console.note(f"note: {note.line}")
        else:
            console.warn(note.line)


def _write_rows(path: Path, evaluation: Evaluation) -> None:
    from vsa_cli.core.io.files import write_text
    from vsa_cli.core.io.json import dump_json

    write_text(path, "".join(dump_json(row) + "\n" for row in evaluation.rows))
