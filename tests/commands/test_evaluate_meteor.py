"""`vsa evaluate` with and without Java, which only METEOR needs."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from vsa_cli.core.metrics.meteor import _find_jar

Run = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def references(tmp_path: Path) -> Path:
    sentences = {f"{animal}.jpg": [f"a {animal} runs in the snow", f"the {animal} runs"] for animal in ("dog", "cat")}
    (tmp_path / "references.json").write_text(json.dumps(sentences))
    return tmp_path / "references.json"


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    """Captions of which one equals a reference word for word."""
    (tmp_path / "captions.json").write_text(json.dumps({"dog.jpg": "a dog runs", "cat.jpg": "the cat runs"}))
    return tmp_path / "captions.json"


def test_without_java_all_metrics_but_meteor_are_computed(
    vsa_process: Process, captions: Path, references: Path
) -> None:
    command = ("evaluate", captions, "--references", references, "--json")
    done = vsa_process(*command, env={"PATH": ""})
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert found["METEOR"] is None
    assert "Java" in found["METEOR_absent"]
    assert b"METEOR was not computed" in done.stderr
    assert b"Traceback" not in done.stderr
    assert found["CIDEr"] > 0
    assert vsa_process(*command, "--metric", "METEOR", env={"PATH": ""}).returncode == 4
    assert vsa_process(*command, "--fail-under", "METEOR=0.1", env={"PATH": ""}).returncode == 4


@pytest.fixture
def small_jar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """METEOR with one paraphrase in its table, which otherwise takes many seconds to load."""
    installed = _find_jar()
    assert installed is not None
    folder = tmp_path / "meteor"
    (folder / "data").mkdir(parents=True)
    shutil.copy(installed, folder)
    with gzip.open(folder / "data" / "paraphrase-en.gz", "wt") as table:
        table.write("0.5\na dog\nthe dog\n")
    monkeypatch.setattr("vsa_cli.core.metrics.meteor._find_jar", lambda: folder / installed.name)


@pytest.mark.java
@pytest.mark.usefixtures("small_jar")
def test_java_adds_meteor_and_changes_no_other_metric(
    vsa: Run, vsa_process: Process, captions: Path, references: Path
) -> None:
    command = ("evaluate", captions, "--references", references, "--json")
    found = json.loads(vsa(*command).stdout)
    without = json.loads(vsa_process(*command, env={"PATH": ""}).stdout)
    assert 0 < found.pop("METEOR") < 1
    assert found == {name: value for name, value in without.items() if not name.startswith("METEOR")}
