"""The folder of an unfinished run, which several processes and machines fill: a file for each finished shard.

`request.json` records what the run makes, so that only processes with the same request add to it. A shard is a file
with a number, written in one step: a process that ends loses the shard at which it works, and a later run, of any
number of processes, does the shards that are missing. This module does not know what is in a shard.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vsa_cli.core.errors import ArtifactError, ConfigError, DataError, reason
from vsa_cli.core.io.json import dump_json, read_json

_REQUEST, _PLAN, _SUFFIX = "request.json", "plan", ".shard"

_LATE = 60.0
"""Seconds after which a file that another machine has written is visible here, whatever network file systems cache."""


class PartFolder:
    """The folder with the shards of an unfinished run.

    Args:
        path: the folder.

    Attributes:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def claim(self, request: Mapping[str, Any], *, create: bool = True, plan: Any = None) -> Any:
        """Record what the run makes, unless another process has done so, or check that it is the same.

        Args:
            request: what the run makes, as JSON; `layout` names the layout of the shards.
            create: whether this process may start the run.
            plan: what the process that starts the run records for the others, as JSON.

        Returns:
            The plan of the process that has started the run.

        Raises:
            ArtifactError: the folder belongs to a run with other settings or photographs, or to another version of
                `vsa`, or does not exist and must not be created.
            DataError: the folder cannot be written.
        """
        path = self.path / _REQUEST
        if not path.exists() and not create:
            raise ArtifactError(f"{path}: missing: all machines must see the same files")
        if not path.exists():
            self._start(path, dump_json({**request, _PLAN: plan}))
        found = read_json(path)
        recorded = found.pop(_PLAN, None) if isinstance(found, dict) else None
        if found != request:
            is_older = isinstance(found, dict) and found.get("layout") != request.get("layout")
            made = "by another version of vsa" if is_older else "with other options or photographs"
            raise ArtifactError(f"{self.path}: was started {made}; `force` starts over")
        return recorded

    def is_of(self, request: Mapping[str, Any]) -> bool:
        """Whether the folder belongs to a run with this request."""
        try:
            self.claim(request, create=False)
        except (ArtifactError, DataError):
            return False
        return True

    @property
    def is_started(self) -> bool:
        """Whether a run has been started; a folder without a request may belong to another program."""
        return (self.path / _REQUEST).is_file()

    def require(self) -> None:
        """Check that there is a run to join.

        Raises:
            ConfigError: there is none.
        """
        if not self.is_started:
            raise ConfigError(f"{self.path}: no such run; start its parts with `shard`")

    def shard(self, number: int) -> Path:
        """The file of a shard."""
        return self.path / f"{number:06d}{_SUFFIX}"

    def finished(self) -> set[int]:
        """The numbers of the shards that are finished.

        Raises:
            DataError: the folder cannot be read.
        """
        try:
            with os.scandir(self.path) as entries:
                names = [entry.name for entry in entries if entry.name.endswith(_SUFFIX)]
        except OSError as error:
            raise DataError(f"{self.path}: {reason(error)}") from error
        return {int(stem) for name in names if (stem := name.removesuffix(_SUFFIX)).isdecimal()}

    def arriving(self, numbers: Iterable[int], arrivals: Iterable[bool] = ()) -> Iterator[int]:
        """The numbers of shards that other processes finish, in ascending order at each look.

        Args:
            numbers: the shards to wait for.
            arrivals: takes a moment for each element: whether all other processes have done what they can. Without
                any, nothing is waited for.

        Raises:
            DataError: shards are still missing when the others have done what they can.
        """
        waiting = deque(sorted(numbers))
        late: float | None = None
        for arrived in arrivals:
            yield from self._taken(waiting)
            late = (late or time.monotonic() + _LATE) if arrived else None
            if late is not None and (not waiting or time.monotonic() > late):
                break
        taken = self._taken(waiting)
        if waiting:
            some = f"shards are missing: {len(waiting)}, from {self.shard(waiting[0]).name} on"
            raise DataError(f"{self.path}: {some}; run the parts that have not finished again, or `resume`")
        yield from taken

    def _taken(self, waiting: deque[int]) -> list[int]:
        """Remove the finished shards from those that are waited for, and return them."""
        if not waiting:
            return []
        finished = self.finished()
        taken = [number for number in waiting if number in finished]
        for number in taken:
            waiting.remove(number)
        return taken

    def clear(self) -> None:
        """Remove the folder, the request last: without that file, the folder may not be one of vsa's.

        Raises:
            DataError: something in the folder cannot be removed.
        """
        try:
            for path in sorted(self.path.iterdir(), key=lambda path: path.name == _REQUEST):
                path.unlink()
            self.path.rmdir()
        except OSError as error:
            raise DataError(f"{self.path}: cannot be removed: {reason(error)}") from error

    def _start(self, path: Path, text: str) -> None:
        """Write the request; of several processes that do so at the same time, the first wins."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(".part", f".{_REQUEST}.", self.path)
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                with suppress(FileExistsError):
                    _link(Path(name), path)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(name)  # noqa: PTH108  it may have been renamed
        except OSError as error:
            raise DataError(f"{self.path}: cannot write: {reason(error)}") from error


def _link(source: Path, target: Path) -> None:
    """Give a file another name that no file has; on a file system without links, rename it.

    Raises:
        FileExistsError: a file has that name.
    """
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        source.replace(target)
