"""The folder of the photographs, in which a path is found whatever the spelling: accents, the case of letters, suffix.

File systems differ in this: a path that opens a file on macOS or Windows may need another spelling on Linux.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from vsa_cli.core.corpus.photo_names import plain_name
from vsa_cli.core.io.image_formats import is_picture_name


class PhotoFolder:
    """A folder of photographs, each subfolder of which is listed at most once.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: dict[str, list[str]] = {}
        self._folders: dict[str, str | None] = {"": ""}
        self._indices: dict[str, list[dict[str, list[str]]]] = {}

    def find(self, file: str) -> str | None:
        """The file of a path, as written, else in the closest spelling that exactly one photograph has; or None.

        Args:
            file: a relative path.
        """
        if "\0" in file or os.path.isfile(os.path.join(self._root, file)):  # noqa: PTH113, PTH118  a row each: faster
            return None if "\0" in file else file
        folder, _, base = plain_name(file).rpartition("/")
        found = self._folder(folder)
        if found is None:
            return None
        if found not in self._indices:
            pictures = sorted(filter(is_picture_name, self._list(found)))
            self._indices[found] = [_index(pictures, spell) for spell in _SPELLINGS]
        for index, spell in zip(self._indices[found], _SPELLINGS, strict=True):
            if candidates := index.get(spell(base)):
                return self._only(found, candidates)
        return None

    def _only(self, folder: str, names: list[str]) -> str | None:
        path = _join(folder, names[0])
        return path if len(names) == 1 and os.path.isfile(self._root / path) else None  # noqa: PTH113

    def _folder(self, folder: str) -> str | None:
        """The subfolder of a plain path, in the closest spelling that exactly one has; None if there is not one."""
        if folder not in self._folders:
            self._folders[folder] = folder if (self._root / folder).is_dir() else self._respelled(folder)
        return self._folders[folder]

    def _respelled(self, folder: str) -> str | None:
        above, _, name = folder.rpartition("/")
        parent = self._folder(above)
        if parent is None:
            return None
        same = [one for one in self._list(parent) if plain_name(one).casefold() == name.casefold()]
        found = [path for path in (_join(parent, one) for one in same) if (self._root / path).is_dir()]
        return found[0] if len(found) == 1 else None

    def _list(self, folder: str) -> list[str]:
        if folder not in self._names:
            try:
                self._names[folder] = os.listdir(self._root / folder)  # noqa: PTH208  names, not paths
            except OSError:
                self._names[folder] = []
        return self._names[folder]


def _index(names: list[str], spell: Callable[[str], str]) -> dict[str, list[str]]:
    index: dict[str, list[str]] = {}
    for name in names:
        for spelling in dict.fromkeys((spell(name), spell(PurePosixPath(name).stem))):
            index.setdefault(spelling, []).append(name)
    return index


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _with_lower_case_suffix(name: str) -> str:
    path = PurePosixPath(plain_name(name))
    return str(path.with_suffix(path.suffix.lower())) if is_picture_name(path.name) else str(path)


def _in_lower_case(name: str) -> str:
    return plain_name(name).casefold()


_SPELLINGS = (_with_lower_case_suffix, _in_lower_case)
"""Spellings under which names are compared, the closest first."""
