"""`vsa evaluate`: scores of captions, rankings and alignments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vsa_cli.options import Force, Json, Quiet, Seed
from vsa_cli.output.console import Console, print_data

if TYPE_CHECKING:
    from vsa_cli.core.evaluation.results import Evaluation

MISSED = 5
"""The exit code of a missed threshold."""


def evaluate(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]", help="Captions, rankings or alignments (- for standard input); it tells which."
        ),
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(
            "--references",
            metavar="FILE",
            help="For captions: corpus.json, COCO captions JSON, a Flickr token file, CSV, TSV or JSON Lines.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split", metavar="SPLIT", help="Of the references; by default the one that the captions are of."
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="BLEU|METEOR|ROUGE-L|CIDEr",
            help="Score captions by this; may be repeated. By default by all that can be had.",
        ),
    ] = None,
    boxes: Annotated[
        Path | None,
        typer.Option("--boxes", metavar="FILE", help="For alignments: the phrases' true boxes, JSON Lines or gzipped."),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option("--folds", min=2, metavar="K", help="Rankings must be of K folds; their measures are averaged."),
    ] = None,
    per_image: Annotated[
        Path | None,
        typer.Option("--per-image", metavar="FILE", help="Write each image's scores there, one JSON a line."),
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-under",
            metavar="METRIC=VALUE",
            help="Exit with 5 if it is lower; may be repeated. VALUE may be baseline-0.01: that of --baseline or OLD.",
        ),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            "--compare",
            metavar="OLD NEW",
            help="Instead of FILE: what changed from OLD to NEW, with paired bootstrap confidence.",
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option("--baseline", metavar="FILE", help="Tell changes since these scores, saved by --json."),
    ] = None,
    document_frequencies: Annotated[
        Path | None,
        typer.Option(
            "--document-frequencies",
            metavar="FILE",
            help="Weigh CIDEr's words by these, or where FILE is not there yet, save them.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail where ids do not match or captions are missing, empty or double.")
    ] = False,
    samples: Annotated[
        int, typer.Option("--samples", min=100, max=100_000, metavar="N", help="Resamplings for intervals.")
    ] = 1000,
    seed: Seed = 0,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Score captions, rankings or alignments.

    Captions are scored as coco-caption scores them: BLEU-1 to BLEU-4, METEOR (where there is Java), ROUGE-L and
    CIDEr, against --references. Rankings give recalls and ranks; alignments, with --boxes, how many phrases were
    put on their true box, with 95 % intervals.

    Example: vsa evaluate captions.json --references corpus.json --split val --fail-under CIDEr=0.40
    """
    from vsa_cli.core.errors import ConfigError
    from vsa_cli.core.evaluation.compare import against_baseline, doubts_about, missed, read_baseline, read_thresholds
    from vsa_cli.core.evaluation.compare import compare as compare_both
    from vsa_cli.core.evaluation.evaluate import Wanted
    from vsa_cli.core.evaluation.evaluate import evaluate as evaluate_file
    from vsa_cli.core.io.files import check_distinct, check_output
    from vsa_cli.core.io.json import dump_json
    from vsa_cli.output.tables import comparison_table, evaluation_table

    if (file is None) == (compare is None):
        raise ConfigError("name one FILE to score, or two with --compare OLD NEW")
    if compare is not None and (per_image or baseline):
        raise ConfigError(f"{'--per-image' if per_image else '--baseline'} and --compare contradict each other")
    check_distinct(per_image, document_frequencies)
    if per_image is not None:
        check_output(per_image, force=force)
    console, thresholds = Console(quiet=quiet), read_thresholds(fail_under or ())
    before: Mapping[str, float] | None = read_baseline(baseline) if baseline is not None else None
    families = tuple(metric) if metric else None
    wanted = Wanted(references, split, families, document_frequencies, boxes, folds, samples, seed, strict)
    evaluations = [evaluate_file(path, wanted) for path in ([file] if file is not None else compare or ())]
    for evaluation in evaluations:
        _tell(console, evaluation)
    new = evaluations[-1]
    changes = against_baseline(new.scores, before, str(baseline)) if before is not None else {}
    for doubt in doubts_about(before or {}, new.head, str(baseline)):
        console.warn(doubt)
    if compare is not None:
        before = evaluations[0].scores
        flat: dict[str, Any] = compare_both(evaluations[0], new, samples=samples, seed=seed)
        lines: Sequence[str] = comparison_table(flat)
    else:
        flat, lines = new.flat(), evaluation_table(new, changes)
    if per_image is not None:
        _write_rows(per_image, new)
    print_data(dump_json({**flat, **changes}) if json else "\n".join(lines))
    failures = missed(thresholds, new.scores, new.absent, before)
    for failure in failures:
        console.warn(f"--fail-under: {failure}")
    if failures:
        raise typer.Exit(MISSED)


def _tell(console: Console, evaluation: Evaluation) -> None:
    for name, why in evaluation.absent.items():
        console.say(f"note: {name} is absent: {why}")
    for note in evaluation.notes:
        (console.warn if note.warns else console.say)(f"{'' if note.warns else 'note: '}{note.line}")


def _write_rows(path: Path, evaluation: Evaluation) -> None:
    from vsa_cli.core.io.files import write_text
    from vsa_cli.core.io.json import dump_json

    write_text(path, "".join(dump_json(row) + "\n" for row in evaluation.rows))
