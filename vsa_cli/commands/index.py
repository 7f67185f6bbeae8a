"""`vsa index`: describe photographs in advance, so that searching many of them is fast."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsa_cli import options
from vsa_cli.commands import embedder_options
from vsa_cli.core.corpus.split_names import resolve_split
from vsa_cli.core.io.files import check_output
from vsa_cli.options import OUTPUT, STORED_SPLIT, UsageError

if TYPE_CHECKING:
    from vsa_cli.core.alignment.embedder import Embedder
    from vsa_cli.core.library.update import Outcome, Shard
    from vsa_cli.core.library.writer import LibraryWriter


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
    threads: options.Threads = 0,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Empty an existing index first.", rich_help_panel=OUTPUT)
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Describe photographs once, for fast search with vsa retrieve --index.

    Writes a folder with the vectors of the photographs and of their regions, about 33 KB per photograph. Run the
    command again after adding, changing, moving or deleting photographs: only new and changed ones are described, and
    deleted ones are forgotten, if their folder is named again. Photographs of other folders stay.

    A run that was interrupted, or killed, is continued by the same command. Photographs that cannot be read are
    reported and skipped; the exit code is then 3. Only one process at a time can write to an index; any number can
    read it meanwhile.

    Example: vsa index photos/ -o library/ && vsa retrieve "two dogs run in snow" --index library/
    """
    embedder_options.check_model_variable(model)
    if output is None:
        raise UsageError("name the folder of the index with -o")
    _check_form(photos, corpus, regions_file, split, shard, merge=merge)
    check_output(output, force=force, resume=not force, folder=True)
    from vsa_cli.core.library.library import empty_manifest, open_library
    from vsa_cli.core.library.update import merge_libraries, parse_shard
    from vsa_cli.core.library.writer import writing
    from vsa_cli.output.console import Console
    from vsa_cli.output.indexing import print_index, report_index

    console, names, part = Console(quiet=quiet), photos or [], parse_shard(shard)
    if merge:
        libraries = [open_library(Path(name)) for name in names]
        with writing(output, libraries[0].manifest.emptied(), force=force) as writer:
            changes = report_index(console, merge_libraries(writer, libraries), sum(map(len, libraries)))
    else:
        embedder = embedder_options.open_embedder(
            model, device=device, cache_dir=cache_dir, no_cache=no_cache, threads=threads, cnn_weights=cnn_weights
        )
        with writing(output, empty_manifest(embedder.trained), force=force) as writer:
            if corpus is not None and regions_file is not None:
                outcomes, total = _stored(embedder, writer, corpus, regions_file, resolve_split(split or "all"), part)
            else:
                outcomes, total = _new(embedder, writer, names, part, null=null)
            changes = report_index(console, outcomes, total)
    print_index(console, output, len(writer), changes, as_json=json)
    if changes["failed"]:
        raise typer.Exit(3)


def _new(
    embedder: Embedder, writer: LibraryWriter, names: list[str], shard: Shard, *, null: bool
) -> tuple[Iterator[Outcome], int | None]:
    """Add photographs that are named, or found in folders; return what becomes of each, and their number if known."""
    from vsa_cli.core.io.sources import FailedPhoto, expand, read_list
    from vsa_cli.core.library.update import update_library

    named = expand(names, read_list(sys.stdin.buffer, b"\0" if null else b"\n"))
    chosen = (one for one in named if isinstance(one, FailedPhoto) or shard.has(one))
    folders = [Path(name) for name in names if Path(name).is_dir()]
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
    if (not photos) == (corpus is None):
        raise UsageError("name photographs or folders, or --corpus and --regions-file, or indices with --merge")
    if split is not None and corpus is None:
        raise UsageError("--split goes with --corpus and --regions-file")
    if merge and (corpus is not None or shard is not None):
        raise UsageError("--merge takes indices, and neither --corpus nor --shard")
    if photos and "-" in photos and sys.stdin.isatty():
        raise UsageError("- reads file names from a pipe, but stdin is a terminal")
