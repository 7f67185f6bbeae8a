"""JSON Lines that an interrupted run leaves incomplete, and that a later run resumes.

Lines are written to `FILE.part`, which is renamed to FILE at the end. An interrupted run leaves `FILE.part`. A run that
resumes it keeps its complete lines, and repeats the photographs that failed.

The last digits of a log-probability depend on the other photographs of the group. So an incomplete group is discarded,
and its photographs are captioned together again. The resulting file is byte-identical to that of an uninterrupted run,
unless photographs failed.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from vsa_cli.core.errors import ArtifactError, ConfigError, DataError, reason
from vsa_cli.core.generation.results import group_sizes
from vsa_cli.core.io.files import check_output, write_lines
from vsa_cli.core.io.json import parse
from vsa_cli.core.io.sources import Photo, PhotoSet
from vsa_cli.core.io.text import numbered_lines
from vsa_cli.output.run_settings import Settings, difference, record_of, write_record


class ResumableFile:
    """The file of a run. At the end of its `with` block, the part is renamed; after an exception, it remains.

    Args:
        output: the file.
        force: start over, and replace an existing file.
        resume: keep the lines of an earlier run.
        names: the fields that each record must have (True) or must not have (False); a mismatch means that the earlier
            run had other settings.
        batch_size: the most photographs captioned together, in groups of `group_sizes`.
        settings: the settings of the run, recorded so that a later run can resume it; None records and compares
            nothing.

    Raises:
        ConfigError: the file or its part exists, and neither `force` nor `resume` is set.
        ArtifactError: the file to resume is not a file of captions, or was made with other settings.
        DataError: it cannot be read or written.

    Attributes:
        done: the paths of the photographs whose lines are kept.
    """

    def __init__(
        self,
        output: Path,
        *,
        force: bool,
        resume: bool,
        names: dict[str, bool],
        batch_size: int = 1,
        settings: Settings | None = None,
    ) -> None:
        self._output, self._part = output, output.with_name(output.name + ".part")
        self._names, self._batch_size = names, batch_size
        self._settings = settings
        self._file: TextIO | None = None
        self.done: set[str] = set()
        self._done = PhotoSet()
        check_output(output, force=force, resume=resume)
        if self._part.exists() and not force and not resume:
            raise ConfigError(f"{self._part}: an unfinished run; --resume continues it, --force starts over")
        self._resumed = resume and (output.exists() or self._part.exists())
        if self._resumed:
            write_lines(self._part, self._kept(self._resumable()))

    def is_done(self, photo: Photo) -> bool:
        """Whether a photograph, under any of its names, has a line that is kept."""
        return photo.path in self._done

    def __enter__(self) -> ResumableFile:
        return self

    def write(self, line: str) -> None:
        """Write a line after those that were kept; the file is opened for the first.

        Raises:
            DataError: the disk is full, or the folder cannot be written.
        """
        try:
            file = self._file or self._open()
            file.write(line + "\n")
            file.flush()
        except OSError as error:
            raise self._failure(error) from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        complete = kind is None
        try:
            if complete and self._file is None:
                self._open()
            if self._file is not None:
                with self._file as file:
                    if complete:
                        os.fsync(file.fileno())
            if complete:
                self._part.replace(self._output)
                if self._settings is None:
                    record_of(self._output).unlink(missing_ok=True)
                else:
                    record_of(self._part).replace(record_of(self._output))
        except OSError as failure:
            raise self._failure(failure) from failure

    def _open(self) -> TextIO:
        self._part.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._part.open("a" if self._resumed else "w", encoding="utf-8")
        if self._settings is not None:
            write_record(record_of(self._part), self._settings)
        return self._file

    def _failure(self, error: OSError) -> DataError:
        return DataError(f"{self._output}: cannot write: {reason(error)}")

    def _resumable(self) -> list[Path]:
        """The files whose lines can be kept.

        Raises:
            ArtifactError: they were made with other settings.
        """
        paths = [path for path in (self._output, self._part) if path.exists()]
        if self._settings is None:
            return paths
        records = {path: record_of(path) for path in paths}
        if self._part not in paths and record_of(self._part).exists():
            records[self._output] = record_of(self._part)  # the earlier run was killed between its last two renames
        made = {path: difference(record, self._settings) for path, record in records.items()}
        if self._part in paths and records[self._part].exists() and made[self._part] is None and made.get(self._output):
            return [self._part]  # the earlier run was to replace the output
        for path in reversed(paths):
            if made[path] is not None:
                raise ArtifactError(f"{path}: cannot resume: {made[path]} (--force starts over)")
        return paths

    def _kept(self, paths: Sequence[Path]) -> Iterator[str]:
        """The lines of photographs that need not be captioned again, each once."""
        for path in paths:
            records = self._records(path)
            for size in group_sizes(self._batch_size):
                group = list(itertools.islice(records, size))
                if not group:
                    break
                if len(group) < size and path == self._part:
                    return  # an incomplete group of an interrupted run
                for line, record in group:
                    if record["error"] is None and self._done.add(record["path"]):
                        self.done.add(record["path"])
                        yield line

    def _records(self, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        try:
            with path.open("rb") as file:
                for where, line in numbered_lines(file, str(path)):
                    if not line.endswith(b"\n"):
                        return  # an incomplete line of an interrupted run: its photograph is captioned again
                    yield line.decode("utf-8").rstrip("\n"), self._record(line, where)
        except OSError as error:
            raise DataError(f"{path}: {reason(error)}") from error
        except UnicodeDecodeError as error:
            raise ArtifactError(f"{path}: is not a file of captions that can be resumed") from error

    def _record(self, line: bytes, where: str) -> dict[str, Any]:
        record = parse(line)
        if not isinstance(record, dict) or not isinstance(record.get("path"), str) or "error" not in record:
            raise ArtifactError(f"{where}: not a caption of `vsa caption --format jsonl`; cannot resume")
        for name, wanted in self._names.items():
            if (name in record) != wanted:
                made = "without" if wanted else "with"
                raise ArtifactError(f"{where}: cannot resume: made {made} {name} (--force starts over)")
        return record
