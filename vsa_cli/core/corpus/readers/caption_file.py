"""A caption file or folder, as every reader receives it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from vsa_cli.core.corpus.photo_folder import PhotoFolder
from vsa_cli.core.corpus.photo_names import below_drive, below_root, is_absolute, plain_name
from vsa_cli.core.corpus.records import Collector, relative_file
from vsa_cli.core.corpus.split_names import find_split, split_in_file_name
from vsa_cli.core.io.text import unquoted


@dataclass(frozen=True)
class CaptionFile:
    """A caption file, and where its contents go.

    Attributes:
        path: the file; for sidecars, the folder.
        collector: receives the records and the problems.
        images: the folder of the photographs; None if the sentences have none.
        split: the split of images whose split the file does not give, as set by the user.
    """

    path: Path
    collector: Collector
    images: Path | None
    split: str | None = None
    _located: dict[tuple[str, ...], str] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def _photos(self) -> _Photos | None:
        return _Photos(self.images, self.path.parent) if self.images is not None else None

    def where(self, place: str) -> str:
        """A place in the file, for problems."""
        return f"{self.path.name}, {place}"

    def fallback_split(self, file: str) -> str | None:
        """The split of an image whose split the file does not give: the user's, its folder's, or the file name's."""
        folder = find_split(file.removeprefix("./").partition("/")[0]) if "/" in file else None
        return self.split or folder or split_in_file_name(self.path.stem)

    def locate(self, *names: str) -> str:
        """The path, relative to the images' folder, of the photograph that this file names.

        A name is relative to the images' folder, or to the caption file's folder if that lies inside it; it may also
        start with the images' folder. Absolute paths in that folder are accepted. A name may be in any Unicode
        normalisation form, with letters in another case or without its suffix if exactly one photograph has the name
        otherwise, and between quotes or blanks.

        Args:
            names: the names of one photograph, in order of preference; the first that is found counts.

        Returns:
            The path of the photograph; if none is found, the path that the first name stands for. Without photographs,
            the first name as a relative path.
        """
        if names not in self._located:  # each sentence of a photograph names it again
            self._located[names] = self._photos.locate(names) if self._photos is not None else _as_relative(names[0])
        return self._located[names]


def _as_relative(name: str) -> str:
    return relative_file(below_drive(plain_name(name)) if is_absolute(plain_name(name)) else name) or name


class _Photos:
    """The photographs that a caption file can name.

    Args:
        root: the folder of the photographs.
        beside: the folder of the caption file.
    """

    def __init__(self, root: Path, beside: Path) -> None:
        self._root = plain_name(str(root.resolve()))
        self._root_name = root.name
        self._folder = PhotoFolder(root)
        self._prefix = folder_prefix(beside, root)

    def locate(self, names: tuple[str, ...]) -> str:
        spellings = dict.fromkeys((*names, *map(unquoted, names)))
        found = (self._folder.find(choice) for name in spellings for choice in self._choices(name))
        return next((file for file in found if file is not None), None) or self._expected(names[0])

    def _choices(self, name: str) -> list[str]:
        plain, root = plain_name(name), self._root
        below = below_root(plain, self._root_name)
        if is_absolute(plain):
            return [plain.removeprefix(f"{root}/")] if plain.startswith(f"{root}/") else [below] if below else []
        prefix = self._prefix
        choices = (f"{prefix}{plain}" if prefix else None, name, plain, below)
        inside = (relative_file(choice) for choice in choices if choice)
        return list(dict.fromkeys(choice for choice in inside if choice is not None))

    def _expected(self, name: str) -> str:
        """The path of a photograph that is missing: beside the file that names it, if that is below the images."""
        if is_absolute(plain_name(name)):
            return next(iter(self._choices(name)), name)
        return relative_file(f"{self._prefix or ''}{name}") or name


def folder_prefix(folder: Path, root: Path) -> str | None:
    """The prefix of paths in a folder, relative to the images' folder: "" or "a/b/"; None if it is outside."""
    below = os.path.relpath(folder.resolve(), root.resolve()).replace(os.sep, "/")
    if below == ".":
        return ""
    inside = relative_file(below)
    return f"{inside}/" if inside else None
