"""Options that several commands share, so that they have the same name, help and behaviour everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from vsa_cli.core.errors import ConfigError

RUNTIME, OUTPUT = "Runtime", "Output"
"""Help panels of the shared options."""

Device = Annotated[
    str,
    typer.Option("--device", metavar="DEVICE", help="Device: auto, cpu, cuda, cuda:N or mps.", rich_help_panel=RUNTIME),
]
Threads = Annotated[
    int,
    typer.Option(
        "--threads", min=0, max=1024, metavar="N", help="CPU threads; 0 uses every core.", rich_help_panel=RUNTIME
    ),
]
Seed = Annotated[
    int, typer.Option("--seed", min=0, max=2**32 - 1, metavar="N", help="Random seed.", rich_help_panel=RUNTIME)
]
CnnWeights = Annotated[
    Path | None,
    typer.Option(
        "--cnn-weights",
        metavar="FILE",
        help="CNN weights (.pth); the EfficientNet-Lite networks need none.",
        rich_help_panel=RUNTIME,
    ),
]
CacheDir = Annotated[
    Path | None,
    typer.Option(
        "--cache-dir",
        metavar="DIR",
        help="Feature cache; ~/.cache/vsa by default.",
        rich_help_panel=RUNTIME,
    ),
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Do not use the feature cache.", rich_help_panel=RUNTIME)]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace existing output.", rich_help_panel=OUTPUT)]
Resume = Annotated[bool, typer.Option("--resume", help="Resume an interrupted run.", rich_help_panel=OUTPUT)]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.", rich_help_panel=OUTPUT)]
Null = Annotated[
    bool,
    typer.Option(
        "--null", "-0", help="Names of a list on stdin end with NUL, as from find -print0.", rich_help_panel=RUNTIME
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only errors and warnings on stderr.", rich_help_panel=OUTPUT)
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and stop.", rich_help_panel=OUTPUT)]


class UsageError(ConfigError):
    """Options that contradict each other, or of which one is missing."""


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


def panel_of(option: Any) -> str:
    """The heading under which help shows an option."""
    return str(getattr(option, "rich_help_panel", None) or "Options")
