"""A caption file or folder, as every reader receives it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from vsa_cli.core.corpus.photo_names import below_root, is_absolute, plain_name
from vsa_cli.core.corpus.records import Collector, relative_file
from vsa_cli.core.corpus.split_names import find_split, split_in_file_name


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

    def where(self, place: str) -> str:
        """A place in the file, for problems."""
        return f"{self.path.name}, {place}"

    def fallback_split(self, file: str) -> str | None:
        """The split of an image whose split the file does not give: the user's, its folder's, or the file name's."""
        folder = find_split(file.removeprefix("./").partition("/")[0]) if "/" in file else None
        return self.split or folder or split_in_file_name(self.path.stem)

    def locate(self, name: str) -> str:
        """The path, relative to the images' folder, of a photograph that this file names.

        Names are relative to the file's own folder where it is in the images' folder, or to the images' folder, which
        they may also start with; absolute paths in the images' folder are accepted.
        """
        plain = plain_name(name)
        root = plain_name(str(self.images.resolve()))
        if is_absolute(plain):
            if plain.startswith(f"{root}/"):
                return plain.removeprefix(f"{root}/")
            return below_root(plain, self.images.name) or name
        prefix = self.folder_prefix(self.path.parent)
        choices = [f"{prefix}{plain}" if prefix else None, name, plain, below_root(plain, self.images.name)]
        return next((choice for choice in choices if choice and self.has(choice)), name)

    def has(self, name: str) -> bool:
        """Whether a photograph is in the images' folder, by its path there."""
        return _is_file(os.path.join(self.images, name))  # noqa: PTH118  faster, and there is a row for each sentence

    def folder_prefix(self, folder: Path) -> str | None:
        """The prefix of paths in a folder, relative to the images' folder: "" or "a/b/"; None if it is outside."""
        below = os.path.relpath(folder.resolve(), self.images.resolve()).replace(os.sep, "/")
        if below == ".":
            return ""
        inside = relative_file(below)
        return f"{inside}/" if inside else None


@lru_cache(maxsize=1 << 12)
def _is_file(path: str) -> bool:
    return os.path.isfile(path)  # noqa: PTH113  not Path.is_file(), which raises on names that are too long
