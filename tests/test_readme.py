"""The READMEs: plain English, a short main one, two commands for all set-up, and only options that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from tests.test_language import faults
from vsa_cli.app import app
from vsa_cli.core.errors import EXIT_CODES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def vsa_lines(text: str) -> list[str]:
    """The `vsa` command lines in the code blocks of a README; continued and folded lines are joined."""
    lines: set[str] = set()
    for block in re.findall(r"```(?:sh|console|yaml)[^\n]*\n(.*?)```", text, re.S):
        joined = re.sub(r"\\\n\s*", "", block)
        joined = re.sub(r"run: >\n\s*(.*)\n\s*(.*)", r"run: \1 \2", joined)
        lines |= {match.strip() for match in re.findall(r"(?:^|\| |\$ |run: )(vsa [^|>\n]+)", joined, re.M)}
    return sorted(lines)


LINES = vsa_lines(README)
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.S)
OTHER_LINES = [
    line for path in sorted(ROOT.glob("tests/*/README.md")) for line in vsa_lines(path.read_text(encoding="utf-8"))
]
PROSE = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("*/*/README.md")))
}
"""The texts for people, by path."""

DIALECT = re.compile(
    r"\b(pictures?|trainings|a training(?! (run|image|sentence|split|step))|dev(?! in Flickr8k)|lies? under"
    r"|with one line|within noise|rebuil[dt]s?|faults?)\b",
    re.IGNORECASE,
)
"""Words of texts for people: photographs or images, training runs, the split `val`, retrained models, failures."""


def prose(text: str) -> str:
    """A Markdown text without code, addresses and figures."""
    text = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.S)
    return re.sub(r"!\[[^\]]*\]\([^)]*\)|\]\([^)]*\)", "", text)


@pytest.mark.parametrize("text", PROSE.values(), ids=PROSE)
def test_texts_are_plain_english(text: str) -> None:
    found = [(block, faults(block)) for block in prose(text).split("\n\n") if faults(block)]
    assert found == []
    assert [match[0] for match in DIALECT.finditer(" ".join(prose(text).split()))] == []


def test_readme_has_at_most_10_kb() -> None:
    assert len(README.encode()) <= 10_000


def test_two_commands_do_all_set_up() -> None:
    installing = [line for line in README.splitlines() if "python3 -m venv" in line]
    assert len(installing) == 2
    assert "vsa caption tests/pictures/" in installing[0]
    assert "pytest" in installing[1]


def test_readme_has_commands_and_a_python_example() -> None:
    assert len(LINES) >= 8
    assert EXAMPLES


def check_options(line: str) -> None:
    """Check that a command line names a command and options that exist."""
    _, name, *words = shlex.split(re.split(r" [|>] | \|\| ", line)[0], comments=True)
    options = {opt for parameter in COMMANDS[name].params for opt in parameter.opts}
    for word in words:
        if word.startswith("-") and word != "-":
            assert word.split("=")[0] in options, word


@pytest.mark.parametrize("line", [*LINES, *OTHER_LINES])
def test_options_of_a_line_exist(line: str) -> None:
    check_options(line)


def test_all_exit_codes_are_listed() -> None:
    listed = README[README.index("Exit codes:") :].split("\n\n")[0]
    assert all(re.search(rf"\b{code.value}\b", listed) for code in EXIT_CODES)
