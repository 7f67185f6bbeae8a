"""Captions in text files beside their photographs: `photo.jpg` gets `photo.txt`, with a line for each candidate."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.core.generation.results import CaptionResult
from vsa_cli.core.io.files import write_text
from vsa_cli.core.io.image_formats import SUFFIXES
from vsa_cli.core.io.sources import Photo

_SUFFIX = re.compile(r"\.\w[\w.-]*")
_REMEDY = "--force replaces, --resume skips photographs with a sidecar"


class Sidecars:
    """The sidecars of a run.

    Args:
        suffix: the suffix of their names, with its dot.
        force: replace existing sidecars.
        resume: skip photographs that have one.

    Raises:
        ConfigError: not a suffix, or one of photographs.
    """

    def __init__(self, suffix: str, *, force: bool, resume: bool) -> None:
        if not _SUFFIX.fullmatch(suffix):
            raise ConfigError(f"--sidecar {suffix}: give a suffix with its dot, such as .txt")
        if Path(f"x{suffix}").suffix.lower() in SUFFIXES:
            raise ConfigError(f"--sidecar {suffix}: is a photograph's suffix; choose another, such as .txt")
        self._suffix, self._force, self._resume = suffix, force, resume
        self._written: dict[Path, str] = {}

    def check(self, photos: Iterable[Photo]) -> None:
        """Refuse photographs some of which have sidecars already, before any work is done.

        Raises:
            ConfigError: the first such sidecar, and how many more there are.
        """
        if self._force or self._resume:
            return
        existing = [path for photo in photos if _exists(path := self._path(photo))]
        if existing:
            more = f", as do {len(existing) - 1} more sidecars" if len(existing) > 1 else ""
            raise ConfigError(f"{existing[0]}: exists already{more}; {_REMEDY}")

    def is_done(self, photo: Photo) -> bool:
        """Whether a photograph is to be skipped, because its sidecar existed before this run."""
        path = self._path(photo)
        return self._resume and path not in self._written and _exists(path)

    def conflict(self, photo: Photo) -> str | None:
        """The line that refuses a photograph, if its sidecar would replace a file."""
        path = self._path(photo)
        if path == photo.file:
            return f"{photo.path}: has the name of its own sidecar"
        if self._force or path in self._written or not _exists(path):
            return None
        return f"{path}: exists already; {_REMEDY}"

    def write(self, result: CaptionResult) -> None:
        """Write the sidecar of a photograph.

        Raises:
            DataError: it cannot be written, or is the sidecar of another photograph.
        """
        path = self._path(result.photo)
        if path in self._written:
            raise DataError(f"{result.path}: {path.name} is the sidecar of {self._written[path]}")
        self._written[path] = result.path
        write_text(path, "".join(f"{candidate.caption}\n" for candidate in result.candidates))

    def _path(self, photo: Photo) -> Path:
        return photo.file.with_name(photo.file.stem + self._suffix)


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110  not Path.exists(), which raises on names that are too long
