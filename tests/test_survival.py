"""Short forms of the programs in `tests.survival`: kills, full disks, hostile input, memory, no network."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tests.survival.cases import Trap, run
from tests.survival.fork_server import ForkServer
from tests.survival.fuzz import TARGETS, try_mutants
from tests.survival.hostile import every_case
from tests.survival.jobs import Job, jobs
from tests.survival.kills import Uninterrupted, kill_often, run_twice
from tests.survival.load import trend
from tests.survival.material import Material, make
from tests.survival.scarcity import full_disk, full_stdout, read_only, vanishing_input

JOBS = ("prep", "extract-regions", "train-embed", "train-gen", "caption")


@pytest.fixture(scope="module")
def made(server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make(tmp_path_factory.mktemp("survival") / "made", server, epochs=2)


@pytest.fixture(scope="module")
def uninterrupted(
    server: ForkServer, made: Material, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Job, Uninterrupted]]:
    """A job by its name, and its uninterrupted runs, made once; their folders are as deep as `tmp_path`."""

    @cache
    def run_once(name: str) -> tuple[Job, Uninterrupted]:
        (job,) = (job for job in jobs(made, epochs=3) if job.name == name)
        return job, run_twice(server, job, tmp_path_factory.mktemp(name), cold=False)

    return run_once


@pytest.mark.parametrize("name", JOBS)
def test_killed_command_resumes_to_the_output_of_an_uninterrupted_run(
    name: str, server: ForkServer, uninterrupted: Callable[[str], tuple[Job, Uninterrupted]], tmp_path: Path
) -> None:
    job, whole = uninterrupted(name)
    tally = kill_often(server, job, tmp_path, times=2, cold=False, whole=whole)
    assert tally.faults == []
    assert tally.kills >= 1


@pytest.mark.parametrize("name", JOBS)
def test_interrupted_command_exits_with_130_and_resumes(
    name: str, server: ForkServer, uninterrupted: Callable[[str], tuple[Job, Uninterrupted]], tmp_path: Path
) -> None:
    job, whole = uninterrupted(name)
    tally = kill_often(server, job, tmp_path, times=3, cold=False, interrupt=True, whole=whole)
    assert tally.faults == []
    assert tally.kills >= 1


@pytest.mark.parametrize("name", ["extract-regions", "train-gen", "caption"])
def test_full_disk_loses_no_finished_work(
    name: str, server: ForkServer, uninterrupted: Callable[[str], tuple[Job, Uninterrupted]], tmp_path: Path
) -> None:
    job, whole = uninterrupted(name)
    found = full_disk(server, job, whole.reference, tmp_path, shares=(0.6,))
    if found is None:
        pytest.skip("no right to mount a file system")
    assert found == []
    assert read_only(server, job, tmp_path) == []


def test_full_stdout_and_vanishing_images_are_reported(server: ForkServer, made: Material, tmp_path: Path) -> None:
    assert full_stdout(server, made) == []
    assert vanishing_input(server, made, tmp_path) == []


def test_hostile_input_is_a_one_line_error(server: ForkServer, made: Material, tmp_path: Path) -> None:
    trap = Trap(tmp_path / "trap")
    cases = [case for case in every_case(made, tmp_path, trap, largest=False) if case.quick]
    assert len(cases) > 30
    assert [fault for case in cases for fault in run(server, case, trap, made)[1]] == []


@pytest.mark.parametrize("name", TARGETS)
def test_mutants_raise_nothing_but_vsa_errors(name: str, made: Material, tmp_path: Path) -> None:
    assert try_mutants(name, made, tmp_path, examples=40) == []


def test_trend_separates_growth_from_noise() -> None:
    rng = np.random.default_rng(0)
    level = 400 + rng.normal(0, 3, 1000)
    assert trend(list(level)).is_flat
    assert not trend(list(level + np.linspace(0, 60, 1000))).is_flat
    assert trend(list(level + np.linspace(0, 60, 1000))).growth == pytest.approx(54, abs=3)


DENIED = """
import json, sys

def deny(event, arguments):
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
        raise SystemExit(f"network: {event} {arguments}")

sys.addaudithook(deny)
from typer.testing import CliRunner
from vsa_cli.app import app

for words in json.loads(sys.argv[1]):
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, (words, result.output, result.stderr)
"""
"""A program that runs commands in one process and fails if a socket is used."""


def test_no_command_uses_the_network(made: Material, tmp_path: Path) -> None:
    photo, both = made.photos / "000.png", ("--corpus", made.corpus, "--regions-file", made.regions)
    commands = (
        ("prep", made.captions, "--images", made.photos, "-o", tmp_path / "corpus.json"),
        ("extract-regions", made.corpus, "-o", tmp_path / "r.h5", "--detector", "grid", "--side", 64),
        ("train-gen", made.corpus, made.regions, "-o", tmp_path / "gen", "--epochs", 1, "--hidden-size", 8),
        ("train-embed", made.corpus, made.regions, "-o", tmp_path / "embed", "--epochs", 1, "--size", 8),
        ("align", *both, "--model", made.embed, "-o", tmp_path / "s.jsonl", "--html", tmp_path / "html"),
        ("caption", photo, "--model", made.gen, "--format", "html", "-o", tmp_path / "album.html"),
        ("retrieve", "a red circle", photo, "--model", made.embed, "--no-cache", "--explain"),
        ("retrieve", *both, "--model", made.embed, "-o", tmp_path / "rankings.jsonl"),
        ("evaluate", made.generated, "--references", made.corpus, "--metric", "BLEU"),
        ("info", made.gen),
    )
    words = json.dumps([[str(word) for word in command] for command in commands])
    done = subprocess.run(
        [sys.executable, "-c", DENIED, words], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_denial_of_sockets_works() -> None:
    code = DENIED.partition("from typer")[0] + "import socket; socket.create_connection(('127.0.0.1', 9))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert "network: socket." in done.stderr
