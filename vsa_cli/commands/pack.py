"""`vsa pack`: write a smaller copy of a trained model for sharing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsa_cli import options
from vsa_cli.core.io.files import check_output


def pack(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Trained model: a directory such as gen/ or embed/.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Model directory to write.")],
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Write a smaller copy of a trained model for sharing: float16, without training state.

    The copy is used like the original, but its training cannot be continued with --resume.

    Example: vsa pack gen/ -o gen16/
    """
    check_output(output, force=force, folder=True)
    from vsa_cli.core.learning.model_dir import pack_model
    from vsa_cli.output.console import Console

    before, after = pack_model(model, output)
    Console(quiet=quiet).note(f"{output}: {after / 1e6:.1f} MB of weights, reduced from {before / 1e6:.1f}")
