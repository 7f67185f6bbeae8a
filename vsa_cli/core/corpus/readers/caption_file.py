"""A caption file or folder, as every reader receives it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

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

    def folder_prefix(self, folder: Path) -> str | None:
        """The prefix of paths in a folder, relative to the images' folder: "" or "a/b/"; None if it is outside."""
        below = os.path.relpath(folder.resolve(), self.images.resolve()).replace(os.sep, "/")
        if below == ".":
            return ""
        inside = relative_file(below)
        return f"{inside}/" if inside else None
