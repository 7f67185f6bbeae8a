"""Annotated copies of captioned photographs, in a folder of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.core.generation.results import CaptionResult
from vsa_cli.core.io.files import atomic_path
from vsa_cli.core.io.sources import Photo
from vsa_cli.output.annotate import annotated_jpeg
from vsa_cli.output.html.cards import Card, relative_name
from vsa_cli.output.html.from_captions import card_of


class AnnotatedCopies:
    """A folder of photographs with what was said drawn on them, `photo.jpg` for `photo.jpg` wherever it lies.

    Args:
        folder: where they go.
        force: write among, and over, what is there; never over a photograph that is captioned.

    Raises:
        UsageError: the folder is in use.
    """

    def __init__(self, folder: Path, *, force: bool) -> None:
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{folder}: is a file; name a folder for the annotated photographs")
        if folder.exists() and any(folder.iterdir()) and not force:
            raise ConfigError(f"{folder}: is not empty; --force writes there all the same")
        self._folder, self._real = folder, folder.resolve()
        self._taken: set[Path] = set()

    def refuse_any(self, sources: Iterable[Photo]) -> None:
        """Refuse photographs that lie in the folder, for copies would cover them.

        Raises:
            UsageError: one does.
        """
        for source in sources:
            if (reason := self.refuse(source)) is not None:
                raise ConfigError(reason)

    def refuse(self, source: Photo) -> str | None:
        """Why a photograph may not be captioned, in one line, if it may not: it lies in the folder."""
        if self._real in source.file.resolve().parents:
            return f"{source.path}: lies in {self._folder}, where annotated copies go; name another folder"
        return None

    def write(self, captioned: Iterable[CaptionResult]) -> Iterator[CaptionResult]:
        """Write the copy of each as it comes; one that cannot be made becomes that photograph's error."""
        for one in captioned:
            card = card_of(one)
            yield one if one.error is not None or card is None else self._write(one, card)

    def _write(self, one: CaptionResult, card: Card) -> CaptionResult:
        error = self.refuse(one.photo)
        if error is not None:
            return replace(one, error=error)
        try:
            with atomic_path(self._free(one.photo)) as part:
                part.write_bytes(annotated_jpeg(card))
        except DataError as failure:
            return replace(one, error=str(failure))
        return one

    def _free(self, source: Photo) -> Path:
        """The path of a copy: that of the photograph, below the folder; numbered where two would be one."""
        name = Path(relative_name(str(source.image_id)))
        if ".." in name.parts or not name.name:
            name = Path(name.name or "photograph")
        if name.suffix.lower() not in (".jpg", ".jpeg", ".jpe"):
            name = name.with_name(f"{name.name}.jpg")
        path, number = self._folder / name, 1
        while path in self._taken:
            number += 1
            path = self._folder / name.with_name(f"{name.stem}-{number}{name.suffix}")
        self._taken.add(path)
        return path
