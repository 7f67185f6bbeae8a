"""Options that several commands share, so that they read and behave the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vsa_cli.core.errors import ConfigError

Device = Annotated[str, typer.Option("--device", metavar="DEVICE", help="Processor: auto, cpu, cuda, cuda:N or mps.")]
Threads = Annotated[
    int, typer.Option("--threads", min=0, max=1024, metavar="N", help="Threads to use; 0 takes every core.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, metavar="N", help="Where randomness starts.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace an output that exists.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing on stderr but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
CnnWeights = Annotated[
    Path | None,
    typer.Option("--cnn-weights", metavar="FILE", help="Weights of the CNN (.pth); never needed for the Lite ones."),
]
CacheDir = Annotated[
    Path | None, typer.Option("--cache-dir", metavar="DIR", help="Where photographs seen before are kept.")
]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Keep nothing and use nothing kept.")]


def given(**values: Any) -> dict[str, Any]:
    """Those options of a preset that were given."""
    return {name: value for name, value in values.items() if value is not None}


class UsageError(ConfigError):
    """Options that contradict each other, or of which one is missing."""
