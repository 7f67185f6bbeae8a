"""Training by several processes: who speaks, how errors, deaths and Ctrl-C end all of them, and what resumes them.

Most runs are forks of a server with the environment that `torchrun` gives its processes; one is started by `torchrun`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open

from tests.conftest import SMALL_EMBED, Drawn
from tests.processes import SIZE, Together
from tests.survival.fork_server import ROOT, ForkServer
from vsa_cli.core.learning.model_dir import read_tensors


@pytest.fixture(scope="module")
def together(server: ForkServer) -> Together:
    return Together(server)


def command(drawn: Drawn, out: Path, *options: object) -> tuple[object, ...]:
    return ("train-embed", drawn.corpus, drawn.regions, "-o", out, *SMALL_EMBED, "--epochs", 6, *options)


def weights(folder: Path) -> dict[str, list[float]]:
    with safe_open(folder / "model.safetensors", "pt") as file:
        return {name: file.get_tensor(name).flatten().tolist() for name in file.keys()}  # noqa: SIM118


def wait_for(condition: Callable[[], object], is_alive: Callable[[], bool], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert is_alive(), "the process ended before"
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.01)


def test_interrupted_processes_end_with_130_and_resume_to_the_same_weights(
    together: Together, drawn: Drawn, tmp_path: Path
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "embed"
    first, other = together.run(*command(drawn, whole, "--json"))
    assert (first.code, other.code) == (0, 0), first.stderr
    assert (other.stdout, other.stderr) == (b"", b""), "only the first process prints"
    assert len(json.loads(first.stdout)["epochs"]) == 6
    assert len(first.lines) == 7
    processes = together.start(*command(drawn, out, "-q"))
    wait_for((out / "training.safetensors").exists, lambda: processes[0].ended(0) is None)
    for process in processes:
        process.interrupt()
    ended = [process.wait() for process in processes]
    assert [(one.code, one.stderr) for one in ended] == [(130, b"")] * SIZE
    assert [one.code for one in together.run(*command(drawn, out, "-q", "--resume"))] == [0, 0]
    assert weights(out) == weights(whole)


def test_error_of_all_processes_is_reported_once(together: Together, drawn: Drawn, tmp_path: Path) -> None:
    wrong_usage = command(drawn, tmp_path / "embed", "--cnn-rate", 1)
    unknown_option = command(drawn, tmp_path / "embed", "--unknown")
    missing_file = ("train-embed", tmp_path / "missing.json", drawn.regions, "-o", tmp_path / "embed")
    for arguments, code in ((wrong_usage, 2), (unknown_option, 2), (missing_file, 1)):
        first, other = together.run(*arguments)
        assert (first.code, other.code) == (code, code)
        printed = [one.stderr for one in (first, other) if one.stderr]
        assert len(printed) == 1
        if code == 2:
            assert printed == [first.stderr]
        else:
            assert printed[0].count(b"\n") == 1


def test_killed_process_ends_a_run_of_torchrun_that_can_be_resumed(drawn: Drawn, tmp_path: Path) -> None:
    out = tmp_path / "embed"
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(SIZE))
    arguments = map(str, ("-m", "vsa_cli", *command(drawn, out, "-q", "--epochs", 100_000)))
    with subprocess.Popen([*torchrun, *arguments], stderr=subprocess.PIPE, cwd=ROOT, text=True) as run:
        try:
            wait_for((out / "training.safetensors").exists, lambda: run.poll() is None)
            os.kill(process_of(run.pid, rank=1), signal.SIGKILL)
            _, printed = run.communicate(timeout=120)
        finally:
            run.kill()
    assert run.returncode == 1
    own = [line for line in printed.splitlines() if line.startswith("vsa: ")]
    assert own == ["vsa: a process of the run has ended, so all do; the run can be resumed from what is saved"]
    assert read_tensors(out / "training.safetensors")[1]["history"].startswith("[{")


def process_of(torchrun: int, rank: int) -> int:
    """The process of a rank."""
    children = Path(f"/proc/{torchrun}/task/{torchrun}/children").read_text().split()
    ranks = {child: Path(f"/proc/{child}/environ").read_bytes().split(b"\0") for child in children}
    return next(int(child) for child, variables in ranks.items() if f"RANK={rank}".encode() in variables)
