"""`vsa retrieve`: photographs for a sentence, sentences for a photograph, or a whole split both ways."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from vsa_cli import options
from vsa_cli.core.config import RankFormat
from vsa_cli.core.errors import ConfigError
from vsa_cli.core.io.files import check_output


def retrieve(
    query: Annotated[
        str | None, typer.Argument(metavar="[QUERY]", help="A sentence: what the photographs should show.")
    ] = None,
    photos: Annotated[
        list[str] | None, typer.Argument(metavar="[PHOTO|DIR|-]...", help="Where to look: photographs and folders.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", "-m", metavar="DIR", envvar="VSA_EMBED", help="An alignment model; the bundled one by default."
        ),
    ] = None,
    image: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Find sentences for this photograph, in --sentences.")
    ] = None,
    sentences: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --image: a text file, one sentence a line.")
    ] = None,
    corpus: Annotated[Path | None, typer.Option(metavar="FILE", help="Rank a split of this corpus both ways.")] = None,
    regions_file: Annotated[Path | None, typer.Option(metavar="FILE", help="With --corpus: its regions.h5.")] = None,
    split: Annotated[str, typer.Option(metavar="SPLIT", help="With --corpus: train, tune, val, test or all.")] = "val",
    folds: Annotated[
        int, typer.Option(min=1, max=1000, metavar="K", help="With --corpus: divide the split, and search each part.")
    ] = 1,
    top: Annotated[int, typer.Option(min=1, max=100000, metavar="N", help="How many to list.")] = 10,
    explain: Annotated[bool, typer.Option("--explain", help="Tell which box each word found.")] = False,
    format: Annotated[RankFormat | None, typer.Option("--format", help="Of the output; text by default.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE|DIR", help="Write there instead of to stdout; html fills a DIR."),
    ] = None,
    cnn_weights: options.CnnWeights = None,
    cache_dir: options.CacheDir = None,
    no_cache: options.NoCache = False,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Find photographs by a sentence, or sentences by a photograph.

    With --corpus and --regions-file a whole split is ranked both ways, for vsa evaluate. Photographs looked at are
    kept in a cache by their content, so that a second query over a folder needs no CNN. --format html makes a page
    that any browser opens: one file that holds its photographs, or, with -o and a name that does not end in .html,
    a folder.

    Example: vsa retrieve "two dogs run in snow" photos/ --format html --explain -o found.html
    """
    kind = _settle_usage(query, photos, image, sentences, corpus, regions_file, format, json, explain, folds)
    if kind == "html":
        from vsa_cli.output.html.document import check_pages_output

        check_pages_output(output, top if image is None else 1, force=force)
    elif output is not None:
        check_output(output, force=force)
    from vsa_cli.core.device import resolve_device, set_threads
    from vsa_cli.core.embedding.model import read_embedding
    from vsa_cli.core.io.sources import read_list
    from vsa_cli.core.learning.model_dir import bundled_model
    from vsa_cli.core.regions.cache import cache_folder
    from vsa_cli.output.console import Console, report_lines
    from vsa_cli.output.html.document import Pages, is_folder
    from vsa_cli.output.search_results import Looking, images_for, rankings, sentences_for

    set_threads(threads)
    console, workers = Console(quiet=quiet), threads or os.cpu_count() or 1
    trained = read_embedding(model or bundled_model("embed"), resolve_device(device))
    looking = Looking(
        cnn_weights, None if no_cache else cache_dir or cache_folder(), workers, console.warn, console.looking
    )
    if corpus is not None and regions_file is not None:
        report_lines(rankings(trained, corpus, regions_file, split, top, folds), output)
        return
    if image is not None and sentences is not None:
        answer = sentences_for(trained, image, sentences, looking, top=top, explain=explain)
    else:
        listed = read_list(sys.stdin.buffer, b"\n")
        answer = images_for(trained, query or "", photos or [], listed, looking, top=top, explain=explain)
    pages = Pages(lambda: answer.front, answer.cards, console.warn)
    if kind == "html" and output is not None and is_folder(output):
        pages.fill(output, workers)
    else:
        report_lines(pages.lines() if kind == "html" else answer.lines(kind), output)
    if looking.failed or pages.failed:
        raise typer.Exit(3)


def _settle_usage(
    query: str | None,
    photos: list[str] | None,
    image: Path | None,
    sentences: Path | None,
    corpus: Path | None,
    regions_file: Path | None,
    kind: RankFormat | None,
    json: bool,
    explain: bool,
    folds: int,
) -> RankFormat:
    """The output's format, once the options agree with one another.

    Raises:
        UsageError: they do not.
    """
    if (corpus is None) != (regions_file is None):
        raise ConfigError("--corpus and --regions-file go together")
    if (image is None) != (sentences is None):
        raise ConfigError("--image and --sentences go together")
    asked = sum((query is not None, image is not None, corpus is not None))
    if asked != 1 or (query is not None and not photos):
        raise ConfigError("name a QUERY and photographs, or --image and --sentences, or --corpus and --regions-file")
    if photos and "-" in photos and sys.stdin.isatty():
        raise ConfigError("- reads file names from a pipe, and stdin is a terminal")
    if corpus is not None and (json or explain or kind not in (None, "jsonl")):
        misplaced = "--json" if json else "--explain" if explain else f"--format {kind}"
        raise ConfigError(f"{misplaced} goes with photographs; a split's ranks are JSON Lines, for vsa evaluate")
    if corpus is None and folds != 1:
        raise ConfigError("--folds goes with --corpus and --regions-file")
    if json and kind not in (None, "json"):
        raise ConfigError(f"--json and --format {kind} contradict each other")
    return "json" if json else kind or "text"
