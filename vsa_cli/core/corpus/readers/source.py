"""One caption file, or folder, on its way to a reader: its text, and what its name and place tell about splits."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from vsa_cli.core.corpus.records import Gathering, relative_file
from vsa_cli.core.corpus.split_names import split_called, split_in_name
from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.files import check_regular_file


@dataclass(frozen=True)
class Source:
    """A caption file and where its contents go.

    Attributes:
        path: the file; of sidecars, the folder.
        gathering: takes the records and the problems.
        images: the folder that holds the photographs.
        split: the user's word for images of which the file itself does not tell the split.
    """

    path: Path
    gathering: Gathering
    images: Path
    split: str | None = None

    def where(self, place: str) -> str:
        """A place in the file, for problems."""
        return f"{self.path.name}, {place}"

    def fallback_split(self, file: str) -> str | None:
        """The split of an image of which the file does not tell: the user's word, its folder, the file's name."""
        folder = split_called(file.removeprefix("./").partition("/")[0]) if "/" in file else None
        return self.split or folder or split_in_name(self.path.stem)

    def place_of(self, folder: Path) -> str | None:
        """Where a folder lies below the images' folder: "" for itself, else "a/b/"; None where it does not."""
        below = os.path.relpath(folder.resolve(), self.images.resolve()).replace(os.sep, "/")
        if below == ".":
            return ""
        inside = relative_file(below)
        return f"{inside}/" if inside else None


def read_lines(path: Path, most: int = -1) -> list[str]:
    """The lines of a text file, as `lines_of` gives them.

    Args:
        path: the file.
        most: bytes to read; all of them where negative.

    Raises:
        DataError: unreadable, or UTF-16.
    """
    try:
        check_regular_file(path)
        with path.open("rb") as file:
            data = file.read(most)
    except OSError as error:
        raise DataError(f"{path}: {reason(error)}") from error
    return lines_of(data, str(path))


def lines_of(data: bytes, where: str) -> list[str]:
    """The lines of a text, without their ends.

    Bytes that are not UTF-8 come as half characters, so that `is_text` refuses their line and no other.

    Args:
        data: all of it.
        where: its name, for messages.

    Raises:
        DataError: it is UTF-16.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{where}: is UTF-16; save it as UTF-8")
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="surrogateescape")
    return [line.removesuffix("\r") for line in text.split("\n")]
