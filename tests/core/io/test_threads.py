"""The thread pool: order, errors, and Ctrl-C at the worst moments."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.drawn import write_corpus
from vsa_cli.core.io import images
from vsa_cli.core.io.threads import Workers, uninterrupted

INTERRUPTED_POOL = """
import itertools, signal, sys, threading, time
from vsa_cli.core.io.threads import Workers

enter, touches, main = threading.Condition.__enter__, itertools.count(), threading.get_ident()

def interrupt(condition):
    acquired = enter(condition)
    if threading.get_ident() == main and next(touches) == moment:
        signal.raise_signal(signal.SIGINT)
    return acquired

threading.Condition.__enter__ = interrupt
for moment in itertools.count():
    touches = itertools.count()
    try:
        with Workers(2) as workers:
            assert list(workers.map(lambda number: time.sleep(0.001) or number, range(6))) == list(range(6))
    except KeyboardInterrupt:
        continue
    print(moment)
    break
"""
"""Ctrl-C right after the main thread acquires a lock of the pool: the first lock, the second, and so on to the last."""


def test_interrupt_never_leaves_a_worker_waiting() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_POOL], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stderr == ""
    assert int(done.stdout) >= 12, "every call is submitted and its result read under a lock"


def test_uninterrupted_defers_ctrl_c_to_the_end_of_the_block() -> None:
    reached = []

    def work() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.01)
            reached.append("the end")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_uninterrupted_keeps_an_ignored_ctrl_c_ignored() -> None:
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, usual)


def test_results_come_in_order_and_an_error_cancels_calls_that_have_not_started() -> None:
    started: list[int] = []

    def work(number: int) -> int:
        started.append(number)
        time.sleep(0.02 if number % 2 else 0.04)
        if number == 3:
            raise ValueError(number)
        return number

    results: list[int] = []
    with pytest.raises(ValueError, match="3"), Workers(2) as workers:
        results.extend(workers.map(work, range(100)))
    assert results == [0, 1, 2]
    assert len(started) < 20


@pytest.mark.parametrize("moment", [0, 1], ids=["reserving", "releasing"])
def test_interrupt_while_a_photograph_is_decoded_releases_its_reservation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    write_corpus(tmp_path)
    photo = min((tmp_path / "photos").glob("*.png"))
    enter, main, touches = threading.Condition.__enter__, threading.get_ident(), itertools.count()

    def interrupt(condition: threading.Condition) -> bool:
        acquired = enter(condition)
        if condition is images._CHANGED and threading.get_ident() == main and next(touches) == moment:
            signal.raise_signal(signal.SIGINT)
        return acquired

    with monkeypatch.context() as patch:
        patch.setattr(threading.Condition, "__enter__", interrupt)
        with pytest.raises(KeyboardInterrupt):
            images.read_picture(photo)
    assert images._RESERVED == []
    seen: list[int] = []
    reader = threading.Thread(target=lambda: seen.append(images.read_picture(photo).width), daemon=True)
    reader.start()
    reader.join(30)
    assert len(seen) == 1, "the lock is still held"
