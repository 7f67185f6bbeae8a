"""`vsa evaluate`: evaluate captions, retrieval rankings or word-to-region alignments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vsa_cli.options import OUTPUT, RUNTIME, Force, Json, Quiet, UsageError
from vsa_cli.options import seed as seed_option
from vsa_cli.output.console import Console, print_data

if TYPE_CHECKING:
    from vsa_cli.core.evaluation.results import Evaluation

_CAPTIONS, _OTHERS, _COMPARISON = "Captions", "Rankings and word scores", "Comparison"


def evaluate(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="Captions (from vsa caption in any format except html, or COCO results), rankings (from vsa retrieve "
            "--corpus) or word scores (from vsa align --scores); - for stdin.",
        ),
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(
            "--references",
            metavar="FILE",
            help="Reference sentences, required for captions: corpus.json, COCO captions, Flickr token file, CSV, TSV "
            "or JSON Lines.",
            rich_help_panel=_CAPTIONS,
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="SPLIT",
            help="Split to score: train, tune, val, test or all.",
            show_default="the split that contains all captions, else all",
            rich_help_panel=_CAPTIONS,
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="<BLEU|METEOR|ROUGE-L|CIDEr>",
            help="Metric to compute; BLEU computes BLEU-1 to BLEU-4. Can be given several times.",
            show_default="all that can be computed",
            rich_help_panel=_CAPTIONS,
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Fail if an id has no match, a caption is missing, empty or duplicated, or an entry is damaged.",
        ),
    ] = False,
    document_frequencies: Annotated[
        Path | None,
        typer.Option(
            "--document-frequencies",
            metavar="FILE",
            help="Compute CIDEr with the n-gram document frequencies in FILE, because those of a small reference set "
            "are unreliable; if FILE does not exist, write those of the references.",
            rich_help_panel=_CAPTIONS,
        ),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option(
            "--boxes",
            metavar="FILE",
            help="Ground-truth boxes of phrases, required for word scores: Flickr30k Entities as JSON Lines, plain or "
            "gzipped (format: NOTES in vsa-evaluate(1)).",
            rich_help_panel=_OTHERS,
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            min=2,
            metavar="K",
            help="Check that the rankings have K folds. Metrics are averaged over the folds.",
            rich_help_panel=_OTHERS,
        ),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            "--compare",
            metavar="OLD NEW",
            help="Score the files OLD and NEW instead of FILE, and report the differences with paired-bootstrap "
            "confidence intervals and p-values.",
            rich_help_panel=_COMPARISON,
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            metavar="FILE",
            help="Report the differences from the scores in FILE, the output of an earlier run with --json.",
            rich_help_panel=_COMPARISON,
        ),
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-under",
            metavar="METRIC=VALUE",
            help="Exit with code 5 if METRIC, under its name in the --json output, is below VALUE: a number, or "
            "baseline-NUMBER, relative to the scores of --baseline or OLD. Can be given several times.",
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
            help="Number of bootstrap resamples for confidence intervals.",
            rich_help_panel=RUNTIME,
        ),
    ] = 1000,
    seed: Annotated[int, seed_option("Random seed of the bootstrap.")] = 0,
    per_image: Annotated[
        Path | None,
        typer.Option(
            "--per-image",
            metavar="FILE",
            help="Write the scores of each image, query or phrase to FILE as JSON Lines.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    json: Json = False,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Evaluate captions, retrieval rankings or word-to-region alignments.

    Captions are scored against --references as in coco-caption: BLEU-1 to BLEU-4, METEOR (if Java is installed),
    ROUGE-L and CIDEr. For rankings, R@1, R@5, R@10, median rank and mean rank are computed in both directions. For word
    scores with --boxes, phrase-grounding accuracy with 95 % confidence intervals is computed.

    BLEU, METEOR and ROUGE-L are from 0 to 1, CIDEr from 0 to 10; recalls and accuracies are in percent.

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
