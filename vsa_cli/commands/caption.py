"""`vsa caption`: sentences for photographs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from vsa_cli import options
from vsa_cli.core.artifacts import refuse_existing
from vsa_cli.core.config import CaptionFormat, DecodingConfig
from vsa_cli.core.errors import MissingError, UsageError
from vsa_cli.core.generation.decoding import settle


def caption(
    photos: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PHOTO|DIR|-]...", help="Photographs, folders of them, or - for a list on stdin."),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option("--model", "-m", metavar="DIR", envvar="VSA_MODEL", help="A trained generator."),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Caption a split of this corpus instead of photographs."),
    ] = None,
    regions_file: Annotated[Path | None, typer.Option(metavar="FILE", help="With --corpus: its regions.h5.")] = None,
    split: Annotated[str, typer.Option(metavar="SPLIT", help="With --corpus: train, tune, val, test or all.")] = "val",
    beam: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Hypotheses kept by the search; 1 is argmax.")
    ] = DecodingConfig.beam,
    nbest: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Captions for each photograph, best first.")
    ] = DecodingConfig.nbest,
    length_norm: Annotated[
        float,
        typer.Option(min=0, max=10, metavar="ALPHA", help="Compare captions by log p / length^ALPHA; 1 is the mean."),
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
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write there instead of to stdout.")
    ] = None,
    null: Annotated[bool, typer.Option("--null", "-0", help="The list on stdin is separated by NUL.")] = False,
    cnn_weights: options.CnnWeights = None,
    batch_size: Annotated[int, typer.Option(min=1, max=4096, metavar="N", help="Photographs worded at once.")] = 32,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    seed: options.Seed = 0,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Caption photographs.

    Prints PATH, a tab and the caption for each photograph, or the caption alone for a single one. A photograph
    that cannot be read is named on stderr; the others are captioned, and the exit code is 3. Log-probabilities are
    always the model's own, END's included, whatever the search compares captions by.

    Example: vsa caption photo.jpg --model gen/ --beam 7
    """
    kind = _settle_usage(photos, corpus, regions_file, format, json)
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
    if output is not None:
        refuse_existing(output, force=force)
    if model is None:
        raise MissingError("no model: name one with --model DIR (vsa train-gen makes them) or in VSA_MODEL")
    import os

    from vsa_cli.console import Console, report_captions
    from vsa_cli.core.corpus.corpus import read_corpus
    from vsa_cli.core.device import resolve_device, set_threads
    from vsa_cli.core.generation.artifact import read_generator
    from vsa_cli.core.generation.captioner import Captioner, caption_photos, caption_split, look_at_all, look_at_whole
    from vsa_cli.core.regions.looking import describer_for, extractor_for
    from vsa_cli.core.regions.sources import expand, read_list
    from vsa_cli.core.regions.store import RegionStore

    set_threads(threads)
    processor = resolve_device(device)
    trained = read_generator(model, processor)
    captioner = Captioner(trained, decoding, seed)
    if corpus is not None and regions_file is not None:
        store = RegionStore(regions_file)
        captioned = caption_split(captioner, trained, read_corpus(corpus), store, split, batch=batch_size)
    else:
        sources = expand(photos or [], read_list(sys.stdin.buffer, b"\0" if null else b"\n"))
        if trained.model.looks_at_regions:
            look = look_at_all(extractor_for(trained.recipe, cnn_weights, processor))
        else:
            describer = describer_for(trained.recipe, cnn_weights, processor)
            look = look_at_whole(describer, trained.recipe.config.photo_side)
        captioned = caption_photos(
            captioner,
            look,
            processor,
            sources,
            batch=batch_size,
            workers=threads or os.cpu_count() or 1,
        )
    alone = photos is not None and len(photos) == 1 and photos != ["-"] and not Path(photos[0]).is_dir()
    report_captions(Console(quiet=quiet), captioned, kind, nbest=nbest, alone=alone, output=output)


def _settle_usage(
    photos: list[str] | None,
    corpus: Path | None,
    regions_file: Path | None,
    kind: CaptionFormat | None,
    json: bool,
) -> CaptionFormat:
    """The output's format, once the options agree with one another.

    Raises:
        UsageError: they do not.
    """
    if bool(photos) == (corpus is not None):
        raise UsageError("name photographs (files, folders, - for a list), or a --corpus with its --regions-file")
    if (corpus is None) != (regions_file is None):
        raise UsageError("--corpus and --regions-file go together")
    if photos and "-" in photos and sys.stdin.isatty():
        raise UsageError("- reads file names from a pipe, and stdin is a terminal")
    if json and kind not in (None, "json"):
        raise UsageError(f"--json and --format {kind} contradict each other")
    return "json" if json else kind or "text"
