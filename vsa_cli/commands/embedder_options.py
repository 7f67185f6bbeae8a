"""Options that `vsa retrieve` and `vsa align` share, and a function that loads the alignment model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsa_cli.core.device import Runtime, available_cores, quick_imports
from vsa_cli.core.errors import DataError, one_line
from vsa_cli.options import STORED_SPLIT, UsageError

if TYPE_CHECKING:
    from vsa_cli.core.alignment.embedder import Embedder, FoundPhoto
    from vsa_cli.core.config import RankFormat
    from vsa_cli.core.corpus.vocabulary import Vocabulary
    from vsa_cli.core.embedding.search import Query
    from vsa_cli.output.console import Console
    from vsa_cli.output.html.cards import Card, Header

Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        "-m",
        metavar="DIR",
        envvar="VSA_EMBED_MODEL",
        help="Alignment model.",
        show_default="$VSA_EMBED_MODEL, else the bundled one",
    ),
]
RegionsFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Regions file of --corpus.", rich_help_panel=STORED_SPLIT)
]

Strict = Annotated[
    bool,
    typer.Option("--strict", help="Fail on a word that the model does not know; cannot be combined with --corpus."),
]


def open_embedder(
    model: Path | None,
    *,
    device: str,
    runtime: Runtime,
    cache_dir: Path | None,
    no_cache: bool,
    threads: int,
    cnn_weights: Path | None,
) -> Embedder:
    """Load the alignment model that the options name."""
    with quick_imports():
        from vsa_cli.core.alignment.embedder import load_embedder

    cache = False if no_cache else cache_dir or True
    return load_embedder(model, device=device, cache=cache, threads=threads, cnn_weights=cnn_weights, runtime=runtime)


def report_unknown(
    console: Console,
    sentences: Sequence[Query],
    vocabulary: Vocabulary,
    note: Callable[[Sequence[Query], Vocabulary], str],
    *,
    strict: bool,
) -> None:
    """Print a note if sentences have words that the model does not know.

    Raises:
        DataError: `strict` is set, and a sentence has such words.
    """
    from vsa_cli.output.unknown_words import unknown_among

    unknown = unknown_among(sentences)
    if strict and unknown:
        raise DataError(f"the model does not know {vocabulary.describe_unknown(unknown)}")
    if unknown or not all(sentence.words for sentence in sentences):
        console.note(one_line(note(sentences, vocabulary)))


def check_model_variable(model: Path | None) -> None:
    """Refuse the environment variable of version 0.1.

    Raises:
        UsageError: it is set, and no model is named.
    """
    if model is None and os.environ.get("VSA_EMBED"):
        raise UsageError("the environment variable VSA_EMBED is now called VSA_EMBED_MODEL; set that instead")


def write_pages(console: Console, header: Header, cards: Iterable[Card], output: Path | None, threads: int) -> int:
    """Write cards as one page, or as a folder of pages; return how many photographs could not be read."""
    from vsa_cli.output.console import print_lines
    from vsa_cli.output.html.document import Pages, is_folder

    pages = Pages(lambda: header, cards, console.warn)
    if output is not None and is_folder(output):
        pages.fill(output, threads or available_cores())
    else:
        print_lines(pages.lines(), output)
    return pages.failed


def show_found(
    console: Console,
    query: Query,
    found: Sequence[FoundPhoto],
    searched: int,
    kind: RankFormat,
    output: Path | None,
    threads: int,
    *,
    explain: bool,
) -> int:
    """Print the photographs found for a query, or write their pages; return how many could not be read for a page."""
    if kind != "html":
        from vsa_cli.output.console import print_lines
        from vsa_cli.output.search_results import format_photos

        print_lines(format_photos(found, kind, query.unknown), output)
        return 0
    from vsa_cli.output.html.from_search import found_card, photos_header

    header = photos_header(query, len(found), searched, explain=explain)
    cards = [found_card(rank, query.text, one) for rank, one in enumerate(found, 1)]
    return write_pages(console, header, cards, output, threads)
