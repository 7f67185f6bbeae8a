"""Runs a case under strace, which shows the files that a process opens (also from C), its programs and connections."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from tests.survival.cases import Case, Trap, check
from tests.survival.fork_server import ROOT, Finished, ForkServer
from tests.survival.material import Material

_CALL = re.compile(r"^\d+ +(?P<call>\w+)\((?P<what>.*)\) += (?P<result>-?\d+)")
_OPEN = re.compile(r'"(?P<path>(?:[^"\\]|\\.)*)", (?P<flags>O_\w+(?:\|O_\w+)*)')
_HARMLESS = ('["/sbin/ldconfig", "-p"]', '["uname", "-p"]')
"""Programs that PyTorch starts when it is imported."""

_SYSTEM = ("/usr/", "/lib", "/etc/", "/proc/", "/sys/", "/dev/", "/bin", "/run/", "/var/lib", "/opt/")


def has_strace() -> bool:
    """Whether strace is installed."""
    return shutil.which("strace") is not None


def trace(server: ForkServer, case: Case, trap: Trap, made: Material) -> tuple[Finished, list[str]]:
    """Run a case as a new interpreter, under strace if installed; return how it ended, and the faults."""
    with tempfile.TemporaryDirectory(prefix="vsa-trace-") as scratch:
        log = Path(scratch) / "log"
        under: tuple[str, ...] = ()
        if has_strace():
            calls = "trace=openat,open,execve,connect,creat"
            under = ("strace", "-f", "-qq", "-s", "4096", "-o", str(log), "-e", calls)
        running = server.start(*case.arguments, stdin=case.stdin, cwd=case.cwd, cold=True, under=under)
        finished = running.wait(180)
        faults = [fault for fault in check(case, finished, trap, (), made) if not fault.endswith(" MiB")]
        if under:
            faults += _forbidden_calls(log, case, made)
    return finished, [f"{case}, as a new interpreter: {fault}" for fault in faults]


def _forbidden_calls(log: Path, case: Case, made: Material) -> list[str]:
    named = [str(Path(str(word)).parent) for word in case.arguments if isinstance(word, Path)]
    own = (
        sys.prefix,
        sys.base_prefix,
        str(ROOT),
        str(made.folder),
        *map(str, case.also),
        *named,
        str(case.cwd or "/-"),
    )
    faults, programs = [], 0
    for line in log.read_text("utf-8", "replace").splitlines():
        call = _CALL.match(line)
        if call is None or call["result"].startswith("-"):
            continue
        if call["call"] == "execve":
            programs += not any(command in call["what"] for command in _HARMLESS)
        elif call["call"] == "connect":
            faults.append(f"connects: {call['what'][:200]}")
        elif (opened := _OPEN.search(call["what"])) is not None:
            path = os.fsdecode(opened["path"].encode().decode("unicode_escape").encode("latin-1"))
            writes = "O_WRONLY" in opened["flags"] or "O_RDWR" in opened["flags"] or "O_CREAT" in opened["flags"]
            system = path.startswith(_SYSTEM) and (not writes or path.startswith("/dev/"))
            allowed = path.startswith(own) or "/vsa-fork-server-" in path or not Path(path).is_absolute()
            if not (system or allowed) and not Path(path).is_dir():
                faults.append(f"opens {path}{' to write' if writes else ''}")
    if programs > 1:
        faults.append(f"starts {programs - 1} programs")
    return faults
