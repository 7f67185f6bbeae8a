"""A thread pool that is safe to interrupt with Ctrl-C.

Python raises KeyboardInterrupt in the main thread between any two bytecode instructions, even between acquiring a lock
and entering the block that releases it. The thread pools and conditions of the standard library are written in Python:
a lock lost there blocks a worker, and the main thread waits for that worker forever. So everything that touches those
locks runs here with Ctrl-C deferred; the waiting, which takes the time, can be interrupted.
"""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType, TracebackType
from typing import Any, Generic, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


@contextmanager
def uninterrupted() -> Iterator[list[int]]:
    """Defer Ctrl-C to the end of the block. In threads other than the main one, which it never interrupts, do nothing.

    Yields:
        A list that is empty until Ctrl-C is pressed, so that a long block can end early.
    """
    pending: list[int] = []
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(usual):  # `nohup` ignores Ctrl-C
        yield pending
        return

    def record(number: int, frame: FrameType | None) -> None:
        pending.append(number)

    signal.signal(signal.SIGINT, record)
    try:
        yield pending
    finally:
        signal.signal(signal.SIGINT, usual)
        if pending:
            signal.raise_signal(signal.SIGINT)


class Job(Generic[T]):
    """A call that a worker thread makes."""

    def __init__(self, future: Future[T]) -> None:
        self._future = future
        self._ended: SimpleQueue[Future[T]] = SimpleQueue()  # written in C: safe to interrupt at any point
        future.add_done_callback(self._ended.put)

    def result(self) -> T:
        """Wait for the call; return its result or raise its exception. Can be called once."""
        self._ended.get()
        with uninterrupted():
            return self._future.result()


class Workers:
    """A thread pool, to be used in a `with` block. Calls start in the order in which they are submitted.

    At the end of the block, calls that have not started are cancelled and running ones are waited for: after Ctrl-C,
    an error, or when the results are no longer read, the rest is not needed.

    Args:
        number: the number of threads, at least 1.
    """

    def __init__(self, number: int) -> None:
        self._pool = ThreadPoolExecutor(number)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with uninterrupted():
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool.shutdown()

    def submit(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> Job[T]:
        """Call a function in the first free thread."""
        with uninterrupted():
            return Job(self._pool.submit(function, *arguments, **options))

    def map(self, function: Callable[..., T], *items: Any) -> Iterator[T]:
        """Like the built-in `map`, but all calls are submitted at the first result. Results are not kept."""
        jobs = deque(self.submit(function, *arguments) for arguments in zip(*items, strict=True))
        while jobs:
            yield jobs.popleft().result()


def computed_ahead(calls: Iterable[Callable[[], T]], workers: int, ahead: int) -> Iterator[T]:
    """The results of calls, in their order, whatever the number of threads that make them.

    Args:
        calls: the calls, taken from the iterable by the thread that takes the results, and only as they are needed.
        workers: the number of threads.
        ahead: how many calls may be made before the result of the first is taken, which bounds the memory.
    """
    with Workers(workers) as pool:
        jobs: deque[Job[T]] = deque()
        for call in calls:
            jobs.append(pool.submit(call))
            if len(jobs) > ahead:
                yield jobs.popleft().result()
        while jobs:
            yield jobs.popleft().result()
