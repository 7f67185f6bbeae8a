"""Man pages and completions are what the app says today."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import typer.main

from vsa_cli.app import app
from vsa_cli.reference import COMPLETIONS, reference_files

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return reference_files()


def test_committed_files_are_up_to_date(files: dict[str, str]) -> None:
    for name, text in files.items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"{name}: run python -m vsa_cli.reference"


def test_nothing_stale_is_committed(files: dict[str, str]) -> None:
    committed = {p.relative_to(ROOT).as_posix() for folder in ("man", "completions") for p in (ROOT / folder).iterdir()}
    assert committed == set(files)


def test_every_command_has_a_summary_and_an_example() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        assert f"Example: vsa {name} " in " ".join(command.help.split())


@pytest.mark.skipif(not shutil.which("man"), reason="no man on this machine")
def test_man_pages_render_without_warnings(files: dict[str, str]) -> None:
    for name in files:
        if name.endswith(".1"):
            done = subprocess.run(["man", "--warnings", "-l", str(ROOT / name)], capture_output=True, text=True)
            assert done.returncode == 0
            assert done.stderr == ""


@pytest.mark.parametrize("shell", sorted(COMPLETIONS))
def test_completion_scripts_parse_in_their_shell(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell} on this machine")
    script = ROOT / "completions" / COMPLETIONS[shell]
    subprocess.run([shell, "-n", str(script)], check=True)
