"""A hostile input, the command that reads it, and what that must come to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.survival.material import Material
from tests.survival.nursery import Finished, Nursery

MOST_MIB = 2048
"""Memory that no input may make `vsa` pass."""

QUICK = ("--threads", 1)


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes:
        family: kind of input.
        name: what is wrong with it.
        arguments: of the command that reads it.
        codes: exit codes that are right.
        lines: lines of errors, at least and at most, where the code is not 0.
        notes: lines at most where it is 0: what was left out, counted and named.
        stdin: of the command.
        cwd: where it runs.
        also: places that it may touch beside the case's own folder.
        quick: whether it belongs to the small selection of the test suite.
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


class Shelf:
    """Folders for cases, one each.

    Args:
        folder: that holds them.
        largest: whether cases that take long to make are wanted.
    """

    def __init__(self, folder: Path, *, largest: bool = True) -> None:
        self._folder, self._count, self.largest = folder, 0, largest

    def place(self) -> Path:
        """A new folder."""
        self._count += 1
        place = self._folder / f"{self._count:04d}"
        place.mkdir(parents=True)
        return place

    def file(self, name: str | bytes, content: bytes) -> Path:
        """A file in a new folder."""
        path = self.place() / os.fsdecode(name)
        path.write_bytes(content)
        return path


@dataclass
class Trap:
    """A folder beside the cases that nothing may touch, and a file that must never come to be.

    Attributes:
        folder: holds a secret, and a pipe at which whoever opens it waits for ever.
        sprung: made by code in an input, if it runs.
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
        """What was changed in it."""
        now = self._state()
        return [] if now == self.before else [f"outside was written to: {sorted(set(now) ^ set(self.before))}"]


def judge(case: Case, finished: Finished, trap: Trap, touched: Sequence[tuple[str, str]], made: Material) -> list[str]:
    """What is wrong with how a case ended; nothing, if it survived."""
    said = finished.stderr.decode("utf-8", "replace")
    faults = []
    if finished.code not in case.codes:
        faults.append(f"exit code {finished.code}, not {case.codes}: {said[-400:]}")
    if any(word in said for word in ("Traceback", "Exception ignored", "Warning", "core dumped")):
        faults.append(f"a traceback or a warning: {said[-600:]}")
    low, high = case.lines if finished.code else (0, case.notes)
    if not low <= len(finished.lines) <= high:
        faults.append(f"{len(finished.lines)} lines on stderr, not {low} to {high}: {said[:400]!r}")
    if any(not (character.isprintable() or character == "\n") for character in said):
        faults.append(f"control characters on stderr: {said[:200]!r}")
    if any(len(line) > 5000 for line in finished.lines):
        faults.append(f"a line of {max(map(len, finished.lines))} characters")
    if finished.peak_mib > MOST_MIB:
        faults.append(f"{finished.peak_mib:.0f} MiB")
    if b"the secret of the trap" in finished.stdout + finished.stderr:
        faults.append("what stands outside was read and told")
    return faults + trap.faults() + _strayed(case, touched, made)


def _strayed(case: Case, touched: Sequence[tuple[str, str]], made: Material) -> list[str]:
    """What it opened that nobody had named, and what it called that no input may call."""
    named = [Path(str(word)).parent for word in case.arguments if isinstance(word, Path)]
    allowed = [*named, *case.also, made.folder, *([case.cwd] if case.cwd else [])]
    faults = []
    for event, what in touched:
        if event in ("read", "write") or event.startswith(("os.", "shutil.")):
            if event not in ("read",) and "/made/" in what:
                faults.append(f"{event} {what}")
            inside = any(Path(what).is_relative_to(place) for place in allowed)
            if not inside and not what.startswith(("(", "/dev/", "/tmp/vsa-nursery-")):
                faults.append(f"{event} {what}")
        elif event == "pickle.find_class":
            continue  # tensors' own reader asks for names here; those that run code are refused, see `Trap.sprung`
        else:
            faults.append(f"{event} {what}")
    return faults


def run(nursery: Nursery, case: Case, trap: Trap, made: Material, *, cold: bool = False) -> tuple[Finished, list[str]]:
    """Run a case; how it ended, and what is wrong with that."""
    running = nursery.start(*case.arguments, stdin=case.stdin, cwd=case.cwd, cold=cold, memory_mib=6144)
    finished = running.wait(60)
    touched = [] if cold or not running.watched else running.touched
    return finished, [f"{case}: {fault}" for fault in judge(case, finished, trap, touched, made)]
