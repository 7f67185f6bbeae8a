"""A caption file or folder, as every reader receives it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from vsa_cli.core.corpus.photo_names import below_root, is_absolute, plain_name
from vsa_cli.core.corpus.records import Collector, relative_file
from vsa_cli.core.corpus.split_names import find_split, split_in_file_name
from vsa_cli.core.io.image_formats import is_picture_name


@dataclass(frozen=True)
class CaptionFile:
    """A caption file, and where its contents go.

    Attributes:
        path: the file; for sidecars, the folder.
        collector: receives the records and the problems.
        images: the folder of the photographs.
        split: the split of images whose split the file does not give, as set by the user.
    """

    path: Path
    collector: Collector
    images: Path
    split: str | None = None
    _listings: dict[str, dict[str, list[str]]] = field(default_factory=dict, repr=False, compare=False)
    _located: dict[tuple[str, ...], str] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def _root(self) -> str:
        return plain_name(str(self.images.resolve()))

    @cached_property
    def _prefix(self) -> str | None:
        return self.folder_prefix(self.path.parent)

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
        normalisation form, its suffix in another case, or absent if exactly one photograph has the rest of the name.

        Args:
            names: the names of one photograph, in order of preference; the first that is found counts.

        Returns:
            The path of the photograph; if none is found, the path that the first name stands for.
        """
        if names not in self._located:  # each sentence of a photograph names it again
            found = (self._match(choice) for name in names for choice in self._choices(name))
            self._located[names] = next((file for file in found if file is not None), None) or self._expected(names[0])
        return self._located[names]

    def _choices(self, name: str) -> list[str]:
        plain, root = plain_name(name), self._root
        below = below_root(plain, self.images.name)
        if is_absolute(plain):
            return [plain.removeprefix(f"{root}/")] if plain.startswith(f"{root}/") else [below] if below else []
        prefix = self._prefix
        choices = (f"{prefix}{plain}" if prefix else None, name, plain, below)
        return [choice for choice in dict.fromkeys(choices) if choice and relative_file(choice) is not None]

    def _expected(self, name: str) -> str:
        """The path of a photograph that is missing: beside the file that names it, if that is below the images."""
        if is_absolute(plain_name(name)):
            return next(iter(self._choices(name)), name)
        inside = relative_file(name) is not None
        return f"{self._prefix or ''}{name}" if inside else name

    def _match(self, file: str) -> str | None:
        """The file in the images' folder of this name, exactly or in another spelling; None if there is not one."""
        if "\0" in file or os.path.isfile(os.path.join(self.images, file)):  # noqa: PTH113, PTH118  a row each: faster
            return None if "\0" in file else file
        folder, slash, base = plain_name(file).rpartition("/")
        if folder not in self._listings:
            self._listings[folder] = _list(self.images / folder)
        found = self._listings[folder].get(_folded(base), ())
        return f"{folder}{slash}{found[0]}" if len(found) == 1 else None

    def folder_prefix(self, folder: Path) -> str | None:
        """The prefix of paths in a folder, relative to the images' folder: "" or "a/b/"; None if it is outside."""
        below = os.path.relpath(folder.resolve(), self.images.resolve()).replace(os.sep, "/")
        if below == ".":
            return ""
        inside = relative_file(below)
        return f"{inside}/" if inside else None


def _list(folder: Path) -> dict[str, list[str]]:
    """The photographs in a folder, by name in one spelling and by name without suffix."""
    listed: dict[str, list[str]] = {}
    try:
        pictures = sorted(filter(is_picture_name, os.listdir(folder)))  # noqa: PTH208  names, not paths
    except OSError:
        return listed
    for name in pictures:
        for spelling in dict.fromkeys((_folded(name), plain_name(PurePosixPath(name).stem))):
            listed.setdefault(spelling, []).append(name)
    return listed


def _folded(name: str) -> str:
    path = PurePosixPath(plain_name(name))
    return str(path.with_suffix(path.suffix.lower())) if is_picture_name(path.name) else str(path)
