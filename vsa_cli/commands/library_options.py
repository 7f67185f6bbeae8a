"""Options of `vsa retrieve` for an index of photographs, and the search in one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsa_cli.commands import embedder_options
from vsa_cli.core.config import LibrarySearch, RankFormat
from vsa_cli.options import UsageError

if TYPE_CHECKING:
    from vsa_cli.core.alignment.embedder import Embedder
    from vsa_cli.core.library.library import Library
    from vsa_cli.output.console import Console

PANEL = "Index instead of photographs"

Index = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Search the photographs of this index, made by vsa index; the QUERY - reads queries from stdin, one per "
        "line, and answers each with a line of JSON.",
        rich_help_panel=PANEL,
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder of the photographs, if it is no longer the one that was indexed.",
        rich_help_panel=PANEL,
    ),
]
Candidates = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Photographs that are scored exactly: those whose whole image fits the whole sentence best.",
        show_default=str(LibrarySearch.candidates),
        rich_help_panel=PANEL,
    ),
]
Exact = Annotated[bool, typer.Option("--exact", help="Score every photograph, which is slower.", rich_help_panel=PANEL)]


def check_library(
    index: Path | None, images: Path | None, candidates: int | None, query: str | None, *, exact: bool
) -> LibrarySearch:
    """Check the options of an index; return how to search it.

    Raises:
        UsageError: they contradict each other, or there is no index.
    """
    if index is None and (exact or candidates is not None or images is not None):
        misplaced = "--exact" if exact else "--candidates" if candidates is not None else "--images"
        raise UsageError(f"{misplaced} goes with --index")
    if exact and candidates is not None:
        raise UsageError("--exact and --candidates contradict each other")
    if index is not None and query == "-" and sys.stdin.isatty():
        raise UsageError("- reads queries from a pipe, but stdin is a terminal")
    return LibrarySearch(LibrarySearch.candidates if candidates is None else candidates, exact)


def find_in_library(
    embedder: Embedder,
    console: Console,
    library: Library,
    text: str,
    search: LibrarySearch,
    top: int,
    explain: bool,
    strict: bool,
    kind: RankFormat,
    output: Path | None,
    threads: int,
) -> int:
    """Photographs of an index for a sentence; return how many could not be read for a page."""
    from vsa_cli.core.library.search import search_library
    from vsa_cli.output.unknown_words import query_note

    query = embedder.read_query(text)
    embedder_options.report_unknown(console, [query], embedder.trained.vocabulary, query_note, strict=strict)
    found = search_library(embedder.trained, library, query, top, search, explain=explain)
    return embedder_options.show_found(console, query, found, len(library), kind, output, threads, explain=explain)


def answer_queries(
    embedder: Embedder,
    console: Console,
    library: Library,
    search: LibrarySearch,
    top: int,
    explain: bool,
    strict: bool,
    output: Path | None,
) -> int:
    """Answer the queries on stdin, each as soon as it is read; return how many were not answered."""
    from vsa_cli.core.errors import DataError
    from vsa_cli.core.library.queries import answer, read_queries
    from vsa_cli.output.console import print_lines
    from vsa_cli.output.search_results import format_answer

    counts = {"answered": 0, "failed": 0}

    def lines() -> Iterator[str]:
        for query in read_queries(sys.stdin.buffer):
            answered = answer(embedder.trained, library, query, top, search, explain=explain, strict=strict)
            counts["answered" if answered.error is None else "failed"] += 1
            if answered.error is not None:
                console.warn(f"{query.place}: {answered.error}")
            yield format_answer(answered)

    print_lines(lines(), output)
    if not any(counts.values()):
        raise DataError("stdin: has no query")
    if not counts["answered"]:
        raise DataError("no query could be answered")
    return counts["failed"]
