"""Captions in text files beside their photographs: `photo.jpg` gets `photo.txt`, a candidate a line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.core.generation.results import CaptionResult
from vsa_cli.core.io.files import write_text
from vsa_cli.core.io.image_formats import SUFFIXES
from vsa_cli.core.io.sources import Photo

_SUFFIX = re.compile(r"\.\w[\w.-]*")


class Sidecars:
    """The sidecars of a run.

    Args:
        suffix: of their names, with its dot.
        force: replace those that are there.
        resume: pass over photographs that have one.

    Raises:
        UsageError: not a suffix, or that of a photograph.
    """

    def __init__(self, suffix: str, *, force: bool, resume: bool) -> None:
        if not _SUFFIX.fullmatch(suffix):
            raise ConfigError(f"--sidecar {suffix}: give a suffix with its dot, such as .txt")
        if Path(f"x{suffix}").suffix.lower() in SUFFIXES:
            raise ConfigError(f"--sidecar {suffix}: is a photograph's suffix; choose another, such as .txt")
        self._suffix, self._force, self._resume = suffix, force, resume
        self._written: dict[Path, str] = {}

    def refuse_any(self, sources: Iterable[Photo]) -> None:
        """Refuse the photographs of which some have sidecars already.

        Raises:
            UsageError: naming the first, and how many more there are.
        """
        if self._force or self._resume:
            return
        there = [path for source in sources if _is_there(path := self._path(source))]
        if there:
            more = f", as do {len(there) - 1} more sidecars" if len(there) > 1 else ""
            raise ConfigError(f"{there[0]}: exists already{more}; --force replaces, --resume passes over what is there")

    def done(self, source: Photo) -> bool:
        """Whether a photograph is to be passed over, for its sidecar was there before this run."""
        path = self._path(source)
        return self._resume and path not in self._written and _is_there(path)

    def refuse(self, source: Photo) -> str | None:
        """Why a photograph may not be captioned, in one line, if it may not: its sidecar is there."""
        path = self._path(source)
        if path == source.file:
            return f"{source.path}: is named as its own sidecar"
        if self._force or path in self._written or not _is_there(path):
            return None
        return f"{path}: exists already; --force replaces, --resume passes over what is there"

    def write(self, captioned: Iterable[CaptionResult]) -> Iterator[CaptionResult]:
        """Write the sidecar of each as it comes; one that cannot be written becomes that photograph's error."""
        for one in captioned:
            yield one if one.error is not None else self._write(one)

    def _write(self, one: CaptionResult) -> CaptionResult:
        path = self._path(one.photo)
        if path in self._written:
            return replace(one, error=f"{one.photo.path}: {path.name} is the sidecar of {self._written[path]}")
        self._written[path] = one.photo.path
        try:
            write_text(path, "".join(f"{candidate.caption}\n" for candidate in one.candidates))
        except DataError as error:
            return replace(one, error=str(error))
        return one

    def _path(self, source: Photo) -> Path:
        return source.file.with_name(source.file.stem + self._suffix)


def _is_there(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110  not Path.exists(), which raises on names that are too long
