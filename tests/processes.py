"""A process of `vsa` that is stopped in the middle of its work."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

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
