"""Options that the training commands share; help shows the values that the presets give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from vsa_cli.help import shown_presets

TRAINING, MODEL, SOURCES = "Training", "Model", "Further sources and tags"
"""Headings of the options in the help."""

CorpusFile = Annotated[Path, typer.Argument(metavar="CORPUS", help="Corpus file, from vsa prep.")]
RegionsFile = Annotated[Path, typer.Argument(metavar="REGIONS", help="Regions file, from vsa extract-regions.")]
ModelFolder = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Model directory to write.")]
Split = Annotated[
    str, typer.Option("--split", metavar="SPLIT", help="Split to train on: train, tune, val, test or all.")
]
Validate = Annotated[
    str,
    typer.Option(
        "--validate",
        metavar="SPLIT",
        help="Split on which the best epoch is selected: auto is tune, else val, else none; none keeps the last epoch.",
    ),
]
KeepLast = Annotated[
    bool,
    typer.Option(
        "--keep-last",
        help="Train for all epochs, ignoring --patience, and keep the last; implied by --validate none.",
        rich_help_panel=TRAINING,
    ),
]

Presets = Mapping[str, Sequence[object]]
"""The configurations of each preset, the default preset first."""


def epochs(presets: Presets) -> Any:
    """The option `--epochs`."""
    return typer.Option(
        "--epochs",
        min=1,
        metavar="N",
        help="Maximum number of epochs.",
        show_default=shown_presets(presets, "epochs"),
        rich_help_panel=TRAINING,
    )


def patience(presets: Presets) -> Any:
    """The option `--patience`."""
    return typer.Option(
        "--patience",
        min=1,
        metavar="N",
        help="Stop after N epochs without improvement in validation.",
        show_default=shown_presets(presets, "patience"),
        rich_help_panel=TRAINING,
    )


def learning_rate(presets: Presets) -> Any:
    """The option `--learning-rate`."""
    return typer.Option(
        "--learning-rate",
        min=0,
        max=1e6,
        metavar="RATE",
        help="Initial learning rate; it decays to zero along a cosine.",
        show_default=shown_presets(presets, "learning_rate"),
        rich_help_panel=TRAINING,
    )
