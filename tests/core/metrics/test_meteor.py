"""METEOR's process: what it is sent, how it ends, and the errors when it cannot run."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from vsa_cli.core.errors import MissingError
from vsa_cli.core.metrics.meteor import Meteor, additive_counts


def fake_java(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    java = folder / "java"
    java.write_text(f"#!/bin/sh\n{script}\n")
    java.chmod(java.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_missing_java_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingError, match="no java"):
        Meteor()


def test_error_output_of_a_crashed_process_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_java(tmp_path, "echo 'not enough memory' >&2; exit 1", monkeypatch)
    with Meteor() as process, pytest.raises(MissingError, match="not enough memory"):
        process.statistics([("a dog", ["a dog"])] * 2000)


def test_answers_that_are_not_numbers_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_java(tmp_path, "while read line; do echo 1957824,35 tokens; echo more; done", monkeypatch)
    with Meteor() as process:
        lines = process.statistics([("a dog", ["a dog"])])
        with pytest.raises(MissingError):
            additive_counts(lines)
    with Meteor() as process, pytest.raises(MissingError, match="did not return a number"):
        process.scores(["1 2"])


def test_java_that_cannot_be_executed_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = tmp_path / "java"
    java.write_bytes(b"\x7fELF broken")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingError, match="cannot start METEOR"):
        Meteor()


def test_locale_is_fixed_and_the_process_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    fake_java(tmp_path, f'echo "$LC_ALL $*" > {tmp_path}/arguments; exec cat', monkeypatch)
    with Meteor() as process:
        line = process.statistics([("a\ndog |||  x", ["one\r\nline"])])[0]
    assert line == "SCORE ||| one  line ||| a dog  x"
    assert process._process.poll() is not None
    arguments = (tmp_path / "arguments").read_text()
    assert arguments.startswith("C ")
    assert "-Duser.language=en" in arguments


@pytest.mark.java
def test_unusual_texts_do_not_shift_the_answers(jar: Meteor) -> None:
    pairs = [("", ["a dog"]), ("a\ndog", ["a dog"]), ("||| |||", ["a |||"]), ("é ☺", ["é ☺"]), ("a cat", [""])] * 30
    each, corpus = jar.scores(jar.statistics(pairs))
    assert each == each[:5] * 30
    assert each[1] == each[3] == 1
    assert each[0] == 0
    assert 0 < corpus < 1
