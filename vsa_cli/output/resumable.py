"""JSON Lines in the making, and how an interrupted run goes on.

Lines go to `FILE.part` as they are made, and it takes FILE's name when all are. A run that died leaves it; one
that resumes keeps its whole lines, and does again what failed. The last digits of a log-probability depend on what was
worded in the same batch. So of a batch that was cut short nothing is kept, and what is done again is done in the same
company: the file is that of a run that nobody interrupted, to the byte, unless photographs failed.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from vsa_cli.core.errors import ArtifactError, ConfigError, DataError, reason
from vsa_cli.core.io.files import check_output, write_lines
from vsa_cli.core.io.json import parse
from vsa_cli.core.io.text import numbered_lines


class Ledger:
    """The file of a run.

    Args:
        output: where the lines go.
        force: start anew, whatever is there.
        resume: go on with what is there.
        names: that a record must have if, and only if, the value is true; else another run made it.
        batch: photographs worded at once.

    Raises:
        UsageError: something is there, and neither `force` nor `resume` says what becomes of it.
        ArtifactError: what is to be continued is no file of captions, or was made with other options.
        DataError: it cannot be read, or cannot be written.
    """

    def __init__(self, output: Path, *, force: bool, resume: bool, names: dict[str, bool], batch: int = 1) -> None:
        self._output, self._part = output, output.with_name(output.name + ".part")
        self._names, self._batch = names, batch
        self.done: set[str] = set()
        check_output(output, force=force, resume=resume)
        if self._part.exists() and not force and not resume:
            raise ConfigError(f"{self._part}: an unfinished run; --resume goes on with it, --force starts anew")
        self._resumed = resume and (output.exists() or self._part.exists())
        if self._resumed:
            write_lines(self._part, self._kept())

    def write(self, lines: Iterable[str]) -> None:
        """Write lines as they come, behind those that were kept; then give the file its name.

        Raises:
            DataError: the disk is full, or the folder cannot be written.
        """
        coming = iter(lines)
        head = list(itertools.islice(coming, 1))  # nothing is touched unless there is something to write
        try:
            self._part.parent.mkdir(parents=True, exist_ok=True)
            mode = "a" if self._resumed else "w"
            with self._part.open(mode, encoding="utf-8") as file:
                for line in itertools.chain(head, coming):
                    file.write(line + "\n")
                    file.flush()
                os.fsync(file.fileno())
            self._part.replace(self._output)
        except OSError as error:
            raise DataError(f"{self._output}: cannot write: {reason(error)}") from error

    def _kept(self) -> Iterator[str]:
        """The lines of photographs that need not be done again, each once."""
        for path in (self._output, self._part):
            if not path.exists():
                continue
            records = self._records(path)
            while batch := list(itertools.islice(records, self._batch)):
                if len(batch) < self._batch and path == self._part:
                    return  # it was being worded as the run died
                for line, record in batch:
                    if record["error"] is None and record["path"] not in self.done:
                        self.done.add(record["path"])
                        yield line

    def _records(self, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        try:
            with path.open("rb") as file:
                for where, line in numbered_lines(file, str(path)):
                    if not line.endswith(b"\n"):
                        return  # cut short as the run died: its photograph is done again
                    yield line.decode("utf-8").rstrip("\n"), self._record(line, where)
        except OSError as error:
            raise DataError(f"{path}: {reason(error)}") from error
        except UnicodeDecodeError as error:
            raise ArtifactError(f"{path}: is no file of captions that can be continued") from error

    def _record(self, line: bytes, where: str) -> dict[str, Any]:
        record = parse(line)
        if not isinstance(record, dict) or not isinstance(record.get("path"), str) or "error" not in record:
            raise ArtifactError(f"{where}: no caption of `vsa caption --format jsonl`, so it cannot be continued")
        for name, wanted in self._names.items():
            if (name in record) != wanted:
                raise ArtifactError(f"{where}: was made {'without' if wanted else 'with'} {name}; --force starts anew")
        return record
