r"""Matches the names in captions, lists, files of boxes, references and results to photographs.

One photograph is written in many ways: `./a.jpg`, `photos/a.jpg`, `photos\a.jpg`, `sub//a.jpg`, `sub/../a.jpg`, with an
absolute path, in any Unicode normalisation form (NFC or NFD), with letters in another case, between quotes or blanks,
or by an id that another program wrote as a number (`1`, `1.0`). `plain_name` unifies the spellings, and `PhotoNames`
finds the photograph. A name that matches several photographs is treated as matching none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Generic, Protocol, TypeVar

from vsa_cli.core.io.image_formats import is_picture_name
from vsa_cli.core.io.text import unquoted

_DRIVE = re.compile(r"[A-Za-z]:(?=/)|//[^/]+/[^/]+(?=/)")
_WHOLE_NUMBER = re.compile(r"(-?\d+)\.0+")


class Named(Protocol):
    """Something with an id and a file: a record of a caption file, or an image of a corpus."""

    @property
    def key(self) -> str:
        """The id as text."""

    @property
    def file(self) -> str:
        """The path of the photograph below the photographs' folder."""


NamedT = TypeVar("NamedT", bound=Named)


def plain_name(name: str) -> str:
    """A path in a normal form: slashes, no `.`, no `..` after a folder, no empty parts, NFC.

    Absolute paths stay absolute (`/a`, `C:/a`), and a leading `..` stays. Backslashes are separators, as Windows writes
    them.
    """
    text = unicodedata.normalize("NFC", name).replace("\\", "/")
    drive = _DRIVE.match(text)
    root = f"{drive[0]}/" if drive else "/" if text.startswith("/") else ""
    return root + "/".join(resolve_dots(text[len(drive[0]) if drive else 0 :].split("/")))


def resolve_dots(parts: Iterable[str]) -> list[str]:
    """The parts of a path without empty ones and `.`, and without each `..` and the part that it leaves."""
    kept: list[str] = []
    for part in parts:
        if part == ".." and kept and kept[-1] != "..":
            kept.pop()
        elif part not in ("", "."):
            kept.append(part)
    return kept


def is_absolute(name: str) -> bool:
    """Whether a plain name is an absolute path, of POSIX or of Windows."""
    return name.startswith("/") or _DRIVE.match(name) is not None


def below_drive(name: str) -> str:
    """A plain name without the drive and the slashes that an absolute path starts with."""
    drive = _DRIVE.match(name)
    return name[len(drive[0]) if drive else 0 :].lstrip("/")


def below_root(name: str, root_name: str) -> str | None:
    """The part of a name below the photographs' folder, where the name contains that folder: `photos/a.jpg`.

    Args:
        name: a plain name.
        root_name: the last part of the folder's path.
    """
    parts = name.split("/")
    # the first occurrence is the folder: photos/photos/a.jpg is photos/a.jpg in it
    for place, part in enumerate(parts[:-1]):
        if part.casefold() == root_name.casefold() and root_name:
            return "/".join(parts[place + 1 :])
    return None


def id_text(value: object) -> str:
    """An id as text, the same for `1`, `"1"` and `1.0`, which JSON, CSV and spreadsheets make of one number."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value)
    whole = _WHOLE_NUMBER.fullmatch(text)
    return whole[1] if whole else text


class PhotoNames(Generic[NamedT]):
    """Photographs, indexed by every name that other files may use for them.

    Args:
        photos: the photographs.
        root: their folder; names may start with the last component of its path. "" if it is not known: names may then
            start with any folders.
    """

    def __init__(self, photos: Sequence[NamedT], root: str = "") -> None:
        self._root = plain_name(root).rpartition("/")[2]
        plain = [(plain_name(photo.file), photo) for photo in photos]
        whole = [
            _unique(plain),
            _unique((_folded(file), photo) for file, photo in plain),
            _unique((_without_suffix(file), photo) for file, photo in plain),
        ]
        self._levels = [
            _unique((photo.key, photo) for photo in photos),
            _unique((photo.file, photo) for photo in photos),
            _unique((id_text(photo.key), photo) for photo in photos),
            *whole,
            _unique((name, photo) for file, photo in plain for name in _short_names(file)),
        ]
        self._whole = whole
        self._caseless = [
            _unique((name.casefold(), photo) for file, photo in plain for name in spell(file))
            for spell in (lambda file: (file,), lambda file: (_without_suffix(file),), _short_names)
        ]

    def find(self, name: object) -> NamedT | None:
        """The photograph with this name; None if no photograph or more than one has it."""
        if isinstance(name, str) and name in self._levels[0]:
            return self._levels[0][name]  # a key is itself, even if it looks like another: 1.0 beside 1
        text = id_text(name)
        found = self._find(text)
        return self._find(unquoted(text)) if found is None and unquoted(text) != text else found

    def _find(self, text: str) -> NamedT | None:
        plain = plain_name(text)
        below = below_root(plain, self._root)
        for spelling in (text, plain, _folded(plain), *((below, _folded(below)) if below else ())):
            if (found := _first(self._levels, spelling)) is not None:
                return found
        if (found := self._whole[0].get(_bare(below or plain))) is not None:
            return found
        if (found := _first(self._caseless, (below or plain).casefold())) is not None:
            return found
        return None if self._root else self._find_below(plain)

    def _find_below(self, name: str) -> NamedT | None:
        """The photograph whose whole path a name ends with, the longest path first."""
        parts = name.split("/")
        for first in range(1, len(parts)):
            end = _folded("/".join(parts[first:]))
            found = _first(self._whole, end) or self._whole[0].get(_bare(end)) or self._caseless[0].get(end.casefold())
            if found is not None:
                return found
        return None


def _unique(named: Iterable[tuple[str, NamedT]]) -> dict[str, NamedT]:
    """Photographs by name, without the names that several have."""
    found: dict[str, NamedT] = {}
    shared: set[str] = set()
    for name, photo in named:
        if found.setdefault(name, photo) is not photo:
            shared.add(name)
    return {name: photo for name, photo in found.items() if name not in shared}


def _first(levels: Iterable[Mapping[str, NamedT]], name: str) -> NamedT | None:
    return next((level[name] for level in levels if name in level), None)


def _folded(name: str) -> str:
    """A name with its suffix in lower case, so that `A.JPG` and `A.jpg` are equal."""
    path = PurePosixPath(name)
    return name.removesuffix(path.suffix) + path.suffix.lower()


def _bare(name: str) -> str:
    """A name without a photograph's suffix, to match ids that are file names without suffix."""
    return _without_suffix(name) if is_picture_name(PurePosixPath(name).name) else name


def _without_suffix(name: str) -> str:
    return name.removesuffix(PurePosixPath(name).suffix)


def _short_names(file: str) -> set[str]:
    """The path without its first folder, without its first two, and so on; with and without the suffix."""
    parts = file.split("/")
    ends = {_folded("/".join(parts[first:])) for first in range(1, len(parts))}
    return ends | set(map(_without_suffix, ends))
