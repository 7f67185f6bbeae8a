"""`vsa index`: describe photographs, or encode sentences, in advance, so that searching many of them is fast."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsa_cli import options
from vsa_cli.commands import embedder_options, shared_work
from vsa_cli.core.config import Items
from vsa_cli.core.corpus.split_names import resolve_split
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.files import check_output
from vsa_cli.core.ranks import Ranks, Shard, parse_shard, ranks_of
from vsa_cli.options import OUTPUT, STORED_SPLIT, UsageError

if TYPE_CHECKING:
    from vsa_cli.core.alignment.embedder import Embedder
    from vsa_cli.core.library.update import Change, Outcome
    from vsa_cli.core.library.writer import LibraryWriter
    from vsa_cli.output.console import Console


def index(
    photos: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PHOTO|DIR|-]...",
            help="Photographs, folders of photographs, or - for file names on stdin; with --merge, indices.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Folder of the index, new or existing.", rich_help_panel=OUTPUT
        ),
    ] = None,
    model: embedder_options.Model = None,
    merge: Annotated[bool, typer.Option("--merge", help="Join indices that were made with the same model.")] = False,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="K/N",
            help="Describe only part K of N of the photographs, to share the work between machines; --merge joins "
            "the indices.",
        ),
    ] = None,
    sentences: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Index sentences instead: a text file with one per line, a corpus.json, or captions in JSON.",
        ),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Add the photographs of this corpus.json, by the regions in --regions-file.",
            rich_help_panel=STORED_SPLIT,
        ),
    ] = None,
    regions_file: embedder_options.RegionsFile = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="SPLIT",
            help="Split to add: train, tune, val, test or all.",
            show_default="all",
            rich_help_panel=STORED_SPLIT,
        ),
    ] = None,
    null: options.Null = False,
    cnn_weights: options.CnnWeights = None,
    cache_dir: options.CacheDir = None,
    no_cache: options.NoCache = False,
    device: options.Device = "auto",
    runtime: options.RuntimeName = "torch",
    threads: options.Threads = 0,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Empty an existing index first.", rich_help_panel=OUTPUT)
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Describe photographs once, for fast search with vsa retrieve --index.

    Writes a folder with the vectors of the photographs and of their regions, about 35 KB per photograph. Run the
    command again after adding, changing, moving or deleting photographs: only new and changed ones are described, and
    deleted ones are forgotten, if their folder is named again. Photographs of other folders stay.

    A run that was interrupted, or killed, is continued by the same command. Photographs that cannot be read are
    reported and skipped; the exit code is then 3. Only one process at a time can write to an index; any number can
    read it meanwhile. --sentences makes an index of sentences, for vsa retrieve --image: about 19 KB per sentence.

    Example: vsa index photos/ -o library/ && vsa retrieve "two dogs run in snow" --index library/
    """
    embedder_options.check_model_variable(model)
    if output is None:
        raise UsageError("name the folder of the index with -o")
    _check_form(photos, sentences, corpus, regions_file, split, shard, merge=merge)
    ranks = ranks_of(os.environ)
    if not ranks.alone and (not photos or merge or shard is not None or "-" in photos):
        raise UsageError("torchrun shares photographs and folders: no --merge, --shard, --sentences, --corpus or -")
    if ranks.first:
        check_output(output, force=force, resume=not force, folder=True)
    from vsa_cli.core.device import own_cores, resolve_device
    from vsa_cli.output.console import Console
    from vsa_cli.output.indexing import print_index, report_index

    console, names, part = Console(quiet=quiet), photos or [], parse_shard(shard)
    if merge:
        print_index(console, output, *_merge(console, output, names, force=force), as_json=json)
        return
    threads = threads or (0 if ranks.alone else own_cores(ranks))
    device = device if ranks.alone else str(resolve_device(device, ranks, runtime))
    embedder = embedder_options.open_embedder(
        model, device=device, runtime=runtime, cache_dir=cache_dir, no_cache=no_cache, threads=threads,
        cnn_weights=cnn_weights,
    )  # fmt: skip
    if sentences is not None:
        print_index(console, output, *_sentences(console, embedder, output, sentences, force=force), as_json=json)
        return
    from vsa_cli.core.library.library import empty_manifest
    from vsa_cli.core.library.writer import writing

    if not ranks.alone or (corpus is None and shard is None and "-" not in names and _is_unfinished(output)):
        found = _shared(console, embedder, output, names, ranks, force=force)
        if found is None:  # the first process reports, and ends with the exit code
            return
        number, changes = found
    else:
        with writing(output, empty_manifest(embedder.trained), force=force) as writer:
            if corpus is not None and regions_file is not None:
                outcomes, total = _stored(embedder, writer, corpus, regions_file, resolve_split(split or "all"), part)
            else:
                outcomes, total = _new(embedder, writer, names, part, null=null)
            changes = report_index(console, "photographs", outcomes, total)
        number = len(writer)
    print_index(console, output, "photographs", number, changes, as_json=json)
    if changes["failed"]:
        raise typer.Exit(3)


def _is_unfinished(output: Path) -> bool:
    """Whether several processes have described photographs that the index does not have yet."""
    from vsa_cli.core.library.shared import part_folder

    return part_folder(output).is_started


def _shared(
    console: Console, embedder: Embedder, output: Path, names: list[str], ranks: Ranks, *, force: bool
) -> tuple[int, Counter[Change]] | None:
    """Describe this process's part of the photographs, and add all to the index if this is the first process.

    Returns:
        How many photographs the index has now, and what became of each; None in a process that has not added them.
    """
    from vsa_cli.core.io.sources import expand
    from vsa_cli.core.library.library import empty_manifest
    from vsa_cli.core.library.shared import SharedRegions
    from vsa_cli.core.library.update import update_library
    from vsa_cli.core.library.writer import writing
    from vsa_cli.output.indexing import report_index

    photos = list(expand(names, ()))
    shared = SharedRegions(output, embedder, photos)
    with shared_work.connected(ranks):
        if not ranks.first:
            shared_work.first_alone(lambda: None, ranks)
            shared.open()
            for _ in shared.describe(ranks.shard):
                continue
            shared_work.arrive(ranks)
            return None
        with writing(output, empty_manifest(embedder.trained), force=force) as writer:
            shared_work.first_alone(lambda: shared.start(writer, force=force), ranks)
            shared.open()
            with console.progress("describe", shared.count(ranks.shard), "photographs") as bar:
                for _ in shared.describe(ranks.shard):
                    bar.advance()
            shared.wait(ranks.shard, shared_work.arrivals(ranks))
            outcomes = update_library(shared, writer, photos, _folders(names))
            changes = report_index(console, "photographs", outcomes, len(photos))
        shared.clear()
        return len(writer), changes


def _folders(names: list[str]) -> list[Path]:
    return [Path(name) for name in names if Path(name).is_dir()]


def _merge(console: Console, output: Path, names: list[str], *, force: bool) -> tuple[Items, int, Counter[Change]]:
    """Join indices; return their kind of items, how many the index has now, and what became of each."""
    from vsa_cli.core.library.library import open_library, open_sentences
    from vsa_cli.core.library.manifest import read_manifest
    from vsa_cli.core.library.update import merge_indices
    from vsa_cli.core.library.writer import writing, writing_sentences
    from vsa_cli.output.indexing import report_index

    folders = list(map(Path, names))
    first = read_manifest(folders[0])
    items = first.config.items
    if items == "photographs":
        libraries = list(map(open_library, folders))
        with writing(output, first.emptied(), force=force) as writer:
            changes = report_index(console, items, merge_indices(writer, libraries), sum(map(len, libraries)))
            return items, len(writer), changes
    indices = list(map(open_sentences, folders))
    with writing_sentences(output, first.emptied(), force=force) as others:
        changes = report_index(console, items, merge_indices(others, indices), sum(map(len, indices)))
        return items, len(others), changes


def _sentences(
    console: Console, embedder: Embedder, output: Path, file: Path, *, force: bool
) -> tuple[Items, int, Counter[Change]]:
    """Add the sentences of a file; return "sentences", how many the index has now, and what became of each.

    Raises:
        DataError: the file cannot be read, or the model knows no word in it.
    """
    from vsa_cli.core.library.library import empty_manifest
    from vsa_cli.core.library.sentences import read_texts
    from vsa_cli.core.library.update import add_sentences
    from vsa_cli.core.library.writer import writing_sentences
    from vsa_cli.output.indexing import report_index
    from vsa_cli.output.unknown_words import ranking_note

    queries = list(map(embedder.look_up, read_texts(file)))
    if not any(query.words for query in queries):
        raise DataError(f"{file}: no sentence has a word that the model knows")
    embedder_options.report_unknown(console, queries, embedder.trained.vocabulary, ranking_note, strict=False)
    with writing_sentences(output, empty_manifest(embedder.trained, "sentences"), force=force) as writer:
        outcomes = add_sentences(embedder.trained, writer, queries)
        changes = report_index(console, "sentences", outcomes, len(queries))
        return "sentences", len(writer), changes


def _new(
    embedder: Embedder, writer: LibraryWriter, names: list[str], shard: Shard, *, null: bool
) -> tuple[Iterator[Outcome], int | None]:
    """Add photographs that are named, or found in folders; return what becomes of each, and their number if known."""
    from vsa_cli.core.io.sources import FailedPhoto, expand, read_list
    from vsa_cli.core.library.update import is_in, update_library

    named = expand(names, read_list(sys.stdin.buffer, b"\0" if null else b"\n"))
    chosen = (one for one in named if isinstance(one, FailedPhoto) or is_in(shard, one))
    folders = _folders(names)
    if "-" in names:  # each name is used as soon as it is read
        return update_library(embedder, writer, chosen, folders), None
    photos = list(chosen)
    return update_library(embedder, writer, photos, folders), len(photos)


def _stored(
    embedder: Embedder, writer: LibraryWriter, corpus: Path, regions: Path, split: str, shard: Shard
) -> tuple[Iterator[Outcome], int | None]:
    """Add the photographs of a corpus; return what becomes of each, and their number if known."""
    from vsa_cli.core.corpus.corpus import read_corpus
    from vsa_cli.core.library.update import add_stored
    from vsa_cli.core.regions.store import RegionStore

    read = read_corpus(corpus)
    outcomes = add_stored(embedder.trained, writer, read, RegionStore(regions), split, shard)
    return outcomes, len(read.split(split)) if shard.count == 1 else None


def _check_form(
    photos: list[str] | None,
    sentences: Path | None,
    corpus: Path | None,
    regions_file: Path | None,
    split: str | None,
    shard: str | None,
    *,
    merge: bool,
) -> None:
    """Check that exactly one form of the command is used, and used in full.

    Raises:
        UsageError: none or several are used, or a part of one is missing.
    """
    if (corpus is None) != (regions_file is None):
        raise UsageError("--corpus and --regions-file go together")
    if sum((bool(photos), corpus is not None, sentences is not None)) != 1:
        raise UsageError(
            "name photographs or folders, or --corpus and --regions-file, or --sentences, or indices with --merge"
        )
    if split is not None and corpus is None:
        raise UsageError("--split goes with --corpus and --regions-file")
    if sentences is not None and shard is not None:
        raise UsageError("--shard goes with photographs")
    if merge and (not photos or shard is not None):
        raise UsageError("--merge takes indices, and neither --corpus nor --sentences nor --shard")
    if photos and "-" in photos and sys.stdin.isatty():
        raise UsageError("- reads file names from a pipe, but stdin is a terminal")
