"""Errors that a user can act on, by kind. Core raises them; `vsa_cli.app` reports each once, as one line on stderr.

A message gives the place, what is wrong, and what to do about it. Core is independent of the command line: a message
names a setting by its parameter name between backticks (`` `max_length` ``), which the running command replaces by its
option.
"""

from __future__ import annotations

from enum import IntEnum

MAX_MESSAGE, MAX_NAME = 2000, 200
"""Characters of a message, and of a name in it: both may contain text from files, which can be of any length."""


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
    ExitCode.DONE: "done; also if the process reading from the pipe has closed it",
    ExitCode.FAILED: "failed, or every input failed",
    ExitCode.USAGE: "wrong usage",
    ExitCode.SOME_FAILED: "finished, but some inputs failed; each is named on stderr",
    ExitCode.MISSING: "weights, a device or an optional dependency (such as Java) is missing",
    ExitCode.BELOW_THRESHOLD: "a score is below its threshold",
    ExitCode.INTERRUPTED: "interrupted",
}
"""The meaning of each exit code."""


class VsaError(Exception):
    """Base of all errors that a user can fix; ends the process with `exit_code` and the message on one line.

    Control characters and line ends in the message, which may come from file names and file contents, are escaped.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, message: str = "") -> None:
        super().__init__(one_line(message))


class DataError(VsaError):
    """An input (photograph, captions, list) is missing, damaged or of the wrong kind, or writing an output failed."""


class ArtifactError(VsaError):
    """A file written by `vsa` is damaged, has another format or version, or is inconsistent with the other inputs."""


class ConfigError(VsaError):
    """A setting is out of range or contradicts another, or an output exists and must not be overwritten."""

    exit_code = ExitCode.USAGE


class MissingError(VsaError):
    """Weights, a device or an optional package that the request needs are not available on this machine."""

    exit_code = ExitCode.MISSING


class DivergedError(VsaError):
    """Training diverged: the loss is not finite or has exploded."""


class EndedError(VsaError):
    """Another of the processes that work together has ended, so that this one cannot continue either."""

    def __init__(self) -> None:
        super().__init__("a process of the run has ended, so all do; the run can be resumed from what is saved")


def one_line(text: str, limit: int = MAX_MESSAGE) -> str:
    """A text as one printable line of at most `limit` characters before escaping; control characters are escaped."""
    short = text if len(text) <= limit else f"{text[: limit - 1]}…"
    if short.isprintable():
        return short
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in short)


def reason(error: BaseException) -> str:
    """The message of an exception on one line; of an OSError only the system's description."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return " ".join(text.split())
