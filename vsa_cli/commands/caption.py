"""`vsa caption`: sentences for photographs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from vsa_cli import options
from vsa_cli.core.config import Baseline, CaptionFormat, DecodingConfig, RegionCaptionConfig
from vsa_cli.core.errors import ConfigError
from vsa_cli.core.generation.decoding import MOST_LENGTH_NORM, settle
from vsa_cli.core.generation.usage import Usage, check_usage


def caption(
    photos: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PHOTO|DIR|-]...", help="Photographs, folders of them, or - for a list on stdin."),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", "-m", metavar="DIR", envvar="VSA_MODEL", help="A trained generator; the bundled one by default."
        ),
    ] = None,
    baseline: Annotated[
        Baseline | None,
        typer.Option(help="Instead of a model: a sentence of the most similar photograph of the corpus's train split."),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Caption a split of this corpus instead of photographs."),
    ] = None,
    regions_file: Annotated[Path | None, typer.Option(metavar="FILE", help="With --corpus: its regions.h5.")] = None,
    split: Annotated[
        str | None,
        typer.Option(metavar="SPLIT", help="With --corpus: train, tune, val, test or all; val by default."),
    ] = None,
    regions: Annotated[
        bool, typer.Option("--regions", help="Caption regions of each photograph as well, with their boxes.")
    ] = False,
    min_logprob: Annotated[
        float | None,
        typer.Option(max=0, metavar="L", help="With --regions: the least mean log-probability of a word, in nats."),
    ] = None,
    top_regions: Annotated[
        int | None, typer.Option(min=1, max=1000, metavar="N", help="With --regions: keep the N surest.")
    ] = None,
    beam: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Hypotheses kept by the search; 1 is argmax.")
    ] = DecodingConfig.beam,
    nbest: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Captions for each photograph, best first.")
    ] = DecodingConfig.nbest,
    length_norm: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=MOST_LENGTH_NORM,
            metavar="ALPHA",
            help="Compare captions by log p / length^ALPHA; the model's by default.",
        ),
    ] = DecodingConfig.length_norm,
    groups: Annotated[
        int, typer.Option(min=1, max=1000, metavar="G", help="Diverse search: G groups, of beam / G hypotheses each.")
    ] = DecodingConfig.groups,
    diversity: Annotated[
        float,
        typer.Option(min=0, max=100, metavar="L", help="With --groups: the cost of a word that earlier groups chose."),
    ] = DecodingConfig.diversity,
    no_repeat_ngram: Annotated[
        int, typer.Option(min=0, max=200, metavar="N", help="No run of N words twice in a caption; 0 lets any.")
    ] = DecodingConfig.no_repeat_ngram,
    min_length: Annotated[
        int, typer.Option("--min-len", min=0, max=200, metavar="N", help="Words of the shortest caption.")
    ] = DecodingConfig.min_length,
    max_length: Annotated[
        int,
        typer.Option("--max-len", "--max-length", min=1, max=200, metavar="N", help="Words of the longest caption."),
    ] = DecodingConfig.max_length,
    avoid: Annotated[
        list[str] | None, typer.Option(metavar="WORD", help="No caption says it. May be repeated.")
    ] = None,
    require: Annotated[
        list[str] | None, typer.Option(metavar="WORD", help="Every caption says it. May be repeated, up to 5 times.")
    ] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="Draw the words instead of searching; the next three imply it.")
    ] = False,
    temperature: Annotated[
        float, typer.Option(min=0.01, max=100, metavar="T", help="Of the draw: below 1 bolder, above 1 wilder.")
    ] = DecodingConfig.temperature,
    top_k: Annotated[
        int, typer.Option(min=0, metavar="K", help="Draw from the K likeliest words only; 0 is all.")
    ] = DecodingConfig.top_k,
    top_p: Annotated[
        float, typer.Option(min=0, max=1, metavar="P", help="Draw from the likeliest words that hold P only; 1 is all.")
    ] = DecodingConfig.top_p,
    format: Annotated[CaptionFormat | None, typer.Option("--format", help="Of the output; text by default.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE|DIR", help="Write there instead of to stdout; html fills a DIR."),
    ] = None,
    annotate: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write copies there with captions and boxes drawn on them.")
    ] = None,
    sidecar: Annotated[
        str | None,
        typer.Option(metavar=".SUFFIX", help="Write each caption beside its photograph: photo.txt for .txt."),
    ] = None,
    null: Annotated[bool, typer.Option("--null", "-0", help="The list on stdin is separated by NUL.")] = False,
    cnn_weights: options.CnnWeights = None,
    cache_dir: options.CacheDir = None,
    no_cache: options.NoCache = False,
    batch_size: Annotated[int, typer.Option(min=1, max=4096, metavar="N", help="Photographs worded at once.")] = 32,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    seed: options.Seed = 0,
    force: options.Force = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
) -> None:
    """Caption photographs.

    Prints PATH, a tab and the caption for each photograph, or the caption alone for a single one. A photograph
    that cannot be read is named on stderr; the others are captioned, and the exit code is 3. Pages that vsa wrote
    among photographs are passed over. Log-probabilities are always the model's own, END's included, whatever the
    search compares captions by.

    --regions captions boxes as well, and keeps the sure ones that differ. --format html makes a page that any
    browser opens: one file, or, with -o and a name that does not end in .html, a folder. --resume passes over
    photographs that have their line in -o FILE (of --format jsonl), or their --sidecar.

    --baseline nearest-neighbour takes the sentence of the most similar photograph of --corpus's train split, of its
    sentences the one that agrees most with the others; for photographs, or for a --split of that corpus.

    Example: vsa caption photo.jpg
    """
    kind = _settle_format(format, json, photos)
    decoding = settle(
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
    usage = Usage(
        photos=bool(photos),
        corpus=corpus is not None,
        regions_file=regions_file is not None,
        split=split is not None,
        baseline=baseline,
        decoding=decoding,
        regions=regions,
        region_options=min_logprob is not None or top_regions is not None,
        kind=kind,
        output=output is not None,
        sidecar=sidecar is not None,
        annotate=annotate is not None,
        resume=resume,
    )
    check_usage(usage)
    from vsa_cli.core.device import resolve_device, set_threads
    from vsa_cli.core.generation.pipeline import Request, captions
    from vsa_cli.core.io.sources import read_list
    from vsa_cli.core.regions.cache import cache_folder
    from vsa_cli.output.caption_writer import Delivery, Outputs
    from vsa_cli.output.console import Console
    from vsa_cli.output.reports import report_captions

    set_threads(threads)
    console, workers = Console(quiet=quiet), threads or os.cpu_count() or 1
    names = photos or []
    outputs = Outputs(
        kind=kind,
        output=output,
        sidecar=sidecar,
        annotate=annotate,
        nbest=nbest,
        regions=regions,
        alone=len(names) == 1 and names != ["-"] and not Path(names[0]).is_dir(),
        said_by=baseline or ("drawn at random" if decoding.sample else f"beam {beam}"),
        force=force,
        resume=resume,
        workers=workers,
        batch=batch_size,
    )
    delivery = Delivery(outputs, console.warn)
    kept = options.given(min_logprob=min_logprob, top=top_regions)
    request = Request(
        sources=delivery.sources(names, read_list(sys.stdin.buffer, b"\0" if null else b"\n")) if names else None,
        refuse=delivery.refuse,
        model=model,
        baseline=baseline,
        corpus=corpus,
        regions_file=regions_file,
        split=split or "val",
        decoding=decoding,
        regions=RegionCaptionConfig(**kept) if regions else None,
        cnn_weights=cnn_weights,
        cache=None if no_cache else cache_dir or cache_folder(),
        device=resolve_device(device),
        batch=batch_size,
        workers=workers,
        seed=seed,
    )
    report_captions(console, delivery.beside(captions(request)), delivery)


def _settle_format(kind: CaptionFormat | None, json: bool, photos: list[str] | None) -> CaptionFormat:
    """The output's format.

    Raises:
        UsageError: two are asked for, or a list is asked of a terminal.
    """
    if json and kind not in (None, "json"):
        raise ConfigError(f"--json and --format {kind} contradict each other")
    if photos and "-" in photos and sys.stdin.isatty():
        raise ConfigError("- reads file names from a pipe, and stdin is a terminal")
    return "json" if json else kind or "text"
