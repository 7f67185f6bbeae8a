"""`vsa` as a process that goes on while its test does, and never outlives it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def running(*arguments: object, **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start `vsa`; whatever becomes of it and of the test, it is killed when the block ends."""
    with subprocess.Popen([sys.executable, "-m", "vsa_cli", *map(str, arguments)], **options) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(condition: Callable[[], object], process: subprocess.Popen[Any], seconds: float = 120) -> None:
    """Wait for something that a process shall bring about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "it ended before"
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)
