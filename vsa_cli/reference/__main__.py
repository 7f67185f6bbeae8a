"""Man pages and completion scripts, written from the app itself.

`python -m vsa_cli.reference` writes `man/*.1` and `completions/*`; with `--check` it writes nothing and fails
where a file differs from what it would write. The output has no dates, so it changes only with the app.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer.main

from vsa_cli.app import Shell, app
from vsa_cli.reference.completion import Command, bash, commands_of, fish, zsh
from vsa_cli.reference.man import overview, page

COMPLETIONS: dict[Shell, str] = {"bash": "vsa.bash", "zsh": "_vsa", "fish": "vsa.fish"}
SCRIPTS: dict[Shell, Callable[[Sequence[Command]], str]] = {
    "bash": bash.script,
    "zsh": zsh.script,
    "fish": fish.script,
}


def reference_files() -> dict[str, str]:
    """Every generated file: its path below the project's root, and its text."""
    root: Any = typer.main.get_command(app)
    files = {"man/vsa.1": overview(root)}
    for name, command in root.commands.items():
        files[f"man/vsa-{name}.1"] = page(name, command)
    for shell, name in COMPLETIONS.items():
        files[f"completions/{name}"] = completion(shell)
    return files


def completion(shell: Shell) -> str:
    """The completion script for a shell."""
    return SCRIPTS[shell](commands_of(typer.main.get_command(app)))


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` name those that are out of date; the process's exit code."""
    root = Path(__file__).resolve().parent.parent
    epochs_since_best = []
    for name, text in reference_files().items():
        path = root / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        epochs_since_best.append(name)
        if "--check" not in arguments:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in epochs_since_best:
        typer.echo(f"{name}: {'out of date' if '--check' in arguments else 'written'}", err=True)
    return 1 if epochs_since_best and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
