"""`vsa caption`: captions for photographs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vsa_cli import options
from vsa_cli.commands import caption_options as check
from vsa_cli.core.config import Baseline, CaptionFormat, DecodingConfig, RegionCaptionConfig
from vsa_cli.core.errors import ExitCode
from vsa_cli.core.generation.decoding import MOST_LENGTH_NORM, resolve_decoding

if TYPE_CHECKING:
    from vsa_cli.core.generation.results import CaptionResult
    from vsa_cli.core.io.sources import Photo
    from vsa_cli.output.caption_writer import CaptionWriter
    from vsa_cli.output.console import Bar, Console

_REGIONS, _SEARCH, _SAMPLING = "Regions", "Search", "Sampling"
_STORED, _OUTPUT, _RUNTIME = "Stored split", "Output", "Runtime"


def caption(
    photos: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PHOTO|DIR|-]...", help="Photographs, folders of photographs, or - for a list on stdin."
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", "-m", metavar="DIR", envvar="VSA_GEN_MODEL", help="Trained generator (default: the bundled one)."
        ),
    ] = None,
    beam: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Hypotheses kept by the beam search; 1 is argmax.")
    ] = DecodingConfig.beam,
    nbest: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Captions for each photograph, best first.")
    ] = DecodingConfig.nbest,
    format: Annotated[CaptionFormat | None, typer.Option("--format", help="Output format (default: text).")] = None,
    json: Annotated[bool, typer.Option("--json", help="Same as --format json.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE|DIR", help="Output file instead of stdout; a folder for html."),
    ] = None,
    region_captions: Annotated[
        bool,
        typer.Option(
            "--region-captions", rich_help_panel=_REGIONS, help="Caption regions of each photograph too, with boxes."
        ),
    ] = False,
    min_logprob: Annotated[
        float | None,
        typer.Option(
            max=0,
            metavar="L",
            rich_help_panel=_REGIONS,
            help="Lowest mean log-probability of a word in a region caption, in nats.",
        ),
    ] = None,
    top_regions: Annotated[
        int | None,
        typer.Option(
            min=1, max=1000, metavar="N", rich_help_panel=_REGIONS, help="Region captions kept, most confident first."
        ),
    ] = None,
    length_norm: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=MOST_LENGTH_NORM,
            metavar="ALPHA",
            rich_help_panel=_SEARCH,
            help="Rank captions by log p / length^ALPHA (default: set by the model).",
        ),
    ] = DecodingConfig.length_norm,
    min_length: Annotated[
        int, typer.Option("--min-len", min=0, max=200, metavar="N", rich_help_panel=_SEARCH, help="Minimum words.")
    ] = DecodingConfig.min_length,
    max_length: Annotated[
        int,
        typer.Option(
            "--max-len", "--max-length", min=1, max=200, metavar="N", rich_help_panel=_SEARCH, help="Maximum words."
        ),
    ] = DecodingConfig.max_length,
    no_repeat_ngram: Annotated[
        int,
        typer.Option(
            min=0,
            max=200,
            metavar="N",
            rich_help_panel=_SEARCH,
            help="Allow no N-gram twice in a caption; 0 allows any.",
        ),
    ] = DecodingConfig.no_repeat_ngram,
    avoid: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", rich_help_panel=_SEARCH, help="Word that no caption contains; repeatable."),
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WORD", rich_help_panel=_SEARCH, help="Word that every caption contains; repeatable, up to 5 times."
        ),
    ] = None,
    groups: Annotated[
        int,
        typer.Option(
            min=1, max=1000, metavar="G", rich_help_panel=_SEARCH, help="Diverse beam search in G groups of beam / G."
        ),
    ] = DecodingConfig.groups,
    diversity: Annotated[
        float,
        typer.Option(
            min=0,
            max=100,
            metavar="L",
            rich_help_panel=_SEARCH,
            help="Penalty for a word that earlier --groups chose, in nats.",
        ),
    ] = DecodingConfig.diversity,
    sample: Annotated[
        bool,
        typer.Option(
            "--sample", rich_help_panel=_SAMPLING, help="Sample words instead of searching; implied by the next three."
        ),
    ] = False,
    temperature: Annotated[
        float,
        typer.Option(
            min=0.01,
            max=100,
            metavar="T",
            rich_help_panel=_SAMPLING,
            help="Sampling temperature: below 1 sharper, above 1 more random.",
        ),
    ] = DecodingConfig.temperature,
    top_k: Annotated[
        int,
        typer.Option(
            min=0, metavar="K", rich_help_panel=_SAMPLING, help="Sample from the K most likely words; 0 is all."
        ),
    ] = DecodingConfig.top_k,
    top_p: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            metavar="P",
            rich_help_panel=_SAMPLING,
            help="Sample from the fewest most likely words with total probability P; 1 is all.",
        ),
    ] = DecodingConfig.top_p,
    corpus: Annotated[
        Path | None,
        typer.Option(metavar="FILE", rich_help_panel=_STORED, help="Corpus to caption a split of, not photographs."),
    ] = None,
    regions_file: Annotated[
        Path | None, typer.Option(metavar="FILE", rich_help_panel=_STORED, help="The regions.h5 of --corpus.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="SPLIT", rich_help_panel=_STORED, help="Split of --corpus: train, tune, val (default), test or all."
        ),
    ] = None,
    baseline: Annotated[
        Baseline | None,
        typer.Option(
            rich_help_panel=_STORED,
            help="Instead of a model: a sentence of the most similar image of the train split of --corpus.",
        ),
    ] = None,
    sidecar: Annotated[
        str | None,
        typer.Option(
            metavar=".SUFFIX",
            rich_help_panel=_OUTPUT,
            help="Text file beside each photograph: with .txt, photo.txt for photo.jpg.",
        ),
    ] = None,
    annotate: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", rich_help_panel=_OUTPUT, help="Folder for copies with captions and boxes drawn on them."
        ),
    ] = None,
    force: options.Force = False,
    resume: options.Resume = False,
    null: Annotated[
        bool, typer.Option("--null", "-0", rich_help_panel=_RUNTIME, help="NUL separates the names of a list on stdin.")
    ] = False,
    batch_size: Annotated[
        int, typer.Option(min=1, max=4096, metavar="N", rich_help_panel=_RUNTIME, help="Photographs per batch.")
    ] = 32,
    cnn_weights: options.CnnWeights = None,
    cache_dir: options.CacheDir = None,
    no_cache: options.NoCache = False,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    seed: options.Seed = 0,
    quiet: options.Quiet = False,
    regions: Annotated[bool, typer.Option("--regions", hidden=True, help="Renamed to --region-captions.")] = False,
) -> None:
    """Caption photographs.

    Prints PATH, a tab and the caption for each photograph, or the caption alone for a single one. A photograph
    that cannot be read is named on stderr; the others are captioned, and the exit code is 3. Folders of pages that vsa
    wrote among photographs are skipped. Log-probabilities are always the model's own, END's included, whatever the
    search ranks captions by.

    --region-captions captions boxes as well, and keeps confident, distinct captions. --format html makes a page that
    any browser opens: one file, or, with -o and a name that does not end in .html, a folder. --resume skips
    photographs that have a line in -o FILE (with --format jsonl), or a --sidecar.

    --baseline nearest-neighbour takes a sentence of the most similar image in the train split of --corpus: of its
    sentences the one that agrees most with the others. It captions photographs, or a --split of that corpus.

    Example: vsa caption photo.jpg
    """
    names = photos or []
    check.check_renamed(regions=regions, model_given=model is not None)
    kind = check.resolve_format(format, json=json)
    decoding = resolve_decoding(
        DecodingConfig(
            beam=beam,
            max_length=max_length,
            min_length=min_length,
            nbest=nbest,
            length_norm=length_norm,
            groups=groups,
            diversity=diversity,
            no_repeat_ngram=no_repeat_ngram,
            avoid=tuple(avoid or ()),
            require=tuple(require or ()),
            sample=sample,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
        )
    )
    filters = options.given(min_logprob=min_logprob, top=top_regions)
    check.check_input(
        names,
        corpus=corpus is not None,
        regions_file=regions_file is not None,
        split=split is not None,
        baseline=baseline is not None,
    )
    if baseline is not None:
        check.check_baseline(decoding, region_captions=region_captions)
    check.check_regions(kind, region_captions=region_captions, filters=bool(filters), annotate=annotate is not None)
    check.check_files(kind, photos=bool(names), output=output is not None, sidecar=sidecar is not None, resume=resume)
    from vsa_cli.core.device import resolve_device, set_threads
    from vsa_cli.core.generation.captioner import load_captioner
    from vsa_cli.core.io.sources import read_list
    from vsa_cli.output.caption_writer import CaptionWriter
    from vsa_cli.output.console import Console

    set_threads(threads)
    console, workers = Console(quiet=quiet), threads or os.cpu_count() or 1
    writer = CaptionWriter.open(
        kind,
        output,
        sidecar=sidecar,
        annotate=annotate,
        nbest=nbest,
        regions=region_captions,
        alone=len(names) == 1 and names != ["-"] and not os.path.isdir(names[0]),  # noqa: PTH112  names may be too long
        source=baseline or ("sampled" if decoding.sample else f"beam {beam}"),
        force=force,
        resume=resume,
        workers=workers,
        batch_size=batch_size,
        warn=console.warn,
    )
    remaining, total = _remaining(writer, names, read_list(sys.stdin.buffer, b"\0" if null else b"\n"))
    stored = None
    if corpus is not None and regions_file is not None:
        from vsa_cli.core.corpus.corpus import read_corpus
        from vsa_cli.core.regions.store import RegionStore

        stored = read_corpus(corpus), RegionStore(regions_file)
    if baseline is not None and stored is not None:
        from vsa_cli.core.generation.baseline import caption_by_neighbours

        results = caption_by_neighbours(
            *stored,
            remaining if names else None,
            split or "val",
            nbest=nbest,
            batch_size=batch_size,
            device=resolve_device(device),
            workers=workers,
            cnn_weights=cnn_weights,
        )
    else:
        cache = False if no_cache else cache_dir or True
        captioner = load_captioner(model, device=device, cache=cache, threads=threads, cnn_weights=cnn_weights)
        kept = RegionCaptionConfig(**filters) if region_captions else None
        if stored is None:
            results = captioner.stream(remaining, decoding, regions=kept, batch_size=batch_size, seed=seed)
        else:
            results = captioner.stream_split(
                *stored, split or "val", decoding, regions=kept, batch_size=batch_size, seed=seed
            )
    target = output or (f"*{sidecar}" if sidecar is not None else None)
    with console.progress("caption", total, "photographs", printing=output is None) as bar:
        captioned, failed = _write(results, writer, console, bar)
    if target is not None:
        before = f", {writer.skipped:,} captioned before" if writer.skipped else ""
        console.say(f"{target}: {captioned:,} photographs captioned, {failed:,} failed{before}")
    if failed or writer.missing_pictures:
        raise typer.Exit(ExitCode.SOME_FAILED if captioned or writer.skipped else ExitCode.FAILED)


def _remaining(
    writer: CaptionWriter, names: Sequence[str], listed: Iterable[str]
) -> tuple[Iterable[Photo], int | None]:
    """The photographs to caption, without those that an earlier run has captioned, and their number if it is known.

    Raises:
        ConfigError: outputs would replace files, or one page cannot hold so many photographs.
        DataError: a folder cannot be listed, or has no photograph in it.
    """
    from vsa_cli.core.io.sources import expand

    named = list(expand([name for name in names if name != "-"], ()))
    writer.check(named)
    if "-" in names:  # of any length, and read as it comes
        return (photo for photo in expand(names, listed) if not writer.skips(photo)), None
    remaining = [photo for photo in named if not writer.skips(photo)]
    writer.check_count(len(remaining))
    return remaining, len(remaining) if names else None


def _write(results: Iterable[CaptionResult], writer: CaptionWriter, console: Console, bar: Bar) -> tuple[int, int]:
    """Write results as they come and report those that failed; returns how many were captioned, and how many failed."""
    captioned = failed = 0
    with writer:
        for result in results:
            error = writer.write(result).error
            if error is None:
                captioned += 1
            else:
                failed += 1
                console.warn(error)
            bar.advance()
    return captioned, failed
