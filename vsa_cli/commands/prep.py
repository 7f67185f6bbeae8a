"""`vsa prep`: caption files and photographs become `corpus.json`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from vsa_cli.core.config import CaptionFileFormat, PrepConfig, Restval, Unknown
from vsa_cli.options import DryRun, Force, Json, Quiet, Seed, Threads
from vsa_cli.output.console import Console, name_some, print_data

if TYPE_CHECKING:
    from vsa_cli.core.corpus.prepare import Prepared

Result = TypeVar("Result")

_NAMED = 20
"""Problems that are named on stderr; `--report` takes all of them."""


def prep(
    captions: Annotated[list[Path], typer.Argument(metavar="CAPTIONS...", help="Caption files, folders or tars.")],
    images: Annotated[
        Path,
        typer.Option("--images", metavar="DIR", help="Folder of the photographs; those in tars are unpacked into it."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The corpus to write.")] = Path(
        "corpus.json"
    ),
    captions_format: Annotated[
        CaptionFileFormat, typer.Option("--captions-format", help="What the caption files are.")
    ] = "auto",
    splits: Annotated[
        list[str] | None,
        typer.Option(
            "--splits",
            metavar="[SPLIT=]FILE",
            help="List of a split's images, one a line; may be repeated. Without it, lists beside a Flickr token file.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option("--split", metavar="SPLIT", help="Split of images whose file does not tell it."),
    ] = None,
    tune: Annotated[
        int, typer.Option("--tune", min=0, metavar="N", help="Set the last N train images aside as tune.")
    ] = PrepConfig.tune,
    val: Annotated[
        int, typer.Option("--val", min=0, metavar="N", help="Draw N train images at random as val.")
    ] = PrepConfig.val,
    test: Annotated[
        int, typer.Option("--test", min=0, metavar="N", help="Draw N train images at random as test.")
    ] = PrepConfig.test,
    min_count: Annotated[
        int,
        typer.Option("--min-count", min=1, metavar="N", help="Keep words that train has at least N times."),
    ] = PrepConfig.min_count,
    unknown: Annotated[
        Unknown, typer.Option("--unknown", help="Other words vanish (the paper) or become UNK.")
    ] = PrepConfig.unknown,
    restval: Annotated[
        Restval, typer.Option("--restval", help="COCO's restval images join train or are dropped.")
    ] = PrepConfig.restval,
    strict: Annotated[bool, typer.Option("--strict", help="Write nothing if any input failed.")] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Write every problem to FILE, one JSON a line."),
    ] = None,
    seed: Seed = 0,
    threads: Threads = 0,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Prepare a corpus: read sentences, check photographs, divide into splits, count words.

    Reads Karpathy's JSON, COCO captions JSON, Flickr token files (Kaggle's CSV copies too), imagefolder metadata.jsonl,
    CSV and TSV; a folder of sidecars, in which photo.jpg has photo.txt beside it, a sentence a line; and webdataset
    tars, whose photographs are unpacked into --images, each tar's into a folder of its name; what lies there stays.
    Photographs that are missing or broken and lines that make no sense are left out, named on stderr, and end
    in exit code 3.

    Example: vsa prep Flickr8k.token.txt --images Flicker8k_Dataset -o corpus.json
    """
    from vsa_cli.core.corpus.corpus import write_corpus
    from vsa_cli.core.corpus.prepare import prepare, write_report
    from vsa_cli.core.corpus.tars import looks_like_tar
    from vsa_cli.core.io.files import check_distinct, check_output
    from vsa_cli.core.io.json import dump_json

    check_distinct(output, report)
    for path in (output, report):
        if path is not None:
            check_output(path, force=force or dry_run)
    console = Console(quiet=quiet)
    config = PrepConfig(min_count, unknown, restval, tune, val, test)
    if (tars := sum(map(looks_like_tar, captions))) and not dry_run:
        console.say(f"unpacking the photographs of {tars} tars into {images}")

    def watch(results: Iterable[Result], total: int) -> Iterator[Result]:
        with console.progress("photographs", total, "images") as bar:
            for result in results:
                yield result
                bar.advance()

    prepared = prepare(
        captions, images, config, captions_format=captions_format, splits=splits or (), split=split, seed=seed,
        threads=threads, watch=watch, dry_run=dry_run,
    )  # fmt: skip
    _tell_problems(console, prepared)
    if report is not None and not dry_run:
        write_report(report, prepared.problems)
    prepared.refuse(strict=strict)
    if not dry_run:
        write_corpus(output, prepared.corpus)
    if json:
        print_data(dump_json(prepared.summary()))
    console.say(f"{'would write' if dry_run else 'wrote'} {output}: {_describe(prepared)}")
    if not dry_run:
        console.suggest("extract-regions", output)
    if prepared.failures:
        raise typer.Exit(3)


def _tell_problems(console: Console, prepared: Prepared) -> None:
    failures, notes = prepared.failures, prepared.notes
    for failure in failures[:_NAMED]:
        console.warn(f"{failure.name}: {failure.message}")
    if len(failures) > _NAMED:
        console.warn(f"and {len(failures) - _NAMED} more; --report FILE lists them all")
    for kind in dict.fromkeys(note.kind for note in notes):
        alike = [note for note in notes if note.kind == kind]
        console.say(f"note: {len(alike)} {kind}: {name_some(note.name for note in alike)} ({alike[0].message})")


def _describe(prepared: Prepared) -> str:
    numbers = prepared.summary()
    splits = ", ".join(f"{name} {count}" for name, count in numbers["splits"].items())
    words = f"{numbers['vocabulary_size']} words with END" if numbers["vocabulary_size"] else "no vocabulary"
    return f"{numbers['images']} images ({splits}), {numbers['sentences']} sentences, {words}"
