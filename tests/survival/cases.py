"""A hostile input, the command that reads it, and the checks of how the command ends."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.survival.fork_server import Finished, ForkServer
from tests.survival.material import Material

MAX_MIB = 2048
"""Memory limit of `vsa` for any input."""

ONE_THREAD = ("--threads", 1)


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes:
        family: kind of input.
        name: what is wrong with the input.
        arguments: arguments of the command that reads it.
        codes: expected exit codes.
        lines: least and greatest number of lines on stderr if the exit code is not 0.
        notes: greatest number of lines on stderr if the exit code is 0: notes about what was left out.
        stdin: standard input of the command.
        cwd: working directory of the command.
        also: folders that the command may access in addition to those of its arguments.
        quick: whether the case belongs to the selection that the test suite runs.
    """

    family: str
    name: str
    arguments: tuple[object, ...]
    codes: tuple[int, ...] = (1,)
    lines: tuple[int, int] = (1, 1)
    notes: int = 0
    stdin: bytes = b""
    cwd: Path | None = None
    also: tuple[Path, ...] = ()
    quick: bool = False

    def __str__(self) -> str:
        return f"{self.family}: {self.name} ({self.arguments[0]})"


class CaseFolders:
    """Creates a folder for each case.

    Args:
        folder: the parent folder.
        largest: whether to create the cases that take long to write.
    """

    def __init__(self, folder: Path, *, largest: bool = True) -> None:
        self._folder, self._count, self.largest = folder, 0, largest

    def new(self) -> Path:
        """A new folder."""
        self._count += 1
        folder = self._folder / f"{self._count:04d}"
        folder.mkdir(parents=True)
        return folder

    def file(self, name: str | bytes, content: bytes) -> Path:
        """A file in a new folder."""
        path = self.new() / os.fsdecode(name)
        path.write_bytes(content)
        return path


@dataclass
class Trap:
    """A folder that no command may access, and a file that must never be created.

    Attributes:
        folder: contains a secret, and a pipe that blocks any process that opens it.
        sprung: the file that code in an input creates if it is executed.
    """

    folder: Path
    before: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        (self.folder / "secret.txt").write_text("the secret of the trap\n")
        os.mkfifo(self.folder / "pipe")
        self.before = self._state()

    @property
    def sprung(self) -> Path:
        return self.folder / "sprung"

    @property
    def pipe(self) -> Path:
        return self.folder / "pipe"

    def _state(self) -> list[str]:
        return sorted(f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in self.folder.iterdir())

    def faults(self) -> list[str]:
        """The changes in the folder."""
        now = self._state()
        return [] if now == self.before else [f"files outside were changed: {sorted(set(now) ^ set(self.before))}"]


def check(case: Case, finished: Finished, trap: Trap, touched: Sequence[tuple[str, str]], made: Material) -> list[str]:
    """The faults in how a case ended."""
    errors = finished.stderr.decode("utf-8", "replace")
    faults = []
    if finished.code not in case.codes:
        faults.append(f"exit code {finished.code}, not {case.codes}: {errors[-400:]}")
    if any(word in errors for word in ("Traceback", "Exception ignored", "Warning", "core dumped")):
        faults.append(f"a traceback or a warning: {errors[-600:]}")
    low, high = case.lines if finished.code else (0, case.notes)
    if not low <= len(finished.lines) <= high:
        faults.append(f"{len(finished.lines)} lines on stderr, not {low} to {high}: {errors[:400]!r}")
    if any(not (character.isprintable() or character == "\n") for character in errors):
        faults.append(f"control characters on stderr: {errors[:200]!r}")
    if any(len(line) > 5000 for line in finished.lines):
        faults.append(f"a line of {max(map(len, finished.lines))} characters")
    if finished.peak_mib > MAX_MIB:
        faults.append(f"{finished.peak_mib:.0f} MiB")
    if b"the secret of the trap" in finished.stdout + finished.stderr:
        faults.append("a file outside was read and printed")
    return faults + trap.faults() + _forbidden_accesses(case, touched, made)


def _forbidden_accesses(case: Case, touched: Sequence[tuple[str, str]], made: Material) -> list[str]:
    """Files that were opened without being named in the arguments, and forbidden calls."""
    named = [Path(str(word)).parent for word in case.arguments if isinstance(word, Path)]
    allowed = [*named, *case.also, made.folder, *([case.cwd] if case.cwd else [])]
    faults = []
    for event, what in touched:
        if event in ("read", "write") or event.startswith(("os.", "shutil.")):
            if event not in ("read",) and "/made/" in what:
                faults.append(f"{event} {what}")
            inside = any(Path(what).is_relative_to(folder) for folder in allowed)
            if not inside and not what.startswith(("(", "/dev/", "/tmp/vsa-fork-server-")):
                faults.append(f"{event} {what}")
        elif event == "pickle.find_class":
            continue  # PyTorch's reader of tensors looks up names; `Trap.sprung` shows whether code was executed
        else:
            faults.append(f"{event} {what}")
    return faults


def run(
    server: ForkServer, case: Case, trap: Trap, made: Material, *, cold: bool = False
) -> tuple[Finished, list[str]]:
    """Run a case; return how it ended, and the faults."""
    running = server.start(*case.arguments, stdin=case.stdin, cwd=case.cwd, cold=cold, memory_mib=6144)
    finished = running.wait(60)
    touched = [] if cold or not running.watched else running.touched
    return finished, [f"{case}: {fault}" for fault in check(case, finished, trap, touched, made)]
