"""Options that the training commands share; help shows the values that the presets give them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vsa_cli.core.device import Precision as PrecisionName
from vsa_cli.core.device import available_memory
from vsa_cli.core.io.files import check_output
from vsa_cli.core.ranks import Ranks, ranks_of
from vsa_cli.help import shown_presets
from vsa_cli.options import RUNTIME, UsageError

if TYPE_CHECKING:
    from vsa_cli.core.learning.corpora import PhotographSource

TRAINING, MODEL, SOURCES = "Training", "Model", "Further sources"
"""Headings of the options in the help."""

MOST_WEIGHT = 100.0
"""The largest weight of a source."""

_SIZE = re.compile(r"(?P<number>[0-9]{1,15}(\.[0-9]{1,9})?)(?P<unit>[KMGTkmgt]?)B?", re.ASCII)
_UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}

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
        help="Keep the last epoch and ignore --patience; implied by --validate none.",
        rich_help_panel=TRAINING,
    ),
]

Also = Annotated[
    list[str] | None,
    typer.Option(
        "--also",
        metavar="CORPUS,REGIONS[,W]",
        help="Further corpus, W times per epoch. Can be given several times.",
        rich_help_panel=SOURCES,
    ),
]

Mirrored = Annotated[
    bool,
    typer.Option(
        "--mirrored",
        help="Mirror half of the photographs (extract-regions --mirrored).",
        rich_help_panel=TRAINING,
    ),
]

Memory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="Memory to use, such as 8G. Regions that need over a quarter of it are read from their file during "
        "training.",
        show_default="all of the machine's",
        rich_help_panel=RUNTIME,
    ),
]

Precision = Annotated[
    PrecisionName | None,
    typer.Option(
        "--precision",
        metavar="TYPE",
        help="Products: float32 or bf16; weights stay float32.",
        show_default="bf16 if faster",
        rich_help_panel=RUNTIME,
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
        help="Maximum epochs.",
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
        help="Initial learning rate; a cosine takes it to zero.",
        show_default=shown_presets(presets, "learning_rate"),
        rich_help_panel=TRAINING,
    )


def ranks_into(output: Path, *, force: bool, resume: bool) -> Ranks:
    """This process among those of its run, the first of which may write the output.

    Only that one checks the output: the others may find what it has already written.

    Raises:
        ConfigError: the output exists and must not be replaced, or is a file.
        DataError: it cannot be written.
    """
    ranks = ranks_of(os.environ)
    if ranks.first:
        check_output(output, force=force, resume=resume, folder=True)
    return ranks


def photographs_of(also: str) -> PhotographSource:
    """The corpus and the regions that a value of `--also` names.

    Raises:
        UsageError: the value does not have the form CORPUS,REGIONS[,W].
        DataError: a file cannot be read.
        ArtifactError: a file is damaged or of another kind.
    """
    from vsa_cli.core.corpus.corpus import read_corpus
    from vsa_cli.core.learning.corpora import PhotographSource
    from vsa_cli.core.regions.store import RegionStore

    (corpus, regions), weight = with_weight(also, "--also", "CORPUS,REGIONS[,W]", files=2)
    return PhotographSource(read_corpus(corpus), RegionStore(regions), weight)


def bytes_of(memory: str | None) -> float:
    """The bytes that `--memory` allows: a number, or one of thousands (K), millions (M) and so on, such as `1.5G`.

    Without the option, the processes on a machine share its memory.

    Raises:
        UsageError: the value is not a size.
    """
    if memory is None:
        return available_memory(ranks_of(os.environ))
    found = _SIZE.fullmatch(memory)
    size = 0.0 if found is None else float(found["number"]) * _UNITS[found["unit"].upper()]
    if not size:
        raise UsageError(f"--memory {memory}: is not a size such as 8G or 512M")
    return size


def with_weight(given: str, option: str, form: str, *, files: int) -> tuple[list[Path], float]:
    """The paths of an option's value, and the weight after them, 1 by default.

    Raises:
        UsageError: the value does not have this form, or the weight is not above 0 and at most `MOST_WEIGHT`.
    """
    parts = given.split(",")
    weight = 1.0
    if len(parts) == files + 1:
        try:
            weight = float(parts.pop())
        except ValueError:
            weight = 0.0
    if len(parts) != files or not all(parts) or not 0 < weight <= MOST_WEIGHT:
        raise UsageError(f"{option} takes {form}, with W above 0 and at most {MOST_WEIGHT:g}, not {given!r}")
    return [Path(part) for part in parts], weight
