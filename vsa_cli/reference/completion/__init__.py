"""Completion scripts, generated from the app: what a shell offers after Tab, without starting Python.

Each shell's module turns the same commands into its own language. The scripts know which kinds of files an option
takes, and read the beginning of a `corpus.json` or of a model's `config.json` to recognise it.
"""

from __future__ import annotations

from typing import Any

from vsa_cli.reference.completion import bash, fish, zsh
from vsa_cli.reference.completion.model import commands_of

SCRIPTS = {"bash": bash.script, "zsh": zsh.script, "fish": fish.script}
"""Shell: the function that writes its script."""

FILES = {"bash": "vsa.bash", "zsh": "_vsa", "fish": "vsa.fish"}
"""Shell: the name of its script's file."""


def completion(root: Any, shell: str) -> str:
    """The completion script of a shell for the app whose command tree is `root`."""
    return SCRIPTS[shell](commands_of(root))
