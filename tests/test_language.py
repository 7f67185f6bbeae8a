"""Plain English: help, messages and docstrings use none of the dialect's words and openings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer.main

from vsa_cli.app import app
from vsa_cli.help import explanation
from vsa_cli.reference.examples import ENVIRONMENT, EXAMPLES, NOTES
from vsa_cli.reference.examples import FILES as DEFAULT_FILES

PACKAGE = Path(__file__).parent.parent / "vsa_cli"
FILES = sorted(PACKAGE.rglob("*.py"))

OPENINGS = re.compile(r"^(of |likewise|see `|see there|see that |as of )", re.IGNORECASE)
"""A text must name the thing before it qualifies it, and not only point elsewhere."""

WORDS = re.compile(
    r"\b(says?|said|tells?|told|speaks?|spoken|worded|wordless|looks? at|looked at"
    r"|stands(?! for)|begun|went on|goes? on"
    r"|at once|nobody|whoever|strangers?|astray|anew|likewise|not here|what is here|no such thing|for ever"
    r"|lets? go|be had|(?<!there )is no (?!longer|more)\w+"
    r"|of no photograph|trusts nothing|does not know (?:files|boxes|artifacts|photographs)"
    r"|ours|anybody|specks?|most telling|as much again)\b",
    re.IGNORECASE,
)
"""Dialect words. A manual has: report, generate, request, start, appear, resume, together, not installed, not found."""

MESSAGES = {"note", "warn", "echo", "print_data", "Finding"}
"""Functions and methods that print a message."""


PHRASES = re.compile(
    r"\b(asked for|half a time|has left|much the same|one way through|knows (?:no(?! word)|neither) \w+"
    r"|true box(?:es)?|albums?|(?<!word-)scores file|resamplings)\b",
    re.IGNORECASE,
)
"""Riddles, and names other than those of the glossary: ground-truth box, gallery, word-scores file, resamples."""


FRAGMENTS = re.compile(r"(?:^|[.)] )(Independent (?:of|from)|Does not (?:import|depend)|No matter)\b")
"""Sentences without a subject; a docstring has "This module does not depend on"."""


def where(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def faults(text: str) -> list[str]:
    """The banned openings and words of a text."""
    found = [match[0] for match in (OPENINGS.match(text),) if match]
    return found + [match[0] for match in WORDS.finditer(" ".join(text.split()))]


def literals(node: ast.AST) -> Iterator[str]:
    """The strings below a node: the fixed parts of f-strings, but no keys, formats or names in single quotes."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def messages(tree: ast.AST) -> Iterator[str]:
    """The texts of raised errors and of what is printed on stderr."""
    for node in ast.walk(tree):
        raised = isinstance(node, ast.Raise) and node.exc is not None
        printed = isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in MESSAGES
        if raised or printed:
            yield from literals(node)


def docstring_openings(tree: ast.AST) -> Iterator[str]:
    """The first line of each docstring, and of each argument or attribute in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            summary, *rest = (ast.get_docstring(node) or "").split("\n")
            yield summary
            for line in rest:
                argument = re.match(r"    \w+: (.*)", line)
                if argument:
                    yield argument[1]


def help_texts() -> Iterator[tuple[str, str]]:
    """Where each text of the help is, and the text."""
    root = typer.main.get_command(app)
    for name, command in [("vsa", root), *root.commands.items()]:  # type: ignore[attr-defined]
        yield name, command.help
        for parameter in command.params:
            yield f"{name} {parameter.opts[0]}", parameter.help or ""


def test_help_is_plain_english() -> None:
    assert [(place, faults(text)) for place, text in help_texts() if faults(text)] == []
    unfinished = [place for place, text in help_texts() if not text.strip().endswith((".", ")"))]
    assert unfinished == [], "a help text is a sentence"


def test_messages_and_docstrings_are_plain_english() -> None:
    trees = ((path, parsed(path)) for path in FILES)
    texts = [(where(path), text) for path, tree in trees for text in (*messages(tree), *docstring_openings(tree))]
    assert [(name, text, faults(text)) for name, text in texts if faults(text)] == []


DEFAULTS_IN_WORDS = re.compile(
    r"\(default|by default|repeatable|(may|can) be repeated|env(ironment)? var", re.IGNORECASE
)
"""Notations that help does not use: a default is in brackets, and an option "can be given several times"."""


def test_help_has_one_notation_for_defaults_and_repeated_options() -> None:
    root = typer.main.get_command(app)
    texts = [explanation(p) for command in root.commands.values() for p in command.params]  # type: ignore[attr-defined]
    assert [text for text in texts if DEFAULTS_IN_WORDS.search(text)] == []


def test_man_pages_have_no_other_words() -> None:
    purposes = [purpose for examples in EXAMPLES.values() for purpose, _ in examples]
    assert all(purpose[0].isupper() and purpose.endswith(":") for purpose in purposes)
    texts = [*DEFAULT_FILES.values(), *ENVIRONMENT.values(), *NOTES.values(), *purposes]
    assert [(text, faults(text)) for text in texts if faults(text)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Of every non-recurrent layer.", ["Of "]),
        ("See `Rule`.", ["See `"]),
        ("See that one file is named.", ["See that "]),
        ("Photographs worded at once.", ["worded", "at once"]),
        ("the ratio is no number", ["is no number"]),
        ("Does not know boxes or artifacts.", ["Does not know boxes"]),
        ("The file is no longer readable; see `vsa prep`.", []),
        ("Dropout on all non-recurrent layers.", []),
    ],
)
def test_guard_finds_the_dialect_and_nothing_else(text: str, found: list[str]) -> None:
    assert faults(text) == found


def test_whole_docstrings_and_messages_have_no_riddles() -> None:
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    found = []
    for path in FILES:
        tree = parsed(path)
        docstrings = [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, documented)]
        texts = [" ".join(text.split()) for text in (*docstrings, *messages(tree))]
        found += [(where(path), text) for text in texts if PHRASES.search(text) or FRAGMENTS.search(text)]
    assert found == []


def test_every_help_that_mentions_the_paper_names_it() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    texts = {
        name: " ".join([command.help, *(parameter.help or "" for parameter in command.params)])
        for name, command in commands.items()
    }
    unnamed = [name for name, text in texts.items() if "the paper" in text and "Karpathy & Fei-Fei" not in text]
    assert unnamed == []
