"""Processes of `vsa` that start quickly: a server that has loaded PyTorch forks one for each command.

Each is a process and a session of its own, with its own streams, limits and memory; only the seconds of importing are
saved. `cold=True` starts a new interpreter instead. This module is both sides: `ForkServer` is the client, and
`python -m tests.survival.fork_server` is the server.
"""

from __future__ import annotations

import functools
import gc
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
    "h5py",  # which vsa imports when it is needed, and which starts `uname`
    "torch._dynamo",  # which the first optimiser would import
)  # fmt: skip


@dataclass(frozen=True)
class Finished:
    """A finished process: its exit code (negative: a signal), its output, duration and peak memory."""

    code: int
    stdout: bytes
    stderr: bytes
    seconds: float
    peak_mib: float

    @property
    def lines(self) -> list[str]:
        """The lines on stderr, split at line feeds only."""
        return self.stderr.decode("utf-8", "replace").split("\n")[:-1] if self.stderr else []


class Running:
    """A running process."""

    def __init__(self, server: ForkServer, pid: int, folder: Path) -> None:
        self._server, self.pid, self._folder = server, pid, folder

    def kill(self) -> None:
        """Kill the process group with SIGKILL."""
        os.killpg(self.pid, signal.SIGKILL)

    def interrupt(self) -> None:
        """Send SIGINT, once the process has become `vsa`."""
        deadline = time.monotonic() + 60
        while not self.watched:
            assert time.monotonic() < deadline, "the process did not start"
            time.sleep(0.002)
        os.kill(self.pid, signal.SIGINT)

    def kill_worker(self) -> bool:
        """Send SIGKILL to the newest thread; return whether there is one besides the main thread."""
        threads = sorted(int(task.name) for task in Path(f"/proc/{self.pid}/task").iterdir())
        os.kill(threads[-1], signal.SIGKILL)
        return len(threads) > 1

    def children(self) -> list[int]:
        """The processes that it has started."""
        return [int(child) for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def rss_mib(self) -> float:
        """Resident memory; 0 if the process has ended."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0.0
        return pages * resource.getpagesize() / 2**20

    def ended(self, timeout: float) -> Finished | None:
        """How the process ended; None if it still runs after `timeout` seconds."""
        reply = self._server.request({"wait": self.pid, "timeout": timeout})
        if reply["code"] is None:
            return None
        stdout, stderr = ((self._folder / name).read_bytes() for name in ("stdout", "stderr"))
        return Finished(reply["code"], stdout, stderr, reply["seconds"], reply["peak_mib"])

    def wait(self, timeout: float = 120) -> Finished:
        """How the process ended; it is killed after `timeout` seconds."""
        finished = self.ended(timeout)
        if finished is None:
            self.kill()
            finished = self.ended(60)
        assert finished is not None
        return finished

    @property
    def watched(self) -> bool:
        """Whether the process, if it is a fork, has started to log what it accesses."""
        return (self._folder / "touched").exists()

    @property
    def touched(self) -> list[tuple[str, str]]:
        """The logged accesses, without those to Python's own files: (event, argument)."""
        lines = (self._folder / "touched").read_text("utf-8", "surrogateescape").splitlines()
        return [(event, argument) for event, argument in map(json.loads, lines)]


class ForkServer:
    """Starts processes; to be used in a `with` block.

    Args:
        environment: changes of environment variables; None removes one.
    """

    def __init__(self, environment: Mapping[str, str | None] | None = None) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="vsa-fork-server-")
        self._count = 0
        changes = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **(environment or {})}
        merged = {**os.environ, **changes}
        self._environment = {name: value for name, value in merged.items() if value is not None}
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.survival.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=self._environment,
        )

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop the server, and remove the output of its processes."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(60)
        self._server.stdout.close()
        self._scratch.cleanup()

    def request(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request to the server, and return the reply."""
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
        environment: Mapping[str, str] | None = None,
        stdin: bytes | Path = b"",
        stdout: Path | None = None,
        stderr: Path | None = None,
        memory_mib: int = 0,
        cold: bool = False,
        under: tuple[str, ...] = (),
        closed: int | None = None,
    ) -> Running:
        """Start `vsa` with arguments.

        Args:
            arguments: command line; may contain the lone surrogates of names that are not UTF-8.
            cwd: working directory.
            environment: all environment variables; the server's by default.
            stdin: standard input: bytes, or a file.
            stdout: a file or device for standard output (default: a file that is read at the end).
            stderr: the same for standard error.
            memory_mib: limit of data memory; 0 for no limit.
            cold: whether to start a new interpreter.
            under: a command that runs the new interpreter, such as strace.
            closed: the descriptor of a standard stream to close, as `<&-` does in a shell; not for a new interpreter.
        """
        self._count += 1
        folder = Path(self._scratch.name) / f"{self._count:06d}"
        folder.mkdir()
        if isinstance(stdin, bytes):
            (folder / "stdin").write_bytes(stdin)
            stdin = folder / "stdin"
        for name in ("stdout", "stderr"):
            (folder / name).touch()
        command = [*under, sys.executable, "-m", "vsa_cli"] if cold or under else None
        reply = self.request(
            {
                "start": [os.fspath(word) if isinstance(word, Path) else str(word) for word in arguments],
                "command": command,
                "cwd": str(cwd or folder),
                "stdin": str(stdin),
                "stdout": str(stdout or folder / "stdout"),
                "stderr": str(stderr or folder / "stderr"),
                "environment": None if environment is None else dict(environment),
                "touched": str(folder / "touched"),
                "memory_mib": memory_mib,
                "closed": closed,
            }
        )
        return Running(self, reply["pid"], folder)

    def run(self, *arguments: object, timeout: float = 120, **options: Any) -> Finished:
        """Start `vsa`, and wait until it ends."""
        return self.start(*arguments, **options).wait(timeout)


def serve() -> None:
    """Run the server: one request per line on stdin, one reply per line on stdout."""
    for module in LOADED:
        importlib.import_module(module)
    _load_lazy_modules()
    gc.collect()
    gc.freeze()  # the objects of the server are not examined, and their pages not copied, in every fork
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


def _load_lazy_modules() -> None:
    """Load the modules that PyTorch, Pillow and Typer import at their first use, and let Typer build its commands."""
    import torch
    import typer.main
    from PIL import Image

    from vsa_cli.app import app

    typer.main.get_command = functools.cache(typer.main.get_command)  # building takes most of the time of a short run
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
    """Become `vsa` in a forked process; does not return."""
    code = 70
    try:
        os.setsid()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        for target, name, how in ((0, "stdin", os.O_RDONLY), (1, "stdout", flags), (2, "stderr", flags)):
            os.dup2(os.open(request[name], how), target)
        os.chdir(request["cwd"])
        if request["environment"] is not None:
            os.environ.clear()
            os.environ.update(request["environment"])
        if request["memory_mib"]:
            limit = request["memory_mib"] * 2**20
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        if request["command"]:
            os.execv(_program(request["command"][0]), [*request["command"], *request["start"]])
        code = _call(request["start"], request["touched"], request["closed"])
    except BaseException:  # a child must not return into the loop of its parent
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _program(program: str) -> str:
    import shutil

    return shutil.which(program) or program


def _call(arguments: list[str], log: str, closed: int | None) -> int:
    from vsa_cli.app import main

    encoding, _, errors = os.environ.get("PYTHONIOENCODING", "utf-8:surrogateescape").partition(":")
    for stream, target, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        how = "backslashreplace" if stream == "stderr" else errors or "strict"
        setattr(sys, stream, os.fdopen(target, mode, encoding=encoding, errors=how, closefd=False))
    sys.argv = ["vsa", *arguments]
    _log_accesses(log)
    if closed is not None:  # after the log, which would take the descriptor; Python sets a closed stream to None
        os.close(closed)
        setattr(sys, ("stdin", "stdout", "stderr")[closed], None)
    code = 0
    try:
        main()
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    try:
        sys.stdout.flush()
    except OSError as error:  # the process should have redirected a full stdout; Python ends in the same way
        print(f"Exception ignored in: {sys.stdout!r}\n{error}", file=sys.stderr)
        return 120
    return code


LOGGED = ("os.", "shutil.", "subprocess.", "socket.", "pickle.find_class", "ctypes.dlopen", "exec.", "builtins.input")
NOT_LOGGED = ("os.listdir", "os.scandir", "os.walk", "os.fwalk", "os.putenv", "os.unsetenv", "os.utime")


def _absolute(path: str) -> str:
    return os.path.abspath(path)  # noqa: PTH100  pathlib would follow links


def _log_accesses(log: str) -> None:
    """Log files opened and functions called from now on, except Python's own files."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    own = tuple({sys.prefix, sys.base_prefix, str(ROOT / "vsa_cli"), str(Path(os.__file__).parent), "/proc/", "/sys/"})
    shared = ("/usr/lib", "/usr/share", "/lib", "/etc/ld.so", "/dev/null", "/dev/urandom")

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" and (not event.startswith(LOGGED) or event in NOT_LOGGED):
            return
        path = os.fsdecode(arguments[0]) if arguments and isinstance(arguments[0], str | bytes | os.PathLike) else ""
        if event == "open":
            flags = arguments[2] if isinstance(arguments[2], int) else 0
            writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            if not path or (not writes and _absolute(path).startswith(own + shared)):
                return
            event = "write" if writes else "read"
        line = json.dumps([event, _absolute(path) if path else repr(arguments)[:200]])
        os.write(file, line.encode() + b"\n")

    sys.addaudithook(hook)


if __name__ == "__main__":
    serve()
