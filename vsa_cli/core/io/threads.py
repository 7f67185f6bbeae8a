"""Threads that work for the main one, whenever Ctrl-C comes.

Python raises KeyboardInterrupt in the main thread between any two of its instructions, also between the taking of a
lock and the block that gives it back. The thread pools and conditions of its library are written in Python: a lock
lost there is one that a worker waits for, and the main thread for the worker, for ever. What touches those locks is
done here with Ctrl-C held off; the waiting, which takes the time, is done where it may come.
"""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType, TracebackType
from typing import Any, Generic, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


@contextmanager
def uninterrupted() -> Iterator[list[int]]:
    """Hold Ctrl-C off until the block ends, and let it act then. It only ever acts in the main thread.

    Yields:
        A list that is empty until it comes, for long blocks to end early by.
    """
    came: list[int] = []
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(usual):  # `nohup` ignores it
        yield came
        return

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, usual)
        if came:
            signal.raise_signal(signal.SIGINT)


class Job(Generic[T]):
    """Something that a worker does."""

    def __init__(self, future: Future[T]) -> None:
        self._future = future
        self._ended: SimpleQueue[Future[T]] = SimpleQueue()  # in C: a wait there can be broken off anywhere
        future.add_done_callback(self._ended.put)

    def result(self) -> T:
        """What came of it, once it is done; ask once. What it raised is raised."""
        self._ended.get()
        with uninterrupted():
            return self._future.result()


class Workers:
    """Threads that do jobs in the order given; use it in a `with` block.

    When the block ends, jobs that no thread has begun are dropped, and those in work are waited for: after Ctrl-C, an
    error, or where the reader of the results has left, nobody needs the others.

    Args:
        number: of the threads, at least 1.
    """

    def __init__(self, number: int) -> None:
        self._pool = ThreadPoolExecutor(number)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with uninterrupted():
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool.shutdown()

    def begin(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> Job[T]:
        """Have a function called as soon as a thread is free."""
        with uninterrupted():
            return Job(self._pool.submit(function, *arguments, **options))

    def map(self, function: Callable[..., T], *items: Any) -> Iterator[T]:
        """`map`, with all calls begun when the first result is asked for; results come in order, and none is kept."""
        jobs = deque(self.begin(function, *arguments) for arguments in zip(*items, strict=True))
        while jobs:
            yield jobs.popleft().result()
