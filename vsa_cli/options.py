"""Options that several commands share, so that they have the same name, help and behaviour everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from vsa_cli.core.device import Runtime
from vsa_cli.core.errors import ConfigError

RUNTIME, OUTPUT, STORED_SPLIT = "Runtime", "Output", "Corpus instead of photographs"
"""Headings of the shared options in the help."""

Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="DEVICE",
        help="cpu, cuda, cuda:N, mps, or auto (CUDA if available).",
        rich_help_panel=RUNTIME,
    ),
]
RuntimeName = Annotated[
    Runtime,
    typer.Option(
        "--runtime",
        metavar="NAME",
        help="What computes the CNN: torch, or openvino on CPUs.",
        rich_help_panel=RUNTIME,
    ),
]
Threads = Annotated[
    int,
    typer.Option(
        "--threads",
        min=0,
        max=1024,
        metavar="N",
        help="CPU threads; 0 is one per available core.",
        rich_help_panel=RUNTIME,
    ),
]
CNN_WEIGHTS = "CNN weights (.pth)."
INSTALLED_WEIGHTS = "installed with vsa or in torch's cache"
CnnWeights = Annotated[
    Path | None,
    typer.Option(
        "--cnn-weights",
        metavar="FILE",
        help=CNN_WEIGHTS,
        show_default=INSTALLED_WEIGHTS,
        rich_help_panel=RUNTIME,
    ),
]
CacheDir = Annotated[
    Path | None,
    typer.Option(
        "--cache-dir",
        metavar="DIR",
        help="Folder of the feature cache.",
        show_default="~/.cache/vsa",
        rich_help_panel=RUNTIME,
    ),
]
NoCache = Annotated[
    bool,
    typer.Option(
        "--no-cache",
        help="Compute all CNN features; do not use the feature cache.",
        rich_help_panel=RUNTIME,
    ),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace existing output.", rich_help_panel=OUTPUT)]
ForceRun = Annotated[
    bool,
    typer.Option(
        "--force", "-f", help="Replace existing output, or that of an unfinished run.", rich_help_panel=OUTPUT
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue the interrupted run in --output.", rich_help_panel=OUTPUT)
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.", rich_help_panel=OUTPUT)]
Null = Annotated[
    bool,
    typer.Option("--null", "-0", help="File names on stdin are separated by NUL, as from find -print0."),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only errors and warnings on stderr.", rich_help_panel=OUTPUT)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done and exit.", rich_help_panel=OUTPUT)]


def seed(text: str) -> Any:
    """The option `--seed`, whose help states what is random in the command."""
    return typer.Option("--seed", min=0, max=2**32 - 1, metavar="N", help=text, rich_help_panel=RUNTIME)


class UsageError(ConfigError):
    """Contradictory options, or a missing one."""


def corpus_and_regions(value: str, option: str) -> tuple[Path, Path]:
    """The two files that a value of an option names.

    Raises:
        UsageError: the value does not have the form CORPUS,REGIONS.
    """
    corpus, comma, regions = value.partition(",")
    if not (corpus and comma and regions) or "," in regions:
        raise UsageError(f"{option} takes CORPUS,REGIONS, not {value!r}")
    return Path(corpus), Path(regions)


def given(**values: Any) -> dict[str, Any]:
    """The settings that were given, of those whose default is set by a preset."""
    return {name: value for name, value in values.items() if value is not None}


def option_names(parameters: Iterable[Any]) -> dict[str, str]:
    """How a command's parameters are written on its command line, by their Python names.

    An option by its first long name, an argument by its metavariable without brackets.
    """
    return {
        p.name: p.metavar.strip("[].") if p.param_type_name == "argument" else _long_name(p.opts) for p in parameters
    }


def _long_name(names: Sequence[str]) -> str:
    return next((name for name in names if name.startswith("--")), names[0])
