"""`vsa` as a process beside its test, which never outlives it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def running(*arguments: object, **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start `vsa`; it is killed when the block ends."""
    with subprocess.Popen([sys.executable, "-m", "vsa_cli", *map(str, arguments)], **options) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(condition: Callable[[], object], process: subprocess.Popen[Any], seconds: float = 120) -> None:
    """Wait until a condition that a running process brings about is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the process ended before"
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.01)
