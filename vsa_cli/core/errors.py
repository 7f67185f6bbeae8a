"""What can go wrong, by kind. Core raises these; `vsa_cli.app` says them once, on stderr.

A message is one line: what is wrong, where, and what to do about it.
"""

from __future__ import annotations

_LONGEST = 2000
"""Characters of a message; names and values come from files, and may be of any length."""


class VsaError(Exception):
    """Anything a user can mend; ends the process with `exit_code` and one line.

    Names of files, and what files hold, stand in messages: what would break the line or command a terminal is escaped.
    """

    exit_code = 1

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


class UsageError(VsaError):
    """Options that contradict each other or an output that must not be overwritten."""

    exit_code = 2


class MissingError(VsaError):
    """Weights, a device or an optional package that the request needs is not on this machine."""

    exit_code = 4


class DivergedError(VsaError):
    """Training left the numbers: a loss that is not finite, or thousands of times what it began with."""
