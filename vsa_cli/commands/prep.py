"""`vsa prep`: make `corpus.json` from caption files and photographs, or from caption files alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from vsa_cli.core.config import CaptionFileFormat, PrepConfig, Restval, Unknown
from vsa_cli.options import DryRun, Force, Json, Quiet, Threads
from vsa_cli.options import seed as seed_option
from vsa_cli.output.console import Console, name_some, print_data

if TYPE_CHECKING:
    from vsa_cli.core.corpus.prepare import Prepared

Result = TypeVar("Result")

_SHOWN = 20
"""Failures printed on stderr; the report file lists all of them."""


def prep(
    captions: Annotated[
        list[Path],
        typer.Argument(metavar="CAPTIONS...", help="Caption files, folders of text files, or webdataset tars."),
    ],
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            metavar="DIR",
            help="Folder of the photographs; webdataset tars are unpacked into it. Without it, the corpus has "
            "sentences alone.",
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Corpus file to write.")] = Path(
        "corpus.json"
    ),
    captions_format: Annotated[
        CaptionFileFormat, typer.Option("--captions-format", help="Format of the caption files; auto detects it.")
    ] = "auto",
    splits: Annotated[
        list[str] | None,
        typer.Option(
            "--splits",
            metavar="[SPLIT=]FILE",
            help="File that lists the images of one split, one per line. Without SPLIT=, the file name must contain "
            "the split, as in Flickr_8k.trainImages.txt. Can be given several times.",
            show_default="the lists beside a Flickr token file",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="SPLIT",
            help="Split of images for which the caption files give none. With --splits, images in no list are "
            "left out.",
            show_default="train",
        ),
    ] = None,
    tune: Annotated[
        int,
        typer.Option(
            "--tune",
            min=0,
            metavar="N",
            help="Move the last N train images to the split tune, on which epochs and hyperparameters are selected.",
        ),
    ] = PrepConfig.tune,
    val: Annotated[
        int, typer.Option("--val", min=0, metavar="N", help="Move N randomly chosen train images to val.")
    ] = PrepConfig.val,
    test: Annotated[
        int, typer.Option("--test", min=0, metavar="N", help="Move N randomly chosen train images to test.")
    ] = PrepConfig.test,
    style: Annotated[
        str,
        typer.Option(
            "--style",
            metavar="NAME",
            help="Name of the sentences' style, such as flickr: one word of letters, digits, - and _.",
        ),
    ] = PrepConfig.style,
    min_count: Annotated[
        int,
        typer.Option(
            "--min-count",
            min=1,
            metavar="N",
            help="The vocabulary has the words that occur at least N times in the train split.",
        ),
    ] = PrepConfig.min_count,
    unknown: Annotated[
        Unknown,
        typer.Option(
            "--unknown",
            help="What to do with words rarer than --min-count: drop them (as in Karpathy & Fei-Fei 2015), or "
            "replace each with UNK.",
        ),
    ] = PrepConfig.unknown,
    characters: Annotated[
        bool,
        typer.Option(
            "--characters",
            help="Treat each character as a word in languages written without spaces (Chinese, Japanese, Thai).",
        ),
    ] = False,
    restval: Annotated[
        Restval,
        typer.Option(
            "--restval",
            help="What to do with the restval images of Karpathy's COCO split: add them to train, or drop them.",
        ),
    ] = PrepConfig.restval,
    strict: Annotated[bool, typer.Option("--strict", help="Write nothing if any input fails.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="FILE", help="Write all problems to FILE as JSON Lines; stderr shows the first 20."
        ),
    ] = None,
    seed: Annotated[int, seed_option("Random seed of --val and --test.")] = 0,
    threads: Threads = 0,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """Prepare a corpus: read captions, check photographs, assign splits, build the vocabulary.

    CAPTIONS must be in one of these formats, gzipped or not; the photographs must be in --images. Without --images,
    the corpus has sentences without photographs, on which vsa train-gen --text trains. The formats include all that
    vsa caption writes, except html; captions of regions are ignored.

      karpathy     Karpathy's JSON
      coco         COCO captions JSON
      flickr       token files of Flickr8k and Flickr30k
      imagefolder  JSON Lines, such as Hugging Face's metadata.jsonl
      list         JSON list of objects, each with a photograph and its sentences, or JSON object that maps file
                   names to sentences
      csv          CSV or TSV with a header, such as Kaggle's copies of Flickr8k and Flickr30k
      text         lines of PATH<TAB>sentence
      sidecar      folders in which each photo.jpg has a text file photo.txt or photo.caption, one sentence per line; a
                   text file that belongs to two photographs, such as a.jpg and a.png, is an error
      webdataset   tars, each unpacked into its own subfolder of --images; existing files are not overwritten
      plain        text file with one sentence per line; only without --images

    Missing or damaged photographs and invalid lines are left out and reported on stderr (exit code 3); with --strict,
    nothing is written if there are any.

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
    config = PrepConfig(min_count, unknown, characters, restval, tune, val, test, style)
    if (tars := sum(map(looks_like_tar, captions))) and images is not None and not dry_run:
        console.note(f"unpacking the photographs of {tars} tars into {images}")

    def watch(results: Iterable[Result], total: int) -> Iterator[Result]:
        with console.progress("photographs", total, "images") as bar:
            for result in results:
                yield result
                bar.advance()

    prepared = prepare(
        captions, images, config, captions_format=captions_format, splits=splits or (), split=split, seed=seed,
        threads=threads, watch=watch, dry_run=dry_run,
    )  # fmt: skip
    _report_problems(console, prepared)
    if report is not None and not dry_run:
        write_report(report, prepared.problems)
    prepared.check(strict=strict)
    if not dry_run:
        write_corpus(output, prepared.corpus)
    if json:
        print_data(dump_json(prepared.summary()))
    console.note(f"{'would write' if dry_run else 'wrote'} {output}: {_summary(prepared)}")
    if not dry_run:
        _suggest(console, output, prepared)
    if prepared.failures:
        raise typer.Exit(3)


def _report_problems(console: Console, prepared: Prepared) -> None:
    failures, notes = prepared.failures, prepared.notes
    for failure in failures[:_SHOWN]:
        console.warn(f"{failure.name}: {failure.message}")
    if len(failures) > _SHOWN:
        console.warn(f"and {len(failures) - _SHOWN} more; use --report FILE to list them all")
    for kind in dict.fromkeys(note.kind for note in notes):
        same = [note for note in notes if note.kind == kind]
        console.note(f"note: {len(same)} {kind}: {name_some(note.name for note in same)} ({same[0].message})")


def _suggest(console: Console, output: Path, prepared: Prepared) -> None:
    if prepared.corpus.has_photographs:
        console.suggest("extract-regions", output)
    else:
        console.suggest("train-gen", "corpus.json", "regions.h5", "--text", output)


def _summary(prepared: Prepared) -> str:
    numbers = prepared.summary()
    splits = ", ".join(f"{name} {count}" for name, count in numbers["splits"].items())
    vocabulary = f"vocabulary size {numbers['vocabulary_size']}" if numbers["vocabulary_size"] else "no vocabulary"
    photographs = "" if prepared.corpus.has_photographs else " without photographs"
    return f"{numbers['images']} images ({splits}), {numbers['sentences']} sentences{photographs}, {vocabulary}"
