"""`vsa train-gen`: train the sentence generator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vsa_cli import options
from vsa_cli.commands.training_options import (
    CorpusFile,
    Epochs,
    KeepLast,
    LearningRate,
    ModelFolder,
    Patience,
    RegionsFile,
    Split,
    Validate,
)
from vsa_cli.core.config import GENERATOR_PRESETS, SELF_CRITICAL, Cell, GeneratorPreset
from vsa_cli.core.io.files import check_output
from vsa_cli.options import UsageError


def train_gen(
    corpus: CorpusFile,
    regions: RegionsFile,
    output: ModelFolder = Path("gen"),
    preset: Annotated[
        GeneratorPreset | None,
        typer.Option(help="Settings to start from: as in the paper, or with the best results (default: best)."),
    ] = None,
    split: Split = "train",
    validate: Validate = "auto",
    snippets: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Train on regions and their snippets, written by vsa align --split all."),
    ] = None,
    self_critical: Annotated[
        Path | None,
        typer.Option(metavar="GEN", help="Continue from this trained generator and maximise CIDEr."),
    ] = None,
    epochs: Epochs = None,
    patience: Patience = None,
    keep_last: KeepLast = False,
    learning_rate: LearningRate = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1_000_000,
            metavar="N",
            help="Sentences per step, or images with --self-critical.",
            rich_help_panel="Training",
        ),
    ] = None,
    label_smoothing: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.9,
            metavar="P",
            help="Label smoothing: share of each target spread over all words.",
            rich_help_panel="Training",
        ),
    ] = None,
    cell: Annotated[
        Cell | None,
        typer.Option(
            help="Recurrent cell; rnn is the paper's ReLU network.",
            rich_help_panel="Model",
        ),
    ] = None,
    attention: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=64,
            metavar="HEADS",
            help="Attention heads over the regions; 0 sees only the whole image.",
            rich_help_panel="Model",
        ),
    ] = None,
    word_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=8192,
            metavar="N",
            help="Size of the word vectors.",
            rich_help_panel="Model",
        ),
    ] = None,
    hidden_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=8192,
            metavar="N",
            help="Hidden units of the recurrent cell.",
            rich_help_panel="Model",
        ),
    ] = None,
    dropout: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=0.95,
            metavar="P",
            help="Dropout on all non-recurrent layers.",
            rich_help_panel="Model",
        ),
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
    """Train the sentence generator on images and their sentences.

    Each epoch prints the loss, the perplexity on the validation split and the words per second. The output directory
    keeps the best weights. --preset sets the defaults of the training and model options. --resume continues an
    interrupted run and ends at the same weights. With --snippets the generator learns to caption regions;
    --self-critical fine-tunes a trained generator.

    Example: vsa train-gen corpus.json regions.h5 -o gen/
    """
    check_output(output, force=force, resume=resume, folder=True)
    from vsa_cli.core.corpus.corpus import read_corpus
    from vsa_cli.core.corpus.split_names import resolve_split
    from vsa_cli.core.device import resolve_device, set_threads
    from vsa_cli.core.generation.decoder import read_generator
    from vsa_cli.core.generation.train import train_generator
    from vsa_cli.core.learning.run import TrainingRequest
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
            raise UsageError(
                "--self-critical takes the model settings of GEN and trains on whole images: it cannot be combined with"
                " --preset, --snippets, --label-smoothing or an option of the model"
            )
        model, training = start.model.config, SELF_CRITICAL
    if cell is not None and cell != "gru" and attention is None:
        shape["attention"] = 0  # attention needs a GRU
    model = replace(model, **shape)
    if model.attention and (model.cell != "gru" or model.hidden_size % model.attention):
        raise UsageError("--attention requires --cell gru and a --hidden-size that is a multiple of HEADS")
    training = replace(
        training,
        **options.given(
            label_smoothing=label_smoothing, learning_rate=learning_rate, batch_size=batch_size, epochs=epochs,
            patience=patience,
        ),
    )  # fmt: skip
    held_out = read.validation_split(validate)
    keep = keep_last or held_out is None
    request = TrainingRequest(output, model, training, resolve_split(split), held_out, keep, seed, processor, resume)
    console = Console(quiet=quiet)
    if dry_run:
        report_request(console, request, as_json=json)
        return
    records = train_generator(read, RegionStore(regions), request, snippets, start)
    unit = "words" if start is None else "sentences"
    report_training(console, records, output=output, unit=unit, as_json=json)
    console.suggest("caption", "photo.jpg", "--model", output)
