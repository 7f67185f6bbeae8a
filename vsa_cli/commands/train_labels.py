"""`vsa train-labels`: train the labeller, which names what photographs show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vsa_cli import options
from vsa_cli.commands import training_options as shared
from vsa_cli.commands.training_options import MODEL, TRAINING
from vsa_cli.core.config import MOST_FOLDS, LabellerConfig, LabellerTraining
from vsa_cli.options import UsageError

_DEFAULTS = {"default": (LabellerTraining(), LabellerConfig())}


def train_labels(
    regions: Annotated[
        list[Path],
        typer.Argument(metavar="REGIONS...", help="Regions files of the photographs, from vsa extract-regions."),
    ],
    output: shared.ModelFolder = Path("labels"),
    corpus: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Corpus whose sentences mention what photographs show; can be given several times."
        ),
    ] = None,
    teacher: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Regions file with the labels of a detector, from vsa extract-regions --detector ssd. It can be "
            "one of REGIONS, and can be given several times.",
        ),
    ] = None,
    names: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='Names to learn, with the words that mention them: JSON such as {"names": {"hot dog": ["hot dog", '
            '"hot dogs"]}}.',
            show_default="the names installed with vsa",
        ),
    ] = None,
    split: shared.Split = "train",
    validate: Annotated[
        str,
        typer.Option(
            metavar="SPLIT",
            help="Split on which the best epoch is selected: auto is tune, else val; none, or auto without such a "
            "split, holds out the last tenth of the photographs.",
        ),
    ] = "auto",
    epochs: Annotated[int | None, shared.epochs(_DEFAULTS)] = None,
    patience: Annotated[int | None, shared.patience(_DEFAULTS)] = None,
    learning_rate: Annotated[float | None, shared.learning_rate(_DEFAULTS)] = None,
    batch_size: Annotated[
        int,
        typer.Option(min=1, max=1_000_000, metavar="N", help="Photographs per step.", rich_help_panel=TRAINING),
    ] = LabellerTraining.batch_size,
    mention_weight: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            metavar="W",
            help="Weight of a name that no sentence mentions, beside 1 for one that is mentioned.",
            rich_help_panel=TRAINING,
        ),
    ] = LabellerTraining.mention_weight,
    folds: Annotated[
        int,
        typer.Option(
            min=0,
            max=MOST_FOLDS,
            metavar="K",
            help="Also train K labellers, each without one of K parts of the photographs; vsa train-gen then names "
            "what a photograph shows with the one that has not seen it.",
            rich_help_panel=TRAINING,
        ),
    ] = LabellerTraining.folds,
    hidden_size: Annotated[
        int, typer.Option(min=1, max=8192, metavar="N", help="Hidden units.", rich_help_panel=MODEL)
    ] = LabellerConfig.hidden_size,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    seed: Annotated[int, options.seed("Random seed of initial weights, data order and dropout.")] = 0,
    force: options.ForceRun = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
    dry_run: options.DryRun = False,
) -> None:
    """Train the labeller, which names what photographs show.

    It learns from what sentences mention (--corpus) and from the labels of a detector (--teacher), and then names
    things without either. Photographs in no corpus are all trained on. After each epoch, prints the loss, the mean
    average precision of the names and the speed. Keeps the weights of the best epoch. --resume continues an
    interrupted run and yields the same weights as an uninterrupted one.

    Example: vsa train-labels regions.h5 --corpus corpus.json -o labels/
    """
    ranks = shared.ranks_into(output, force=force, resume=resume)
    from vsa_cli.core.corpus.corpus import read_corpus
    from vsa_cli.core.corpus.split_names import resolve_split
    from vsa_cli.core.device import resolve_device, set_threads
    from vsa_cli.core.labels.labeller import fold_folder
    from vsa_cli.core.labels.names import NAMES_FILE, read_names
    from vsa_cli.core.labels.train import LabellerRequest, train_labeller
    from vsa_cli.core.learning.distributed import joined
    from vsa_cli.core.regions.store import RegionStore
    from vsa_cli.output.console import Console
    from vsa_cli.output.reports import report_request, report_training

    if folds == 1:
        raise UsageError("--folds takes 0, or at least 2 parts")
    set_threads(threads)
    processor = resolve_device(device, ranks)
    known = read_names(names or NAMES_FILE)
    corpora = tuple(map(read_corpus, corpus or ()))
    held_out = next((found for one in corpora if (found := one.validation_split(validate))), None)
    training = replace(
        LabellerTraining(batch_size=batch_size, mention_weight=mention_weight, folds=folds),
        **options.given(epochs=epochs, patience=patience, learning_rate=learning_rate),
    )
    model = LabellerConfig(known.names, hidden_size)
    request = LabellerRequest(
        output, known, model, training, resolve_split(split), held_out, seed, processor, resume, ranks=ranks
    )
    console = Console(quiet=quiet)
    if dry_run:
        report_request(console, request, as_json=json)
        return
    stores, teachers = (tuple(map(RegionStore, paths)) for paths in (regions, teacher or ()))
    with joined(ranks, processor):
        for fold in range(1, folds + 1):
            console.note(f"fold {fold} of {folds}")
            without = replace(request, training=replace(training, folds=0), left_out=(fold, folds))
            of_fold = train_labeller(without, stores, corpora, teachers)
            report_training(console, of_fold, output=fold_folder(output, fold), unit="photographs", as_json=False)
        records = train_labeller(request, stores, corpora, teachers)
        report_training(console, records, output=output, unit="photographs", as_json=json)
