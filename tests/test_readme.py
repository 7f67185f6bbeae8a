"""The README's commands exist as written: two for all set-up, and every `vsa` line with options that are there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from vsa_cli.app import EXIT_CODES, app

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
LINES = sorted(
    {
        match.strip()
        for block in re.findall(r"```(?:sh|console|yaml)[^\n]*\n(.*?)```", README, re.S)
        for match in re.findall(r"(?:^|\| |\$ |run: )(vsa [^|>\n]+)", block, re.M)
    }
)


def test_two_commands_do_all_set_up() -> None:
    installing = [line for line in README.splitlines() if "python3 -m venv" in line]
    assert len(installing) == 2
    assert "vsa caption tests/pictures/" in installing[0]
    assert "pytest" in installing[1]


def test_there_are_commands_to_check() -> None:
    assert len(LINES) >= 8


def check_options(line: str) -> None:
    """See that a command line names a command and options that are there."""
    _, name, *words = shlex.split(re.split(r" [|>] | \|\| ", line)[0])
    options = {opt for parameter in COMMANDS[name].params for opt in parameter.opts}
    for word in words:
        if word.startswith("-") and word != "-":
            assert word.split("=")[0] in options, word


@pytest.mark.parametrize("line", LINES)
def test_a_command_has_the_options_it_is_shown_with(line: str) -> None:
    check_options(line)


def test_exit_codes_are_all_told() -> None:
    told = README[README.index("Exit codes:") :].split("One broken")[0]
    assert all(re.search(rf"\b{code}\b", told) for code in EXIT_CODES)
