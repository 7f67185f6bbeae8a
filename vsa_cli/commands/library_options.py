"""Options of `vsa retrieve` for an index, and the search by a sentence in one of photographs."""

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
        help="Search this index, made by vsa index, by a QUERY or --image; - reads queries or names of photographs "
        "from stdin, one per line, and answers each with a line of JSON.",
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
        help="Photographs or sentences that are scored exactly: the best by an approximate score.",
        show_default=str(LibrarySearch.candidates),
        rich_help_panel=PANEL,
    ),
]
Exact = Annotated[bool, typer.Option("--exact", help="Score all of them, which is slower.", rich_help_panel=PANEL)]

Serve = Annotated[
    bool,
    typer.Option("--serve", help="Serve a page to search the index in a browser, until Ctrl-C.", rich_help_panel=PANEL),
]
Port = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        metavar="N",
        help="Port of the page; 0 is a free one.",
        show_default="8000",
        rich_help_panel=PANEL,
    ),
]
Host = Annotated[
    str | None,
    typer.Option(
        metavar="IP",
        help="Address of the page, which has no password.",
        show_default="this machine only",
        rich_help_panel=PANEL,
    ),
]

_HOST, _PORT, _SHOWN, _MOST_SHOWN = "127.0.0.1", 8000, 200, 1000
_WAITING = 4  # threads that may wait for the disk, or for a search, beside those that decode photographs


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


def check_not_indices(console: Console, names: list[str]) -> None:
    """Check that no folder of photographs is an index; note an index in one.

    Raises:
        UsageError: one is.
    """
    from vsa_cli.core.library.manifest import indices_in, is_library

    for folder in map(Path, names):
        if is_library(folder):
            raise UsageError(f"{folder}: is an index, not a folder of photographs; search it with --index {folder}")
        for index in indices_in(folder):
            console.note(f"note: {index} is an index; --index {index} searches it without describing photographs again")


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


def check_page(
    host: str | None, port: int | None, top: int | None, kind: RankFormat, output: Path | None, *, serve: bool
) -> None:
    """Check the options of the search page.

    Raises:
        UsageError: they contradict each other, or there is no page.
        ConfigError: the host is not an IP address.
        MissingError: the web server is not installed.
    """
    if not serve:
        if host is not None or port is not None:
            raise UsageError(f"{'--host' if host is not None else '--port'} goes with --serve")
        return
    if kind == "html" or output is not None:
        raise UsageError(f"{'-o' if output is not None else '--format html'} and --serve contradict each other")
    if top is not None and top > _MOST_SHOWN:
        raise UsageError(f"--top {top}: with --serve, at most {_MOST_SHOWN}")
    from vsa_cli.core.io.web_server import is_loopback, require_server

    is_loopback(host or _HOST)
    require_server()


def serve_library(
    embedder: Embedder,
    console: Console,
    library: Library,
    search: LibrarySearch,
    top: int | None,
    strict: bool,
    host: str | None,
    port: int | None,
    kind: RankFormat,
    threads: int,
) -> None:
    """Serve a search page until Ctrl-C.

    Raises:
        DataError: the index is empty, or the address cannot be used.
        KeyboardInterrupt: Ctrl-C.
    """
    from vsa_cli.core.device import available_cores
    from vsa_cli.core.errors import DataError
    from vsa_cli.core.io.json import dump_json
    from vsa_cli.core.io.web_server import WebServer, is_loopback
    from vsa_cli.output.console import print_data
    from vsa_cli.output.search_site import SearchSite

    if not len(library):
        raise DataError(f"{library.folder}: has no photographs")
    address = host or _HOST
    local = is_loopback(address)
    site = SearchSite(embedder.trained, library, search, top or _SHOWN, strict=strict, local=local, warn=console.warn)
    server = WebServer(site, address, _PORT if port is None else port, (threads or available_cores()) + _WAITING)
    if not local:
        console.warn(f"every machine that reaches {address} can search and see the photographs of {library.folder}")
    console.note(f"search {len(library):,} photographs at {server.url} (Ctrl-C stops)")
    if kind != "text":
        print_data(dump_json({"url": server.url}))
    server.run()
