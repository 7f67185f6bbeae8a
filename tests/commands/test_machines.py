"""Users without a home, folders without permission, environments with options for Java: what needs none of it works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.conftest import Drawn
from vsa_cli.core.doctor import Finding
from vsa_cli.core.errors import MissingError
from vsa_cli.core.io import files
from vsa_cli.core.metrics.meteor import Meteor, java_version

Run = Callable[..., Result]

JAVA = """#!/bin/sh
echo "$PICKED" >&2
echo 'openjdk version "17.0.1" 2021-10-19' >&2
echo 'OpenJDK Runtime Environment' >&2
"""


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without HOME and without an entry in the password file."""

    def fail(cls: type[Path]) -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("HOME", "VSA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", classmethod(fail))


@pytest.mark.usefixtures("homeless")
def test_photographs_are_captioned_searched_and_aligned_without_a_home(vsa: Run, drawn: Drawn) -> None:
    photo = sorted(drawn.photos.iterdir())[0]
    assert vsa("caption", photo).exit_code == 0
    assert vsa("retrieve", "a dog", photo).exit_code == 0
    assert vsa("align", photo, "a dog").exit_code == 0


@pytest.mark.usefixtures("homeless")
def test_doctor_reports_a_missing_home_folder(vsa: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsa_cli.core.doctor._speed", lambda: Finding("speed", "ok", "not measured"))
    result = vsa("doctor")
    line = next(line for line in result.stdout.splitlines() if "home directory" in line)
    assert "no home directory" in line
    assert "VSA_HOME" in line


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to become another user")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="no setpriv")
def test_a_user_of_a_container_without_an_entry_in_the_password_file(drawn: Drawn, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("HOME", "VSA_HOME", "XDG_CACHE_HOME")}
    other_user = ["setpriv", "--reuid", "12345", "--clear-groups", sys.executable]
    read = "from importlib.util import find_spec as f; [open(f(name).origin).close() for name in ('torch', 'vsa_cli')]"
    readable = subprocess.run([*other_user, "-c", read], capture_output=True, env=environment)
    if readable.returncode:
        pytest.skip("another user cannot read the installed packages")
    photo = shutil.copy(sorted(drawn.photos.iterdir())[0], "/tmp")
    try:
        command = [*other_user, "-m", "vsa_cli", "caption", photo]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    finally:
        Path(photo).unlink()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


@pytest.mark.parametrize(
    "picked",
    [
        'Picked up JAVA_TOOL_OPTIONS: -Dversion="x"',
        "Picked up _JAVA_OPTIONS: -Dos=a version 9 -Xmx1g",
        "NOTE: Picked up JDK_JAVA_OPTIONS: -Dos=a version 9",
        "Picked up JAVA_TOOL_OPTIONS: -Da\nPicked up _JAVA_OPTIONS: -Db version c",
        "OpenJDK 64-Bit Server VM warning: Options -Xverify:none were deprecated in JDK 13",
    ],
)
def test_javas_version_is_not_the_options_it_repeats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picked: str
) -> None:
    monkeypatch.setenv("PICKED", picked)
    java = tmp_path / "java"
    java.write_text(JAVA)
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert java_version() == 'openjdk version "17.0.1" 2021-10-19'


def test_only_meteor_is_absent_without_temporary_files(
    vsa: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    java = tmp_path / "java"
    java.write_text(JAVA)
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("tempfile.TemporaryFile", fail)
    with pytest.raises(MissingError, match="TMPDIR"):
        Meteor()
    (tmp_path / "references.csv").write_text("image,caption\na.jpg,a dog runs\nb.jpg,two men sit on a bench\n")
    (tmp_path / "captions.json").write_text(
        '[{"image_id": "a.jpg", "caption": "a dog"}, {"image_id": "b.jpg", "caption": "two men sit"}]'
    )
    result = vsa("evaluate", tmp_path / "captions.json", "--references", tmp_path / "references.csv")
    assert result.exit_code == 0, result.output
    assert "BLEU-1" in result.stdout
    assert "TMPDIR" in result.output


def test_an_output_needs_no_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "absent"))
    monkeypatch.setattr("tempfile.tempdir", None)
    files.write_text(tmp_path / "out.txt", "x")
    assert (tmp_path / "out.txt").read_text() == "x"
