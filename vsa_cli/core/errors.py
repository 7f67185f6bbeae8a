"""Everything that can go wrong, by kind. Core raises these; `vsa_cli.app` reports them once, on stderr.

A message is one line: what is wrong, where, and what to do about it. Core knows no command line: a message names a
setting by its Python name between backticks (`` `max_length` ``), and the command that runs writes its option there.
"""

from __future__ import annotations

from enum import IntEnum

_LONGEST = 2000
"""Characters of a message; names and values come from files, and may be of any length."""


class ExitCode(IntEnum):
    """Exit codes of `vsa`, the same for every command."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    SOME_FAILED = 3
    MISSING = 4
    BELOW_THRESHOLD = 5
    INTERRUPTED = 130


EXIT_CODES = {
    ExitCode.DONE: "done (also when the reader of a pipe has closed it)",
    ExitCode.FAILED: "failed, or every input failed",
    ExitCode.USAGE: "wrong usage",
    ExitCode.SOME_FAILED: "finished, but some inputs failed; each is named on stderr",
    ExitCode.MISSING: "weights, a device or an optional program are missing",
    ExitCode.BELOW_THRESHOLD: "a score is below its threshold",
    ExitCode.INTERRUPTED: "interrupted",
}
"""The meaning of each exit code."""


class VsaError(Exception):
    """Anything a user can fix; ends the process with `exit_code` and one line.

    Messages contain names of files and contents of files: control characters, and whatever would break the line, are
    escaped.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, message: str = "") -> None:
        super().__init__(one_line(message))


def one_line(text: str) -> str:
    """A text as one line that a terminal shows and does not obey, of bounded length."""
    short = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    if short.isprintable():
        return short
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in short)


class DataError(VsaError):
    """An input (photograph, caption file, list) is missing, broken or not of the kind asked for."""


class ArtifactError(VsaError):
    """A file written by `vsa` is damaged, of another format or version, or does not fit its fellows."""


class ConfigError(VsaError):
    """Settings that contradict each other or are out of range, or an output that must not be overwritten."""

    exit_code = ExitCode.USAGE


class MissingError(VsaError):
    """Weights, a device or an optional package that the request needs is not on this machine."""

    exit_code = ExitCode.MISSING


class DivergedError(VsaError):
    """Training left the numbers: a loss that is not finite, or thousands of times what it began with."""


def reason(error: BaseException) -> str:
    """An exception as part of one line: the operating system's words, without its brackets."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return " ".join(text.split())
