"""Help: its length, one notation for defaults and ranges, the values of presets, a usage line for each form."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import typer.main
from typer.testing import CliRunner, Result

from vsa_cli.app import app
from vsa_cli.help import blocks, shown_presets, shown_value

Run = Callable[..., Result]
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_has_at_most_75_lines_of_100_columns(command: str) -> None:
    shown = CliRunner().invoke(app, [*command.split(), "--help"], prog_name="vsa", terminal_width=98)
    lines = shown.stdout.splitlines()
    assert len(lines) <= 75
    assert max(map(len, lines)) <= 100
    assert lines[-3].split()[:2] == ["-h,", "--help"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_no_python_types_and_one_notation_for_defaults_and_ranges(vsa: Run, command: str) -> None:
    shown = vsa(command, "--help").stdout
    assert not re.search(r"\w-$", shown, re.M), "a line breaks inside the name of an option"
    text = " ".join(shown.split())
    assert not re.search(r"<(str|int|float|path|list\[)", text)
    assert not re.search(r"<=?x|x[<>]=?|\(default|by default|env var|repeatable|may be repeated", text)
    assert not re.search(r"\d{5,}|\d\.0\b", text), "a limit against mistakes, or a float of Python"


def test_help_of_a_training_has_the_values_of_each_preset(vsa: Run) -> None:
    text = " ".join(vsa("train-embed", "--help").stdout.split())
    assert "[default: 0.001 (best), 2e-5 (paper), 0.0005 (--start)]" in text
    assert "[default: 5]" in text, "one value where the presets agree"
    text = " ".join(vsa("train-gen", "--help").stdout.split())
    assert "[default: 10 (best), 20 (paper), 3 (--start), 5 (--self-critical)]" in text


def test_usage_errors_show_each_form_of_the_command(vsa: Run) -> None:
    lines = CliRunner().invoke(app, ["retrieve", "--no-such-option"], prog_name="vsa").stderr.splitlines()
    assert lines[:3] == [
        "Usage: vsa retrieve [OPTIONS] QUERY PHOTO|DIR|-...",
        "       vsa retrieve [OPTIONS] QUERY --index DIR",
        "       vsa retrieve [OPTIONS] --serve --index DIR",
    ]


@pytest.mark.parametrize(
    ("value", "shown"), [(0.001, "0.001"), (2e-5, "2e-5"), (1.0, "1"), (-1.5, "-1.5"), (12, "12"), ("gru", "gru")]
)
def test_values_are_shown_as_a_user_types_them(value: object, shown: str) -> None:
    assert shown_value(value) == shown


def test_presets_that_agree_are_named_together() -> None:
    presets = {"best": (range(1, 9),), "paper": (range(1, 9),), "other": (range(2, 9),)}
    assert shown_presets(presets, "start") == "1 (best, paper), 2 (other)"
    assert shown_presets(presets, "stop") == "9"


def test_indented_lines_of_a_description_are_a_list() -> None:
    text = "Formats:\n\n  csv   a table\n        with a header\n  text  lines\n\nThe\nend."
    assert list(blocks(text)) == ["Formats:", [("csv", "a table with a header"), ("text", "lines")], "The end."]
