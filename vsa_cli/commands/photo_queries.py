"""`vsa retrieve --image --index`: similar photographs, or sentences, for one photograph or for many from stdin."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vsa_cli.commands import embedder_options
from vsa_cli.core.config import LibrarySearch, RankFormat
from vsa_cli.options import UsageError

if TYPE_CHECKING:
    from vsa_cli.core.alignment.embedder import Embedder, FoundPhoto, RankedSentence
    from vsa_cli.core.io.sources import Photo
    from vsa_cli.core.library.by_photograph import PhotoAnswer
    from vsa_cli.core.library.library import Library, SentenceIndex
    from vsa_cli.core.regions.image_regions import ImageRegions
    from vsa_cli.output.console import Console
    from vsa_cli.output.html.cards import Header

    Search = Callable[[ImageRegions], list[FoundPhoto] | list[RankedSentence]]

STDIN = Path("-")
"""The name for which photographs are read from stdin."""


def open_by_kind(folder: Path, images: Path | None, *, explain: bool) -> Library | SentenceIndex:
    """Open an index of photographs or of sentences.

    Raises:
        UsageError: an option does not go with its kind.
        DataError: it is not an index.
        ArtifactError: it is damaged, or has another format or version.
    """
    from vsa_cli.core.library.library import open_library, open_sentences
    from vsa_cli.core.library.manifest import read_manifest

    if read_manifest(folder).config.items == "sentences":
        if images is not None:
            raise UsageError(f"--images goes with an index of photographs, but {folder} is one of sentences")
        return open_sentences(folder)
    if explain:
        raise UsageError(f"--explain shows the boxes of words, but {folder} is an index of photographs")
    return open_library(folder, images)


def find_by_photo(
    embedder: Embedder,
    console: Console,
    index: Library | SentenceIndex,
    image: Path,
    search: LibrarySearch,
    top: int,
    explain: bool,
    kind: RankFormat,
    output: Path | None,
    threads: int,
) -> int:
    """Photographs or sentences of an index for a photograph; return how many could not be read for a page."""
    from vsa_cli.core.alignment.embedder import FoundPhoto
    from vsa_cli.output.console import print_lines
    from vsa_cli.output.html.from_search import found_card, ranked_header, similar_header
    from vsa_cli.output.search_results import format_photos

    find = _search(embedder, index, search, top, explain=explain)
    photo, regions = embedder.encode(image)
    found = find(regions)
    photos = [one for one in found if isinstance(one, FoundPhoto)]
    ranked = [one for one in found if not isinstance(one, FoundPhoto)]
    if ranked:
        header = ranked_header(len(ranked), len(index), explain=explain)
        return show_sentences(console, header, (photo, regions), ranked, kind, output, threads)
    if kind != "html":
        print_lines(format_photos(photos, kind), output)
        return 0
    cards = [found_card(rank, "", one) for rank, one in enumerate(photos, 1)]
    header = similar_header(photo, len(photos), len(index))
    return embedder_options.write_pages(console, header, cards, output, threads)


def show_sentences(
    console: Console,
    header: Header,
    image: tuple[Photo, ImageRegions],
    ranked: list[RankedSentence],
    kind: RankFormat,
    output: Path | None,
    threads: int,
) -> int:
    """Print ranked sentences, or write their page; return 1 if the photograph could not be read again, else 0."""
    from vsa_cli.output.console import print_lines
    from vsa_cli.output.html.from_search import sentences_card
    from vsa_cli.output.search_results import format_sentences

    if kind != "html":
        print_lines(format_sentences(ranked, kind), output)
        return 0
    return embedder_options.write_pages(console, header, [sentences_card(*image, ranked)], output, threads)


def answer_photos(
    embedder: Embedder,
    console: Console,
    index: Library | SentenceIndex,
    search: LibrarySearch,
    top: int,
    explain: bool,
    null: bool,
    output: Path | None,
) -> int:
    """Answer the photographs named on stdin, each as soon as its name is read; return how many failed.

    Raises:
        DataError: no photograph is named, or none can be read.
    """
    from vsa_cli.core.errors import DataError
    from vsa_cli.core.io.sources import read_list
    from vsa_cli.core.library.by_photograph import PhotoAnswer
    from vsa_cli.output.console import print_lines
    from vsa_cli.output.search_results import format_photo_answer

    counts = {"answered": 0, "failed": 0}
    find = _search(embedder, index, search, top, explain=explain)

    def answers() -> Iterator[PhotoAnswer]:
        for name in read_list(sys.stdin.buffer, b"\0" if null else b"\n"):
            try:
                _, regions = embedder.encode(name)
            except DataError as error:
                counts["failed"] += 1
                console.warn(str(error))
                yield PhotoAnswer(name, error=str(error))
            else:
                counts["answered"] += 1
                yield PhotoAnswer(name, tuple(find(regions)))

    print_lines(map(format_photo_answer, answers()), output)
    if not any(counts.values()):
        raise DataError("the list of photographs is empty")
    if not counts["answered"]:
        raise DataError("none of the photographs could be read")
    return counts["failed"]


def _search(
    embedder: Embedder, index: Library | SentenceIndex, search: LibrarySearch, top: int, *, explain: bool
) -> Search:
    from vsa_cli.core.library.by_photograph import rank_sentences, similar_photos
    from vsa_cli.core.library.library import Library, empty_manifest

    trained = embedder.trained
    index.require_model(empty_manifest(trained, index.manifest.config.items))  # before photographs are encoded
    if isinstance(index, Library):
        return lambda regions: similar_photos(trained, index, regions, top, search)
    return lambda regions: rank_sentences(trained, index, regions, top, search, explain=explain)
