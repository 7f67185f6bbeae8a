"""`vsa retrieve`: photographs for a sentence, sentences for a photograph, or both for the split of a corpus."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsa_cli import options
from vsa_cli.commands import embedder_options, library_options, photo_queries
from vsa_cli.core.config import RankFormat
from vsa_cli.core.corpus.split_names import resolve_split
from vsa_cli.core.io.files import check_output
from vsa_cli.options import OUTPUT, STORED_SPLIT, UsageError

if TYPE_CHECKING:
    from vsa_cli.core.alignment.embedder import Embedder
    from vsa_cli.core.io.sources import FailedPhoto, Photo
    from vsa_cli.output.console import Console

_SENTENCES = "Photograph instead of a query"
_LIMIT = 10


def retrieve(
    query: Annotated[
        str | None, typer.Argument(metavar="[QUERY]", help="Sentence that describes the photographs to find.")
    ] = None,
    photos: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PHOTO|DIR|-]...", help="Photographs, folders of photographs, or - for file names on stdin."
        ),
    ] = None,
    model: embedder_options.Model = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100000,
            metavar="N",
            help="Maximum number of results per query.",
            show_default="10; with --serve 200",
        ),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show, for each word, the box that matches it best; not with --corpus.")
    ] = False,
    index: library_options.Index = None,
    images: library_options.Images = None,
    candidates: library_options.Candidates = None,
    exact: library_options.Exact = False,
    serve: library_options.Serve = False,
    port: library_options.Port = None,
    host: library_options.Host = None,
    image: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Rank the sentences of --sentences, or those or the photographs of --index, for this photograph.",
            rich_help_panel=_SENTENCES,
        ),
    ] = None,
    sentences: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Text file, one sentence per line.", rich_help_panel=_SENTENCES),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Rank all images and sentences of a split of this corpus.json against each other.",
            rich_help_panel=STORED_SPLIT,
        ),
    ] = None,
    regions_file: embedder_options.RegionsFile = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="SPLIT",
            help="Split to rank: train, tune, val, test or all.",
            show_default="val",
            rich_help_panel=STORED_SPLIT,
        ),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(
            min=1,
            max=1000,
            metavar="K",
            help="Divide the split into K parts, and rank within each (COCO's 1K protocol: 5 parts of 1,000 images).",
            rich_help_panel=STORED_SPLIT,
        ),
    ] = 1,
    format: Annotated[
        RankFormat | None,
        typer.Option(
            "--format",
            help="json: one array; jsonl: one object per line.",
            show_default="text; always jsonl with --corpus",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Short for --format json.", rich_help_panel=OUTPUT)] = False,
    strict: embedder_options.Strict = False,
    null: options.Null = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|DIR",
            help="Output file; for html, a folder unless named *.html.",
            show_default="stdout",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    cnn_weights: options.CnnWeights = None,
    cache_dir: options.CacheDir = None,
    no_cache: options.NoCache = False,
    device: options.Device = "auto",
    runtime: options.RuntimeName = "torch",
    threads: options.Threads = 0,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Find photographs that match a sentence, or sentences or photographs that match a photograph.

    With --corpus and --regions-file, every sentence of a split is ranked for every image and vice versa; the result is
    input for vsa evaluate. The regions of each photograph are cached, so further queries on the same photographs are
    fast. --format html writes one self-contained HTML file, or a folder of pages if the name given with -o does not end
    in .html.

    Words that the model does not know are ignored; they are listed on stderr, in the JSON output and on the HTML page.
    A sentence without any known word is ranked last and has no score. With --index, thousands of photographs are
    searched in a fraction of a second; --serve does so on a page in a browser, which needs no network.

    Example: vsa retrieve "two dogs run in snow" photos/ --format html --explain -o found.html
    """
    embedder_options.check_model_variable(model)
    _check_form(query, photos, index, image, sentences, corpus, regions_file, serve=serve)
    asked = query if image is None else str(image)
    search = library_options.check_library(index, images, candidates, asked, exact=exact)
    if corpus is None:
        _check_no_split_options(split, folds)
    else:
        _check_split_format(format, json=json, explain=explain, strict=strict)
    kind = _resolve_format(format, json=json)
    library_options.check_page(host, port, top, kind, output, serve=serve)
    limit = top or _LIMIT
    if index is not None and asked == "-" and (json or format not in (None, "jsonl")):
        raise UsageError("the answers to queries on stdin are JSON Lines: use --format jsonl")
    if index is not None and image is not None and strict:
        raise UsageError("--strict goes with a QUERY or --sentences")
    if kind == "html":
        from vsa_cli.output.html.document import check_pages_output

        check_pages_output(output, limit if sentences is None else 1, force=force)
    elif output is not None:
        check_output(output, force=force)
    from vsa_cli.output.console import Console

    console = Console(quiet=quiet)
    library_options.check_not_indices(console, photos or [])
    embedder = embedder_options.open_embedder(
        model, device=device, runtime=runtime, cache_dir=cache_dir, no_cache=no_cache, threads=threads,
        cnn_weights=cnn_weights,
    )  # fmt: skip
    failed = 0
    if index is not None and image is not None:
        opened = photo_queries.open_by_kind(index, images, explain=explain)
        if image == photo_queries.STDIN:
            failed = photo_queries.answer_photos(embedder, console, opened, search, limit, explain, null, output)
        else:
            failed = photo_queries.find_by_photo(
                embedder, console, opened, image, search, limit, explain, kind, output, threads
            )
    elif index is not None:
        from vsa_cli.core.library.library import empty_manifest, open_library

        library = open_library(index, images)
        library.require_model(empty_manifest(embedder.trained))
        shown = (limit, explain, strict)
        if serve:
            library_options.serve_library(embedder, console, library, search, top, strict, host, port, kind, threads)
        elif query == "-":
            failed = library_options.answer_queries(embedder, console, library, search, *shown, output)
        else:
            failed = library_options.find_in_library(
                embedder, console, library, query or "", search, *shown, kind, output, threads
            )
    elif corpus is not None and regions_file is not None:
        _rank_split(embedder, corpus, regions_file, resolve_split(split or "val"), limit, folds, output)
    elif image is not None and sentences is not None:
        failed = _find_sentences(embedder, console, image, sentences, limit, explain, strict, kind, output, threads)
    else:
        from vsa_cli.core.io.sources import expand, read_list

        named = expand(photos or [], read_list(sys.stdin.buffer, b"\0" if null else b"\n"))
        failed = _find_photos(embedder, console, query or "", named, limit, explain, strict, kind, output, threads)
    if failed:
        raise typer.Exit(3)


def _find_photos(
    embedder: Embedder,
    console: Console,
    text: str,
    named: Iterable[Photo | FailedPhoto],
    top: int,
    explain: bool,
    strict: bool,
    kind: RankFormat,
    output: Path | None,
    threads: int,
) -> int:
    """Photographs for a sentence; return how many could not be read."""
    from vsa_cli.core.errors import DataError
    from vsa_cli.core.io.sources import FailedPhoto
    from vsa_cli.output.unknown_words import query_note

    query = embedder.read_query(text)  # a query of unknown words is refused before photographs are encoded
    embedder_options.report_unknown(console, [query], embedder.trained.vocabulary, query_note, strict=strict)
    photos = list(named)
    if not photos:
        raise DataError("the list of photographs is empty")
    encoded, failed = [], 0
    with console.progress("encode", len(photos), "photographs") as bar:
        for photo, regions in embedder.encode_all(photos):
            bar.advance()
            if isinstance(regions, FailedPhoto):
                console.warn(regions.reason)
                failed += 1
            else:
                encoded.append((photo, regions))
    found = embedder.search_encoded(query, encoded, top, explain=explain)
    return failed + embedder_options.show_found(
        console, query, found, len(encoded), kind, output, threads, explain=explain
    )


def _find_sentences(
    embedder: Embedder,
    console: Console,
    image: Path,
    file: Path,
    top: int,
    explain: bool,
    strict: bool,
    kind: RankFormat,
    output: Path | None,
    threads: int,
) -> int:
    """Sentences for a photograph; return 1 if the photograph could not be read again for a page, else 0."""
    from vsa_cli.core.embedding.search import read_sentence_list
    from vsa_cli.core.errors import DataError
    from vsa_cli.output.html.from_search import sentences_header
    from vsa_cli.output.unknown_words import ranking_note

    sentences = read_sentence_list(file)
    queries = [embedder.look_up(sentence) for sentence in sentences]
    if not any(query.words for query in queries):
        raise DataError(f"{file}: no sentence has a word that the model knows")
    embedder_options.report_unknown(console, queries, embedder.trained.vocabulary, ranking_note, strict=strict)
    encoded = embedder.encode(image)
    ranked = embedder.rank_encoded(encoded[1], sentences, top, explain=explain)
    header = sentences_header(queries, len(ranked), explain=explain)
    return photo_queries.show_sentences(console, header, encoded, ranked, kind, output, threads)


def _rank_split(
    embedder: Embedder, corpus: Path, regions: Path, split: str, top: int, folds: int, output: Path | None
) -> None:
    from vsa_cli.core.corpus.corpus import read_corpus
    from vsa_cli.core.embedding.rankings import rank_split
    from vsa_cli.core.io.json import dump_json
    from vsa_cli.core.regions.store import RegionStore
    from vsa_cli.output.console import print_lines

    records = rank_split(embedder.trained, read_corpus(corpus), RegionStore(regions), split, top, folds)
    print_lines(map(dump_json, records), output)


def _check_form(
    query: str | None,
    photos: list[str] | None,
    index: Path | None,
    image: Path | None,
    sentences: Path | None,
    corpus: Path | None,
    regions_file: Path | None,
    *,
    serve: bool,
) -> None:
    """Check that exactly one form of the command is used, and used in full.

    Raises:
        UsageError: none or several are used, or a part of one is missing.
    """
    if (corpus is None) != (regions_file is None):
        raise UsageError("--corpus and --regions-file go together")
    if sentences is not None and image is None:
        raise UsageError("--image and --sentences go together")
    if image is not None and (sentences is None) == (index is None):
        raise UsageError("--image goes with either --sentences or --index")
    forms = sum((query is not None, image is not None, corpus is not None))
    if serve:
        if index is None or forms or photos:
            raise UsageError("--serve goes with --index, and with no query and no photographs")
        return
    if forms != 1 or (query is not None and bool(photos) == (index is not None)) or (index and corpus is not None):
        raise UsageError(
            "name a QUERY and photographs, or --index and a QUERY, --image or --serve, or --image and --sentences, or "
            "--corpus and --regions-file"
        )
    if photos and "-" in photos and sys.stdin.isatty():
        raise UsageError("- reads file names from a pipe, but stdin is a terminal")


def _check_no_split_options(split: str | None, folds: int) -> None:
    if folds != 1:
        raise UsageError("--folds goes with --corpus and --regions-file")
    if split is not None:
        raise UsageError("--split goes with --corpus and --regions-file")


def _check_split_format(kind: RankFormat | None, *, json: bool, explain: bool, strict: bool) -> None:
    if strict:
        raise UsageError("--strict goes with photographs; a split always has words that a model does not know")
    if json or explain or kind not in (None, "jsonl"):
        misplaced = "--json" if json else "--explain" if explain else f"--format {kind}"
        raise UsageError(f"{misplaced} goes with photographs; the ranks of a split are JSON Lines")


def _resolve_format(kind: RankFormat | None, *, json: bool) -> RankFormat:
    if json and kind not in (None, "json"):
        raise UsageError(f"--json and --format {kind} contradict each other")
    return "json" if json else kind or "text"
