"""`vsa info`: describe a file or model that vsa has written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vsa_cli import options


def info(
    artifact: Annotated[
        Path,
        typer.Argument(
            metavar="ARTIFACT",
            help="corpus.json, regions.h5, model directory, index of photographs, snippets, word scores, rankings, "
            "document frequencies or calibration.",
        ),
    ],
    json: options.Json = False,
) -> None:
    """Describe a file or model that vsa has written: what it is, how it was made and from what.

    Prints, one per line: format, version, settings, sizes, and the hashes of ARTIFACT and of the files it was made
    from.

    Example: vsa info corpus.json --json
    """
    from vsa_cli.core.inspect import describe_artifact
    from vsa_cli.core.io.json import dump_json
    from vsa_cli.output.console import print_data

    facts = describe_artifact(artifact)
    lines = [dump_json(facts)] if json else [f"{name}: {_plain(value)}" for name, value in facts.items()]
    for line in lines:
        print_data(line)


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(inner)}" for name, inner in value.items()) or "none"
    return str(value)
