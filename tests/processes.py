"""Processes of `vsa` that are stopped in the middle of their work, or work together."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch.distributed as dist

from tests.survival.fork_server import Finished, ForkServer, Running


def kill_when(condition: Callable[[], object], server: ForkServer, *arguments: object, **options: Any) -> None:
    """Start `vsa`, and kill it with SIGKILL when a condition that it brings about is true."""
    process = _wait(condition, server.start(*arguments, **options))
    process.kill()
    process.wait()


def interrupt_when(condition: Callable[[], object], server: ForkServer, *arguments: object, **options: Any) -> Finished:
    """Start `vsa`, and press Ctrl-C when a condition that it brings about is true: how it ended."""
    process = _wait(condition, server.start(*arguments, **options))
    process.interrupt()
    return process.wait(60)


def _wait(condition: Callable[[], object], process: Running, seconds: float = 120) -> Running:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.ended(0) is None, "the process ended before"
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.01)
    return process


SIZE = 2
"""Processes of a run."""


class Together:
    """Starts the processes of a run, as `torchrun` does."""

    def __init__(self, server: ForkServer) -> None:
        self._server = server
        self._stores: list[dist.Store] = []

    def start(self, *arguments: object) -> list[Running]:
        store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
        self._stores.append(store)  # it must live as long as the processes
        common = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(store.port),
            "WORLD_SIZE": str(SIZE),
            "TORCHELASTIC_RUN_ID": "none",
            "TORCHELASTIC_USE_AGENT_STORE": "True",
        }
        own = ({"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(SIZE))
        return [self._server.start(*arguments, environment={**common, **ranks}) for ranks in own]

    def kill_other(self, folder: Path, *arguments: object) -> Finished:
        """Kill the second process at work, when the first has written a shard: how the first one ends.

        Args:
            folder: the folder of the shards.
            arguments: command line.
        """
        first, other = self._with_a_shard(folder, *arguments)
        other.kill()
        other.wait()
        return first.wait()

    def interrupt(self, folder: Path, *arguments: object) -> list[Finished]:
        """Press Ctrl-C, for both processes, when the first has written a shard: how they end."""
        processes = self._with_a_shard(folder, *arguments)
        for process in processes:
            process.interrupt()
        os.killpg(processes[1].pid, signal.SIGCONT)
        return [process.wait() for process in processes]

    def _with_a_shard(self, folder: Path, *arguments: object) -> tuple[Running, Running]:
        """Two processes, of which the first has written a shard, and the second was stopped before it could."""
        first, other = self.start(*arguments)
        request = ("read", str(folder / "request.json"))  # after that, neither waits for the other before it has ended
        _wait(lambda: other.watched and request in other.touched, other)
        os.killpg(other.pid, signal.SIGSTOP)
        _wait((folder / "000000.shard").exists, first)
        return first, other

    def run(self, *arguments: object) -> list[Finished]:
        return [process.wait() for process in self.start(*arguments)]
