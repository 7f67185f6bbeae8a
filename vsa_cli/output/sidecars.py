"""Captions in text files beside their photographs: `photo.jpg` gets `photo.txt`, with a line for each candidate.

A photograph whose captions are withheld has no sidecar, because an empty one could be taken for a caption. A sidecar
that the run is to replace is then deleted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from vsa_cli.core.errors import ArtifactError, ConfigError, DataError, reason
from vsa_cli.core.generation.results import CaptionResult
from vsa_cli.core.io.files import write_text
from vsa_cli.core.io.image_formats import SUFFIXES
from vsa_cli.core.io.sources import Photo
from vsa_cli.output.run_settings import Settings, difference, record_of_sidecars, replaced_by, write_record

_SUFFIX = re.compile(r"\.\w[\w.-]*")
_REMEDY = "--force replaces, --resume skips photographs with a sidecar"


class Sidecars:
    """The sidecars of a run.

    Args:
        suffix: the suffix of their names, with its dot.
        force: replace existing sidecars.
        resume: skip photographs that have one.
        settings: the settings of the run, recorded in each folder so that a later run can resume it; None records
            nothing.

    Raises:
        ConfigError: `suffix` is not a suffix, or is the suffix of photographs.
    """

    def __init__(self, suffix: str, *, force: bool, resume: bool, settings: Settings | None = None) -> None:
        if not _SUFFIX.fullmatch(suffix):
            raise ConfigError(f"--sidecar {suffix}: give a suffix with its dot, such as .txt")
        if Path(f"x{suffix}").suffix.lower() in SUFFIXES:
            raise ConfigError(f"--sidecar {suffix}: is a photograph's suffix; choose another, such as .txt")
        self._suffix, self._force, self._resume, self._settings = suffix, force, resume, settings
        self._written: set[Path] = set()
        self._owners: dict[Path, str] = {}
        self._differences: dict[Path, str | None] = {}
        self._recorded: set[Path] = set()
        self._replaced: dict[Path, dict[str, int]] = {}

    def check(self, photos: Iterable[Photo]) -> None:
        """Refuse photographs whose sidecars exist already or would be shared with others, before any work is done.

        Raises:
            ConfigError: there is such a sidecar; the message names the first.
            ArtifactError: sidecars to resume were made with other settings.
        """
        owners: dict[Path, str] = {}
        existing = []
        for photo in photos:
            path = self._path(photo)
            if (owner := owners.setdefault(path, photo.path)) != photo.path:
                raise ConfigError(f"{owner}, {photo.path}: both have the sidecar {path}; rename one of them")
            if self._force and _exists(path):
                self._replaced.setdefault(path.parent, {})[path.name] = path.stat().st_mtime_ns
            elif self._remains(path):
                existing.append(path)
        if self._resume:
            for path in existing:
                if (why := self._difference(path.parent)) is not None:
                    raise ArtifactError(f"{path.with_name(f'*{self._suffix}')}: {why}")
        elif existing:
            more = f", as do {len(existing) - 1} more sidecars" if len(existing) > 1 else ""
            raise ConfigError(f"{existing[0]}: exists already{more}; {_REMEDY}")

    def start(self) -> None:
        """Record in each folder which sidecars are to be replaced, for a run that resumes an interrupted one."""
        for folder in self._replaced if self._force else ():
            with suppress(DataError):  # each of its photographs fails
                self._record(folder)

    def is_done(self, photo: Photo) -> bool:
        """Whether a photograph is skipped: another run has written its sidecar, before this run or during it."""
        path = self._path(photo)
        if not self._resume or path in self._written or not self._remains(path):
            return False
        return self._owners.setdefault(path, photo.path) == photo.path and self._difference(path.parent) is None

    def conflict(self, photo: Photo) -> str | None:
        """Why a photograph is refused: its sidecar would replace a file. None if it would not."""
        path = self._path(photo)
        if path == photo.file:
            return f"{photo.path}: has the name of its own sidecar"
        if (owner := self._owners.get(path, photo.path)) != photo.path:
            return f"{photo.path}: {path.name} is the sidecar of {owner}"
        if self._force or path in self._written or not self._remains(path):
            return None
        why = self._difference(path.parent) if self._resume else None
        return f"{path}: {why or f'exists already; {_REMEDY}'}"

    def write(self, result: CaptionResult) -> None:
        """Write the sidecar of a photograph, or delete the one to be replaced if its captions are withheld.

        Raises:
            DataError: it cannot be written or deleted.
        """
        path = self._path(result.photo)
        self._record(path.parent)
        if result.withheld is not None:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise DataError(f"{path}: cannot delete: {reason(error)}") from error
            return
        self._owners[path] = result.path
        try:
            write_text(path, "".join(f"{candidate.caption}\n" for candidate in result.candidates))
        except DataError:
            if not (self._resume and self._remains(path)):  # otherwise another run has written it at the same time
                raise
        self._written.add(path)

    def _record(self, folder: Path) -> None:
        """Record the settings before the first sidecar in a folder."""
        if self._settings is None or folder in self._recorded:
            return
        record = record_of_sidecars(folder, self._suffix)
        if not (self._resume and record.exists()):
            write_record(record, self._settings, replaced=self._replaced.get(folder, {}))
        self._recorded.add(folder)

    def _remains(self, path: Path) -> bool:
        """Whether a sidecar exists that is to be kept: not one that an interrupted run with `force` was to replace."""
        if not _exists(path):
            return False
        folder = path.parent
        if self._resume and folder not in self._replaced:
            self._replaced[folder] = replaced_by(record_of_sidecars(folder, self._suffix))
        return self._replaced.get(folder, {}).get(path.name) != path.stat().st_mtime_ns

    def _difference(self, folder: Path) -> str | None:
        """Why the sidecars of a folder cannot be resumed: they were made with other settings. None if they can."""
        if self._settings is None:
            return None
        if folder not in self._differences:
            self._differences[folder] = difference(record_of_sidecars(folder, self._suffix), self._settings)
        why = self._differences[folder]
        return why and f"cannot resume: {why} (--force starts over)"

    def _path(self, photo: Photo) -> Path:
        return photo.file.with_name(photo.file.stem + self._suffix)


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110  not Path.exists(), which raises on names that are too long
