"""Fixtures: a drawn corpus with all its artifacts, made once; command runners; marks that skip with a reason."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import typer.main
from typer.testing import CliRunner, Result

from tests.drawn import write_corpus
from tests.survival.fork_server import ForkServer
from vsa_cli.app import app
from vsa_cli.core.learning.model_dir import pack_model
from vsa_cli.core.regions import ssd

# the processes of the suite share the cores: one thread each, in this process and in those that tests start
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")


@dataclass(frozen=True)
class Drawn:
    """Paths of the drawn corpus and its artifacts, which tests only read."""

    folder: Path
    photos: Path
    captions: Path
    corpus: Path
    regions: Path
    model: Path


FIRST = ("test_quality.py", "test_survival.py", "test_readme_runs.py")
"""Files with the longest tests, or with fixtures that take longer than most of their tests."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    _skip_for_reasons(items)
    # xdist gives each process an equal part of the list; one that has finished takes tests from the end of another's
    # part. At the end of the list, a long test would be waited for, and fixtures made by two processes
    count = getattr(config, "workerinput", {}).get("workercount", 1)
    first = [item for item in items if item.path.name in FIRST]
    others = [item for item in items if item.path.name not in FIRST]
    start = min(len(items) * (count - 1) // count, len(others))  # of the last part
    items[:] = others[:start] + first + others[start:]


def _skip_for_reasons(items: list[pytest.Item]) -> None:
    reasons = {
        "cuda": None if torch.cuda.is_available() else "no CUDA device",
        "detector": None if ssd.is_installed() else f"no SSD: {ssd.REMEDY}",
        "java": None if shutil.which("java") else "no Java runtime",
        "flickr8k": None if os.environ.get("VSA_FLICKR8K") else "VSA_FLICKR8K does not name a Flickr8k folder",
    }
    for item in items:
        for mark, reason in reasons.items():
            if reason and item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache folder for the tests, so that they neither use nor change the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VSA_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> Iterator[None]:
    """Restore Ctrl-C, which a shell's `&` makes programs and their children ignore; tests interrupt processes."""
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, usual)


@pytest.fixture(scope="session", autouse=True)
def _commands_built_once() -> Iterator[None]:
    """Let runners reuse the commands that Typer builds from their signatures, a tenth of a second for each run."""
    with pytest.MonkeyPatch.context() as patch:
        # a private name: where Typer lacks it, runs are only slower
        patch.setattr("typer.testing._get_command", functools.cache(typer.main.get_command), raising=False)
        yield


@pytest.fixture(scope="session")
def vsa() -> Callable[..., Result]:
    """Run `vsa` in this process: `vsa("prep", path, ...)`. An unexpected exception fails the test."""
    runner = CliRunner()

    def run(*arguments: object, stdin: str | bytes | None = None) -> Result:
        return runner.invoke(app, [str(argument) for argument in arguments], input=stdin, catch_exceptions=False)

    return run


@pytest.fixture(scope="session")
def server() -> Iterator[ForkServer]:
    """Starts processes of `vsa` without the seconds of importing."""
    with ForkServer() as server:
        yield server


@pytest.fixture(scope="session")
def vsa_process(server: ForkServer) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run `vsa` as a separate process, to test streams, exit codes, folders and environments."""

    def run(
        *arguments: object,
        input: bytes = b"",
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdout: Path | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        done = server.run(*arguments, stdin=input, cwd=cwd, environment=env, stdout=stdout)
        return subprocess.CompletedProcess(arguments, done.code, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory, vsa: Callable[..., Result]) -> Drawn:
    """Drawn photographs with two to four captions each, and all artifacts made from them."""
    folder = tmp_path_factory.mktemp("drawn")
    write_corpus(folder)
    made = Drawn(
        folder,
        folder / "photos",
        folder / "captions.csv",
        folder / "corpus.json",
        folder / "regions.h5",
        folder / "gen",
    )
    steps = (
        ("prep", made.captions, "--images", made.photos, "-o", made.corpus, "--min-count", 1),
        ("extract-regions", made.corpus, "-o", made.regions, "--detector", "grid", "--top", 3, "--side", 96),
        ("train-gen", made.corpus, made.regions, "-o", made.model, *SMALL, "--epochs", 20, "--patience", 20),
    )
    for step in steps:
        result = vsa(*step)
        assert result.exit_code == 0, result.output
    return made


SMALL = (
    "--preset", "paper", "--hidden-size", 96, "--word-size", 48, "--batch-size", 16, "--dropout", 0.1,
    "--learning-rate", 3e-3,
)  # fmt: skip
"""Options of a generator that learns the drawn corpus in seconds."""


@pytest.fixture(scope="session")
def embed(tmp_path_factory: pytest.TempPathFactory, vsa: Callable[..., Result], drawn: Drawn) -> Path:
    """An alignment model of the drawn corpus."""
    folder = tmp_path_factory.mktemp("embed") / "embed"
    result = vsa("train-embed", drawn.corpus, drawn.regions, "-o", folder, *SMALL_EMBED, "--epochs", 12)
    assert result.exit_code == 0, result.output
    return folder


SMALL_EMBED = ("--size", 64, "--hidden-size", 48, "--batch-size", 24, "--patience", 50, "--learning-rate", 3e-3)
"""Options of an alignment model that learns the drawn corpus in seconds."""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless Chromium: the installed one, or the one that VSA_CHROMIUM names."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install '.[browser]'")
    program = os.environ.get("VSA_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine, and VSA_CHROMIUM names none")
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=program, args=["--no-sandbox"])  # CI runs as root
        yield browser
        browser.close()


@pytest.fixture
def bundled(
    tmp_path_factory: pytest.TempPathFactory, drawn: Drawn, embed: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Models of the drawn corpus in place of those installed with the package."""
    folder = tmp_path_factory.mktemp("bundled")
    for name, model in (("gen", drawn.model), ("embed", embed)):
        pack_model(model, folder / name)
    monkeypatch.setattr("vsa_cli.core.learning.model_dir.BUNDLE", folder)
    return folder
