"""Processes of `vsa` that start at once: the nursery has loaded PyTorch, and forks for each.

Each is a process and a session of its own, with its own streams, limits and memory, and dies as any other does; what it
spares is the seconds of importing, in which nothing happens that could break. `cold=True` starts a new interpreter all
the same. This module is both ends: `Nursery` in the harness, and `python -m tests.survival.nursery`, which forks.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

ROOT = Path(__file__).parent.parent.parent
LOADED = (
    "vsa_cli.app", "vsa_cli.core.corpus.prepare", "vsa_cli.core.regions.plan", "vsa_cli.core.generation.captioner",
    "vsa_cli.output.caption_writer", "vsa_cli.core.generation.train", "vsa_cli.output.search_results",
    "vsa_cli.core.embedding.sweep", "vsa_cli.output.alignments", "vsa_cli.core.evaluation.evaluate",
    "vsa_cli.core.inspect", "vsa_cli.output.console", "torchvision.models.detection",
)  # fmt: skip


@dataclass(frozen=True)
class Finished:
    """A process that has ended: its exit code (negative: the signal), what it said, how long and how large it was."""

    code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    peak_mib: float

    @property
    def lines(self) -> list[str]:
        """What it said on stderr, line by line as a terminal breaks them."""
        return self.stderr.decode("utf-8", "replace").split("\n")[:-1] if self.stderr else []


class Running:
    """A process under way."""

    def __init__(self, nursery: Nursery, pid: int, folder: Path) -> None:
        self._nursery, self.pid, self._folder = nursery, pid, folder

    def kill(self) -> None:
        """End the whole group at once, with no chance to tidy up."""
        os.killpg(self.pid, signal.SIGKILL)

    def interrupt(self) -> None:
        """Ctrl-C; not before it is `vsa`, in a fork of the nursery."""
        deadline = time.monotonic() + 60
        while not self.watched:
            assert time.monotonic() < deadline, "it never began"
            time.sleep(0.002)
        os.kill(self.pid, signal.SIGINT)

    def kill_worker(self) -> bool:
        """End the youngest thread alone; whether there was one beside the main thread."""
        threads = sorted(int(task.name) for task in Path(f"/proc/{self.pid}/task").iterdir())
        os.kill(threads[-1], signal.SIGKILL)
        return len(threads) > 1

    def children(self) -> list[int]:
        """Processes that it has started."""
        return [int(child) for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def rss_mib(self) -> float:
        """Its memory now; 0 when it has ended."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0.0
        return pages * resource.getpagesize() / 2**20

    def ended(self, timeout: float) -> Finished | None:
        """What became of it; None where it still runs after so many seconds."""
        reply = self._nursery.ask({"wait": self.pid, "timeout": timeout})
        if reply["code"] is None:
            return None
        said = [(self._folder / name).read_bytes() for name in ("stdout", "stderr")]
        return Finished(reply["code"], said[0], said[1], reply["seconds"], reply["peak_mib"])

    def wait(self, timeout: float = 120) -> Finished:
        """What became of it; one that takes longer is killed, which shows in its code."""
        finished = self.ended(timeout)
        if finished is None:
            self.kill()
            finished = self.ended(60)
        assert finished is not None
        return finished

    @property
    def watched(self) -> bool:
        """Whether it lived long enough, and in a fork, to have written down what it touched."""
        return (self._folder / "touched").exists()

    @property
    def touched(self) -> list[tuple[str, str]]:
        """What it opened, made, removed, started or called that is no part of Python: (event, what)."""
        lines = (self._folder / "touched").read_text("utf-8", "surrogateescape").splitlines()
        return [(event, what) for event, what in map(json.loads, lines)]


class Nursery:
    """Starts processes; use it in a `with` block.

    Args:
        environment: changes to the processes' environment; None removes a variable.
    """

    def __init__(self, environment: Mapping[str, str | None] | None = None) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="vsa-nursery-")
        self._count = 0
        changes = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **(environment or {})}
        merged = {**os.environ, **changes}
        self._environment = {name: value for name, value in merged.items() if value is not None}
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.survival.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=self._environment,
        )

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the nursery and of what its processes said."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(60)
        self._server.stdout.close()
        self._scratch.cleanup()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """A request to the other end, and its reply."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        reply: dict[str, Any] = json.loads(self._server.stdout.readline())
        return reply

    def start(
        self,
        *arguments: object,
        cwd: Path | None = None,
        stdin: bytes | Path = b"",
        stdout: Path | None = None,
        memory_mib: int = 0,
        cold: bool = False,
        under: tuple[str, ...] = (),
    ) -> Running:
        """Start `vsa` with arguments.

        Args:
            arguments: of the command line; text may hold the half characters of names that are not UTF-8.
            cwd: where it runs.
            stdin: what it reads: bytes, or a file.
            stdout: a file to write to, instead of one that is read back.
            memory_mib: of data that it may have in all; 0 for no limit.
            cold: a new interpreter.
            under: a command that the new interpreter runs under, such as strace.
        """
        self._count += 1
        folder = Path(self._scratch.name) / f"{self._count:06d}"
        folder.mkdir()
        if isinstance(stdin, bytes):
            (folder / "stdin").write_bytes(stdin)
            stdin = folder / "stdin"
        (folder / "stdout").touch()
        command = [*under, sys.executable, "-m", "vsa_cli"] if cold or under else None
        reply = self.ask(
            {
                "start": [os.fspath(word) if isinstance(word, Path) else str(word) for word in arguments],
                "command": command,
                "cwd": str(cwd or folder),
                "stdin": str(stdin),
                "stdout": str(stdout or folder / "stdout"),
                "stderr": str(folder / "stderr"),
                "touched": str(folder / "touched"),
                "memory_mib": memory_mib,
            }
        )
        return Running(self, reply["pid"], folder)

    def run(self, *arguments: object, timeout: float = 120, **options: Any) -> Finished:
        """Start `vsa` and wait for its end."""
        return self.start(*arguments, **options).wait(timeout)


def serve() -> None:
    """The other end: a request a line from stdin, its reply on stdout."""
    for module in LOADED:
        importlib.import_module(module)
    _warm()
    started: dict[int, float] = {}
    for line in sys.stdin:
        request = json.loads(line)
        if "start" in request:
            pid = os.fork()
            if pid == 0:
                _become(request)
            started[pid] = time.monotonic()
            reply: dict[str, Any] = {"pid": pid}
        else:
            reply = _reap(request["wait"], request["timeout"], started)
        print(json.dumps(reply), flush=True)


def _warm() -> None:
    """Load what PyTorch, Pillow and Typer load at their first use."""
    import torch
    import typer.main
    from PIL import Image

    from vsa_cli.app import app

    group: Any = typer.main.get_command(app)
    group.commands["info"].make_context("info", ["file"])
    with torch.device("meta"):
        network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(), torch.nn.Embedding(2, 2))
    network.load_state_dict(
        {name: torch.zeros(value.shape) for name, value in network.state_dict().items()}, assign=True
    )
    torch.nn.init.normal_(torch.empty(2, 2, device="meta"))
    Image.init()
    assert len([*Path("/proc/self/task").iterdir()]) == 1, "a process with threads cannot be forked safely"


def _reap(pid: int, timeout: float, started: dict[int, float]) -> dict[str, Any]:
    deadline = time.monotonic() + timeout
    while True:
        found, status, usage = os.wait4(pid, os.WNOHANG)
        now = time.monotonic()
        if found:
            code = os.waitstatus_to_exitcode(status)
            return {"code": code, "seconds": now - started.pop(pid), "peak_mib": usage.ru_maxrss / 1024}
        if now >= deadline:
            return {"code": None}
        time.sleep(0.002)


def _become(request: dict[str, Any]) -> NoReturn:
    """Turn into `vsa`; never comes back."""
    code = 70
    try:
        os.setsid()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        for target, name, how in ((0, "stdin", os.O_RDONLY), (1, "stdout", flags), (2, "stderr", flags)):
            os.dup2(os.open(request[name], how), target)
        os.chdir(request["cwd"])
        if request["memory_mib"]:
            limit = request["memory_mib"] * 2**20
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        if request["command"]:
            os.execv(_found(request["command"][0]), [*request["command"], *request["start"]])
        code = _call(request["start"], request["touched"])
    except BaseException:  # a child must never return into its parent's loop
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _found(program: str) -> str:
    import shutil

    return shutil.which(program) or program


def _call(arguments: list[str], log: str) -> int:
    from vsa_cli.app import main

    for stream, target, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        errors = "backslashreplace" if stream == "stderr" else "surrogateescape"
        setattr(sys, stream, os.fdopen(target, mode, encoding="utf-8", errors=errors, closefd=False))
    sys.argv = ["vsa", *arguments]
    _watch(log)
    try:
        main()
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        with suppress(OSError):  # a stdout without room, of which the process has said so
            sys.stdout.flush()
    return 0


WATCHED = ("os.", "shutil.", "subprocess.", "socket.", "pickle.find_class", "ctypes.dlopen", "exec.", "builtins.input")
QUIET = ("os.listdir", "os.scandir", "os.walk", "os.fwalk", "os.putenv", "os.unsetenv", "os.utime")


def _plain(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100  what pathlib would resolve is whether links lead out


def _watch(log: str) -> None:
    """Write down what is opened and called from now on, but for what Python itself is made of."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    own = tuple({sys.prefix, sys.base_prefix, str(ROOT / "vsa_cli"), str(Path(os.__file__).parent), "/proc/", "/sys/"})
    shared = ("/usr/lib", "/usr/share", "/lib", "/etc/ld.so", "/dev/null", "/dev/urandom")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" and (not event.startswith(WATCHED) or event in QUIET):
            return
        what = os.fsdecode(arguments[0]) if arguments and isinstance(arguments[0], str | bytes | os.PathLike) else ""
        if event == "open":
            flags = arguments[2] if isinstance(arguments[2], int) else 0
            writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            if not what or (not writes and _plain(what).startswith(own + shared)):
                return
            event = "write" if writes else "read"
        line = json.dumps([event, _plain(what) if what else repr(arguments)[:200]])
        os.write(file, line.encode() + b"\n")

    sys.addaudithook(hook)


if __name__ == "__main__":
    serve()
