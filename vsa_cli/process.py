"""The process around a command: standard streams that a shell closed, their encoding, and Ctrl-C.

Of several processes that `torchrun` has started together, only the first prints, and an error that ends them
all is reported once.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from types import FrameType

from vsa_cli.core.errors import ConfigError, ExitCode
from vsa_cli.core.ranks import ranks_of


def prepare_streams() -> None:
    """Open missing standard streams, and write data as UTF-8 in every locale.

    A file name that is not UTF-8 is written with its own bytes.
    """
    _replace_closed_streams()
    # Pillow warns about oddities in files that it can read; a file that it cannot read is an error anyway.
    warnings.filterwarnings("ignore", module=r"PIL\b")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")


def silence() -> None:
    """Drop what is printed from now on, except what is written to `sys.__stderr__`."""
    sys.stdout = sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8", errors="replace")


def is_reporter(error: Exception) -> bool:
    """Whether this process is the one of its run that reports an error; if so, what it prints is shown from now on."""
    ranks = ranks_of(os.environ)
    if ranks.alone:
        return True
    from vsa_cli.core.learning.distributed import is_first_report

    is_first = is_first_report()
    if isinstance(error, ConfigError):  # of the command line, which all processes have: the others end silently
        return ranks.first
    if is_first:
        sys.stderr = sys.__stderr__
    return is_first


def _replace_closed_streams() -> None:
    """Fill the descriptor of a closed stream, because the next file opened would take it.

    Reading from such a stdin fails, and so does writing to such a stdout; what goes to such a stderr is dropped.
    """
    for number, (name, flags, mode) in enumerate(
        (("stdin", os.O_WRONLY, "r"), ("stdout", os.O_RDONLY, "w"), ("stderr", os.O_WRONLY, "w"))
    ):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, flags)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, os.fdopen(number, mode))


def run_interruptible(program: Callable[[], None]) -> None:
    """Run a program, and exit with code 130 after Ctrl-C, whatever the interrupt turned into on its way.

    Once the program has ended, Ctrl-C has no effect.
    """
    interrupts = _Interrupts()
    try:
        program()
    except BaseException as end:
        interrupts.over = True  # must be the first instruction: a finished command cannot be interrupted
        # Typer turns KeyboardInterrupt into an exit, once it is running; libraries may have raised another error
        done = isinstance(end, SystemExit) and not end.code
        if interrupts.received and not done:
            sys.exit(ExitCode.INTERRUPTED)
        if not isinstance(end, SystemExit):
            sys.stderr = sys.__stderr__ or sys.stderr  # a traceback is shown by any process
        raise


class _Interrupts:
    """A handler that raises KeyboardInterrupt, like Python's own, until `over` is set.

    Python can only print an exception that is raised in a destructor or in a library's callback. Such an interrupt is
    sent again.
    """

    def __init__(self) -> None:
        self.received = self.over = False
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._raise)
            sys.unraisablehook = self._raise_later

    def _raise(self, number: int, frame: FrameType | None) -> None:
        self.received = True
        if not self.over:
            raise KeyboardInterrupt

    def _raise_later(self, lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            sys.__unraisablehook__(lost)
            return
        # a signal to the thread also ends its sleep, which setting a flag would not
        later = threading.Timer(0.05, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
        later.daemon = True
        later.start()
