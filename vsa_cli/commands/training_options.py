"""Options that the training commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

TRAINING, MODEL = "Training", "Model"
"""Help panels of the training commands."""

CorpusFile = Annotated[Path, typer.Argument(metavar="CORPUS", help="Corpus file, written by vsa prep.")]
RegionsFile = Annotated[Path, typer.Argument(metavar="REGIONS", help="Regions file, written by vsa extract-regions.")]
ModelFolder = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Model directory to write.")]
Split = Annotated[str, typer.Option("--split", metavar="SPLIT", help="Split to train on.")]
Validate = Annotated[
    str,
    typer.Option(
        "--validate",
        metavar="SPLIT",
        help="Split that selects the best epoch: auto takes tune, or else val; none trains for all epochs.",
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option("--epochs", min=1, metavar="N", help="Maximum passes over the sentences.", rich_help_panel=TRAINING),
]
Patience = Annotated[
    int | None,
    typer.Option(
        "--patience",
        min=1,
        metavar="N",
        help="Stop after this many epochs without a better validation.",
        rich_help_panel=TRAINING,
    ),
]
KeepLast = Annotated[
    bool,
    typer.Option(
        "--keep-last",
        help="Train for all epochs and keep the last; implied by --validate none.",
        rich_help_panel=TRAINING,
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option(
        "--learning-rate",
        min=0,
        max=1e6,
        metavar="RATE",
        help="Initial learning rate; cosine decay to zero.",
        rich_help_panel=TRAINING,
    ),
]
