"""Man pages and completion scripts, generated from the app.

`python -m vsa_cli.reference` writes `man/*.1` and `completions/*`; with `--check` it writes nothing and fails
if a file is out of date. The output has no dates, so it changes only with the app.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer.main

from vsa_cli.app import app
from vsa_cli.reference.completion import FILES, completion
from vsa_cli.reference.man import overview, page


def reference_files(root: Any) -> dict[str, str]:
    """Every generated file: its path below the project's root, and its text; `root` is the app's command tree."""
    files = {"man/vsa.1": overview(root)}
    for name, command in root.commands.items():
        files[f"man/vsa-{name}.1"] = page(name, command)
    for shell, name in FILES.items():
        files[f"completions/{name}"] = completion(root, shell)
    return files


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` name those that are out of date; the process's exit code."""
    folder = Path(__file__).resolve().parent.parent.parent
    check = "--check" in arguments
    files = reference_files(typer.main.get_command(app))
    outdated = {name: text for name, text in files.items() if _read(folder / name) != text}
    for name, text in outdated.items():
        if not check:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        typer.echo(f"{name}: {'out of date' if check else 'written'}", err=True)
    return 1 if outdated and check else 0


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
