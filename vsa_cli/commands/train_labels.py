"""`vsa train-labels`: train the labeller, which names what photographs show."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vsa_cli import options
from vsa_cli.commands.training_options import TRAINING, ModelFolder, Validate
from vsa_cli.core.config import LabellerConfig, LabellerTraining
from vsa_cli.core.io.files import check_output


def train_labels(
    regions: Annotated[
        list[Path],
        typer.Argument(
            metavar="REGIONS...",
            help="Regions files, from vsa extract-regions; with --detector ssd, the detector is the teacher.",
        ),
    ],
    output: ModelFolder = Path("labels"),
    corpus: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Corpus file with sentences of the photographs: what they mention is learnt as well. May be repeated.",
        ),
    ] = None,
    names: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='Names to learn, with the phrases that mention each: JSON {"hot dog": ["hot dog", "hot dogs"], ...}.',
            show_default="173 names",
        ),
    ] = None,
    validate: Validate = "auto",
    epochs: Annotated[
        int, typer.Option(min=1, metavar="N", help="Number of epochs.", rich_help_panel=TRAINING)
    ] = LabellerTraining.epochs,
    hidden_size: Annotated[
        int,
        typer.Option(min=1, max=8192, metavar="N", help="Hidden units of the network.", rich_help_panel=TRAINING),
    ] = LabellerConfig.hidden_size,
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
    threads: options.Threads = 0,
    seed: Annotated[int, options.seed("Random seed of initial weights, data order and dropout.")] = 0,
    force: options.ForceRun = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Train the labeller, which names what photographs show.

    It learns from the labels of a detector and from what sentences mention, and then names things without the detector.
    After each epoch, prints the loss and the mean average precision of names on the validation split. vsa train-gen
    --labels builds the labeller into a caption generator.

    Example: vsa train-labels regions.h5 unlabelled.h5 --corpus corpus.json -o labels/
    """
    check_output(output, force=force, resume=False, folder=True)
    from vsa_cli.core.corpus.corpus import read_corpus
    from vsa_cli.core.device import set_threads
    from vsa_cli.core.labels.names import BUNDLED_NAMES, read_names
    from vsa_cli.core.labels.train import LabellerRequest, train_labeller
    from vsa_cli.core.regions.store import RegionStore
    from vsa_cli.output.console import Console
    from vsa_cli.output.reports import report_training

    set_threads(threads)
    known = read_names(names or BUNDLED_NAMES)
    corpora = tuple(map(read_corpus, corpus or ()))
    held_out = next((found for one in corpora if (found := one.validation_split(validate))), None)
    request = LabellerRequest(
        out=output,
        names=known,
        regions=tuple(map(RegionStore, regions)),
        corpora=corpora,
        validate=held_out,
        model=replace(LabellerConfig(), names=known.names, hidden_size=hidden_size),
        training=replace(LabellerTraining(), epochs=epochs, mention_weight=mention_weight),
        seed=seed,
    )
    console = Console(quiet=quiet)
    report_training(console, train_labeller(request), output=output, unit="photographs", as_json=json)
    console.suggest("train-gen", "corpus.json", "regions.h5", "--labels", output)
