"""`vsa train-gen`: the sentence generator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vsa_cli import options
from vsa_cli.core.config import GENERATOR_PRESETS, SELF_CRITICAL, Cell, GeneratorPreset
from vsa_cli.core.errors import ConfigError
from vsa_cli.core.io.files import check_output


def train_gen(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A corpus.json, from vsa prep.")],
    regions: Annotated[Path, typer.Argument(metavar="REGIONS", help="A regions.h5, from vsa extract-regions.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where to write.")] = Path("gen"),
    split: Annotated[str, typer.Option("--split", metavar="SPLIT", help="Train on this split.")] = "train",
    validate: Annotated[
        str,
        typer.Option(
            "--validate",
            metavar="SPLIT",
            help="Choose the best epoch on this split; auto takes tune, else val; or none.",
        ),
    ] = "auto",
    keep_last: Annotated[
        bool,
        typer.Option("--keep-last", help="Train for all epochs and keep the last, whatever validation says."),
    ] = False,
    snippets: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Train on regions and their fragments, from vsa align --split all."),
    ] = None,
    self_critical: Annotated[
        Path | None,
        typer.Option(metavar="GEN", help="Go on from this generator, raising the CIDEr of what it says."),
    ] = None,
    preset: Annotated[
        GeneratorPreset | None,
        typer.Option(help="The paper's model to the letter, or the strongest known here, which is the default."),
    ] = None,
    cell: Annotated[Cell | None, typer.Option(help="The paper's ReLU network (rnn), or a gated one.")] = None,
    attention: Annotated[
        int | None,
        typer.Option(min=0, max=64, metavar="HEADS", help="Heads that look at the regions at every word; 0 for none."),
    ] = None,
    word_size: Annotated[
        int | None, typer.Option(min=1, max=8192, metavar="N", help="Length of a word's vector.")
    ] = None,
    hidden_size: Annotated[int | None, typer.Option(min=1, max=8192, metavar="N", help="Units of the network.")] = None,
    dropout: Annotated[
        float | None, typer.Option(min=0, max=0.95, metavar="P", help="Dropout of every non-recurrent layer.")
    ] = None,
    label_smoothing: Annotated[
        float | None, typer.Option(min=0, max=0.9, metavar="P", help="Share of a target spread over all words.")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=0, max=1e6, metavar="RATE", help="At the start; half a cosine takes it to zero.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, max=1_000_000, metavar="N", help="Sentences a step.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, metavar="N", help="Passes over the sentences, at most.")] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Stop after this many epochs without a better perplexity.")
    ] = None,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    seed: options.Seed = 0,
    force: options.Force = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
    dry_run: options.DryRun = False,
) -> None:
    """Train the sentence generator on photographs and their sentences.

    Each epoch prints loss, perplexity on held-out sentences and words a second; the best weights are kept in
    the output folder. With --snippets it learns to caption regions; with --self-critical it goes on from a
    generator by the metric itself. A run that was interrupted goes on with --resume, to the same weights.

    Example: vsa train-gen corpus.json regions.h5 -o gen/
    """
    check_output(output, force=force, resume=resume, folder=True)
    from vsa_cli.core.corpus.corpus import read_corpus
    from vsa_cli.core.corpus.splits import validation_split
    from vsa_cli.core.device import resolve_device, set_threads
    from vsa_cli.core.generation.artifact import read_generator
    from vsa_cli.core.generation.train import train_generator
    from vsa_cli.core.learning.run import Request
    from vsa_cli.core.regions.store import RegionStore
    from vsa_cli.output.console import Console
    from vsa_cli.output.reports import report_request, report_training

    set_threads(threads)
    read = read_corpus(corpus)
    processor = resolve_device(device)
    start = read_generator(self_critical, processor) if self_critical is not None else None
    model, training = GENERATOR_PRESETS[preset or "best"]
    shape = options.given(cell=cell, attention=attention, word_size=word_size, hidden_size=hidden_size, dropout=dropout)
    if start is not None:
        if preset or shape or label_smoothing is not None or snippets is not None:
            raise ConfigError("--self-critical takes the shape of GEN, and learns from whole photographs")
        model, training = start.model.config, SELF_CRITICAL
    if cell is not None and cell != "gru" and attention is None:
        shape["attention"] = 0  # attention is a GRU's
    model = replace(model, **shape)
    if model.attention and (model.cell != "gru" or model.hidden_size % model.attention):
        raise ConfigError("--attention: it takes --cell gru, and a --hidden-size that its heads can share equally")
    training = replace(
        training,
        **options.given(
            label_smoothing=label_smoothing, learning_rate=learning_rate, batch_size=batch_size, epochs=epochs,
            patience=patience,
        ),
    )  # fmt: skip
    held_out = validation_split(read, validate)
    request = Request(
        output,
        model,
        training,
        split,
        held_out,
        keep_last or held_out is None,
        seed,
        processor,
        resume,
    )
    console = Console(quiet=quiet)
    if dry_run:
        report_request(console, request, as_json=json)
        return
    report_training(
        console,
        train_generator(read, RegionStore(regions), request, snippets, start),
        output=output,
        unit="words" if start is None else "sentences",
        as_json=json,
    )
    console.suggest("caption", "photo.jpg", "--model", output)
