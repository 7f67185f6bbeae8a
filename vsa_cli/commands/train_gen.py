"""`vsa train-gen`: the sentence generator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsa_cli import options
from vsa_cli.core.artifacts import refuse_existing
from vsa_cli.core.config import Cell, GeneratorConfig, GeneratorTraining


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
    cell: Annotated[Cell, typer.Option(help="The paper's ReLU network, or a gated one.")] = GeneratorConfig.cell,
    word_size: Annotated[
        int, typer.Option(min=1, max=8192, metavar="N", help="Length of a word's vector.")
    ] = GeneratorConfig.word_size,
    hidden_size: Annotated[
        int, typer.Option(min=1, max=8192, metavar="N", help="Units of the network.")
    ] = GeneratorConfig.hidden_size,
    dropout: Annotated[
        float, typer.Option(min=0, max=0.95, metavar="P", help="Dropout of every non-recurrent layer.")
    ] = GeneratorConfig.dropout,
    learning_rate: Annotated[
        float,
        typer.Option(min=0, metavar="RATE", help="Of RMSProp at the start; half a cosine takes it to zero."),
    ] = GeneratorTraining.learning_rate,
    batch_size: Annotated[
        int, typer.Option(min=1, metavar="N", help="Sentences a step.")
    ] = GeneratorTraining.batch_size,
    epochs: Annotated[
        int, typer.Option(min=1, metavar="N", help="Passes over the sentences, at most.")
    ] = GeneratorTraining.epochs,
    patience: Annotated[
        int, typer.Option(min=1, metavar="N", help="Stop after this many epochs without a better perplexity.")
    ] = GeneratorTraining.patience,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    seed: options.Seed = 0,
    force: options.Force = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
    dry_run: options.DryRun = False,
) -> None:
    """Train the sentence generator on whole photographs and their sentences.

    Each epoch prints loss, perplexity on held-out sentences and words a second; the best weights are kept in
    the output folder. A run that was interrupted goes on with --resume, to the same weights.

    Example: vsa train-gen corpus.json regions.h5 -o gen/
    """
    refuse_existing(output, force=force, resume=resume)
    from vsa_cli.console import Console, report_training
    from vsa_cli.core.corpus.corpus import read_corpus
    from vsa_cli.core.corpus.splits import validation_split
    from vsa_cli.core.device import resolve_device, set_threads
    from vsa_cli.core.generation.train import train_generator
    from vsa_cli.core.learning.run import Request
    from vsa_cli.core.regions.store import RegionStore

    set_threads(threads)
    read = read_corpus(corpus)
    model = GeneratorConfig(cell, word_size, hidden_size, dropout)
    training = GeneratorTraining(learning_rate=learning_rate, batch_size=batch_size, epochs=epochs, patience=patience)
    held_out = validation_split(read, validate)
    request = Request(
        output,
        model,
        training,
        split,
        held_out,
        keep_last or held_out is None,
        seed,
        resolve_device(device),
        resume,
    )
    console = Console(quiet=quiet)
    if dry_run:
        console.say(f"would train {model} by {training} on {split}, choosing on {held_out}, into {output}")
        return
    report_training(
        console, train_generator(read, RegionStore(regions), request), output=output, unit="words", as_json=json
    )
