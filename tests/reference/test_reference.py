"""Man pages and completion scripts are up to date, complete and well formed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from tests.test_readme import check_options
from vsa_cli.app import app
from vsa_cli.help import usages
from vsa_cli.reference.__main__ import reference_files
from vsa_cli.reference.completion import FILES
from vsa_cli.reference.examples import ENVIRONMENT, EXAMPLES

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return reference_files(typer.main.get_command(app))


def test_committed_files_are_up_to_date(files: dict[str, str]) -> None:
    for name, text in files.items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"{name}: run python -m vsa_cli.reference"


def test_no_other_file_is_committed(files: dict[str, str]) -> None:
    committed = {p.relative_to(ROOT).as_posix() for folder in ("man", "completions") for p in (ROOT / folder).iterdir()}
    assert committed == set(files)


def test_every_command_has_a_summary_and_an_example() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        assert command.short_help
        assert " ".join(command.epilog.split()).startswith(f"Example: vsa {name} ")


def test_usage_and_man_page_mark_optional_arguments_and_required_options(files: dict[str, str]) -> None:
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        operands = [p for p in command.params if p.param_type_name == "argument"]
        for one in operands:
            assert one.metavar.startswith("[") != one.required, f"{name} {one.metavar}"
            assert ("..." in one.metavar) == (one.nargs == -1), f"{name} {one.metavar}"
        needed = [p for p in command.params if p.param_type_name == "option" and p.required]
        assert " ".join(files[f"man/vsa-{name}.1"].split()).count("[required") == len(needed)


def test_usage_lines_have_every_argument_and_every_required_option() -> None:
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        forms = usages(name, command)
        shown = CliRunner().invoke(app, [name, "--help"], prog_name="vsa").stdout.splitlines()[: len(forms)]
        assert [line.removeprefix("Usage:").split() for line in shown] == [
            ["vsa", name, "[OPTIONS]", *form.split()] for form in forms
        ]
        options = {opt: p for p in command.params if p.param_type_name == "option" for opt in p.opts}
        metavars = [p.metavar for p in command.params if p.param_type_name == "argument"]
        for form in forms:
            check_options(f"vsa {name} {form.replace('|-', '')}")
            assert all({*p.opts} & {*form.split()} for p in options.values() if p.required), form
            words = re.sub(r"\[?--?[a-z][\w-]*( OLD NEW| [A-Z]+)?\]?", "", form).split()
            assert {word.strip("[].") for word in words} <= {metavar.strip("[].") for metavar in metavars}, form
        for metavar in metavars:
            assert any(metavar.strip("[].") in form for form in forms), f"{name} {metavar}"


def test_man_page_has_the_panels_of_the_help_as_subsections(files: dict[str, str]) -> None:
    text = files["man/vsa-extract-regions.1"]
    assert (
        text.index(".SH OPTIONS") < text.index(".SS Runtime") < text.index("\\-\\-device") < text.index(".SH EXAMPLES")
    )
    assert ".SS Options" not in text


@pytest.mark.skipif(not shutil.which("man"), reason="no man on this machine")
def test_man_pages_render_without_warnings(files: dict[str, str]) -> None:
    for name in files:
        if name.endswith(".1"):
            done = subprocess.run(["man", "--warnings", "-l", str(ROOT / name)], capture_output=True, text=True)
            assert done.returncode == 0
            assert done.stderr == ""


@pytest.mark.skipif(not shutil.which("mandoc"), reason="no mandoc on this machine")
def test_mandoc_lint_is_silent(files: dict[str, str]) -> None:
    pages = sorted(str(ROOT / name) for name in files if name.endswith(".1"))
    done = subprocess.run(["mandoc", "-Tlint", "-Wall", *pages], capture_output=True, text=True, check=False)
    # the pages refer to each other, and are not installed here
    found = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
    assert found == []


def test_man_pages_have_their_sections(files: dict[str, str]) -> None:
    expected = [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "EXAMPLES",
        "EXIT_STATUS",
        "ENVIRONMENT",
        "FILES",
        "SEE_ALSO",
    ]
    for name, text in files.items():
        if name.endswith(".1"):
            found = [line[4:].replace(" ", "_") for line in text.splitlines() if line.startswith(".SH ")]
            without = {"man/vsa-info.1": {"ENVIRONMENT", "FILES"}, "man/vsa-evaluate.1": {"FILES"}}.get(name, set())
            assert [section for section in found if section in expected] == [
                section for section in expected if section not in without
            ], name


def test_man_pages_have_only_the_exit_codes_variables_and_files_of_their_command(files: dict[str, str]) -> None:
    caption, evaluate, whole = (files[f"man/{name}.1"] for name in ("vsa-caption", "vsa-evaluate", "vsa"))
    assert "VSA\\(ulGEN" in caption or "VSA_GEN_MODEL" in caption
    assert "VSA_EMBED_MODEL" not in caption
    assert "\\fB5\\fR" not in caption
    assert "\\fB5\\fR" in evaluate
    assert "settings.json" in caption
    assert "settings.json" not in evaluate
    assert all(variable in whole for variable in ENVIRONMENT)


def test_environment_variables_are_all_documented() -> None:
    root = typer.main.get_command(app)
    used = {p.envvar for c in root.commands.values() for p in c.params if p.envvar}  # type: ignore[attr-defined]
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "vsa_cli" / "core").rglob("*.py"))
    used |= set(re.findall(r"environ(?:\.get\(|\[)\"([A-Z_]+)\"", code))
    assert used <= set(ENVIRONMENT)


@pytest.mark.parametrize("line", [line for lines in EXAMPLES.values() for _, line in lines])
def test_options_of_an_example_exist(line: str) -> None:
    line = line.replace("-m vsa_cli ", "vsa ")
    check_options(line[line.index("vsa ") :])


@pytest.mark.parametrize("shell", sorted(FILES))
def test_completion_scripts_parse_in_their_shell(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"no {shell} on this machine")
    script = ROOT / "completions" / FILES[shell]
    subprocess.run([shell, "-n", str(script)], check=True)
