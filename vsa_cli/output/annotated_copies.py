"""Annotated copies of captioned photographs, in a separate folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vsa_cli.core.errors import ConfigError
from vsa_cli.core.generation.results import CaptionResult
from vsa_cli.core.io.files import atomic_path, write_text
from vsa_cli.core.io.image_formats import ANNOTATED, find_pictures
from vsa_cli.core.io.sources import Photo
from vsa_cli.output.annotate import annotated_jpeg
from vsa_cli.output.html.cards import relative_name
from vsa_cli.output.html.from_captions import card_of

_JPEG = (".jpg", ".jpeg", ".jpe")


class AnnotatedCopies:
    """A folder of photographs with their captions drawn on them, at the same paths as the photographs.

    Args:
        folder: the folder.
        force: write into a folder that is not empty; the original photographs are never replaced.

    Raises:
        ConfigError: the folder is a file, or not empty.
    """

    def __init__(self, folder: Path, *, force: bool) -> None:
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{folder}: is a file; name a folder for the annotated photographs")
        if folder.exists() and any(folder.iterdir()) and not force:
            raise ConfigError(f"{folder}: is not empty; --force writes into it")
        self._folder, self._real = folder, folder.resolve()
        self._written: set[Path] = set()
        # a folder with photographs of the user must not be skipped by later runs
        self._marked = folder.is_dir() and bool(find_pictures(folder).paths)

    def check(self, photos: Iterable[Photo]) -> None:
        """Refuse photographs that are in the folder, before any work is done.

        Raises:
            ConfigError: a photograph is in the folder; the message names the first.
        """
        for photo in photos:
            if (why := self.conflict(photo)) is not None:
                raise ConfigError(why)

    def conflict(self, photo: Photo) -> str | None:
        """Why a photograph is refused: it is in the folder, where a copy might replace it. None if it is not."""
        if self._real in photo.file.resolve().parents:
            return f"{photo.path}: is in {self._folder}, the folder of annotated copies; name another folder"
        return None

    def write(self, result: CaptionResult) -> None:
        """Write the copy of a photograph, unless there is nothing to draw because its captions are withheld.

        Raises:
            DataError: the photograph can no longer be read, or the copy cannot be written.
        """
        card = card_of(result)
        if card is not None and card.lines:
            self._mark()
            with atomic_path(self._free(result.photo)) as part:
                part.write_bytes(annotated_jpeg(card))

    def _mark(self) -> None:
        """Mark the folder, before its first copy, so that later runs skip it when they search folders."""
        if not self._marked:
            write_text(self._folder / ANNOTATED, "")
            self._marked = True

    def _free(self, photo: Photo) -> Path:
        """The path of a copy: the photograph's path, below the folder; numbered if this run has used it already."""
        name = Path(relative_name(str(photo.image_id)))
        if ".." in name.parts or not name.name:
            name = Path(name.name or "photograph")
        if name.suffix.lower() not in _JPEG:
            name = name.with_name(f"{name.name}.jpg")
        path, number = self._folder / name, 1
        while path in self._written:
            number += 1
            path = self._folder / name.with_name(f"{name.stem}-{number}{name.suffix}")
        self._written.add(path)
        return path
