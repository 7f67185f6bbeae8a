"""What caption files say, before any photograph is looked at: records, and what is wrong with the rest.

Every reader hands what it finds to a `Gathering`, which joins the rows of one image and names what it cannot
take. Knows no file format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal, TypeGuard

from vsa_cli.core.corpus.split_names import split_called
from vsa_cli.core.errors import DataError

Kind = Literal[
    "malformed", "missing", "unreadable", "clash", "unsafe", "split", "unlisted", "identical", "wordless", "captionless"
]
NOTES = frozenset({"unlisted", "identical", "wordless", "captionless"})
"""Kinds that are worth knowing and no failure; the other kinds leave an input out."""

_MAX_ID = 2**63
_LONGEST_SHOWN = 200
_MOST_PROBLEMS = 1_000_000


@dataclass(frozen=True)
class Problem:
    """Something about one input that the user should know.

    Attributes:
        kind: `malformed` a line or entry that cannot be understood; `missing` no such photograph;
            `unreadable` a photograph that cannot be decoded; `clash` one thing named twice, differently;
            `unsafe` a path that leaves the images' folder; `split` a split that does not exist. Notes:
            `unlisted` in no split list, so left out; `identical` the same bytes as another photograph;
            `wordless` a sentence without a word; `captionless` a photograph of which nothing is said.
        name: the image, or file and line.
        message: what is wrong, in one line.
    """

    kind: Kind
    name: str
    message: str

    def __post_init__(self) -> None:
        # These come from files of unknown making and go to terminals and JSON: no escapes, no half characters.
        object.__setattr__(self, "name", printable(self.name))
        object.__setattr__(self, "message", printable(self.message))

    @property
    def is_note(self) -> bool:
        """Whether nothing failed."""
        return self.kind in NOTES


@dataclass
class Record:
    """An image as the caption files name it.

    Attributes:
        image_id: unique among records, compared as text.
        file: its path as written, made posix; relative, and never climbing out.
        folder: where below the images' folder to look first, or "".
        split: train, tune, val, test, restval, or None where nothing has told yet.
        rank: its place in its split list; the input's order where there is none.
        sentences: sentence id to raw sentence.
    """

    image_id: int | str
    file: str
    folder: str = ""
    split: str | None = None
    rank: int = 0
    sentences: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The id as text."""
        return str(self.image_id)

    @property
    def place(self) -> str:
        """Where the file should be below the images' folder."""
        return f"{self.folder}/{self.file}" if self.folder else self.file


class Gathering:
    """Collects records and problems from readers, so that one bad entry costs only itself."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.named = 0  # rows and entries that named an image, whatever became of it
        self._records: dict[str, Record] = {}
        self._left_out: set[str] = set()

    def records(self) -> list[Record]:
        """The images that are sound, in the order in which they were first named."""
        kept = [record for key, record in self._records.items() if key not in self._left_out]
        for rank, record in enumerate(kept):
            record.rank = rank
        return kept

    def complain(self, kind: Kind, name: str, message: str) -> None:
        """Note a problem.

        Raises:
            DataError: there are so many that the file is of another kind, or made to fill the memory.
        """
        if len(self.problems) >= _MOST_PROBLEMS:
            raise DataError(f"{printable(name)}: one of more than {_MOST_PROBLEMS} entries that make no sense")
        self.problems.append(Problem(kind, name, message))

    def add_image(
        self, image_id: object, file: object, where: str, *, folder: str = "", split: object = None
    ) -> Record | None:
        """Take an image, or another row of an image that is here already.

        Args:
            image_id: as the file gives it.
            file: the photograph's path, as the file gives it.
            where: file and line, for problems.
            folder: where below the images' folder to look for it first.
            split: as the file gives it; None or "" where it does not.

        Returns:
            The record to add sentences to, or None after noting why there is none.
        """
        if not is_id(image_id) or not is_text(file):
            self.complain("malformed", where, "the image's id or file name is missing or not text")
            return None
        self.named += 1
        safe, home = relative_file(file), relative_file(folder) if folder else ""
        image_id = safe if safe and image_id == file else image_id  # "./a.jpg" is "a.jpg"
        known = split_called(split) if isinstance(split, str) else None
        key, named = str(image_id), Record(image_id, safe or file, home or "", known)
        if key in self._left_out:
            return None
        record = self._records.setdefault(key, named)
        if safe is None or home is None:
            self._leave_out(key, "unsafe", f"{file!r} is not a path inside the images' folder")
        elif known is None and split not in (None, ""):
            self._leave_out(key, "split", f"{split!r} is not a split (train, tune, val, test, restval)")
        elif (record.folder, record.file) != (home, safe):
            self._leave_out(key, "clash", f"named twice, as {record.place} and as {named.place}")
        elif known and record.split and record.split != known:
            self._leave_out(key, "clash", f"named twice, in {record.split} and in {known}")
        record.split = record.split or known
        return None if key in self._left_out else record

    def add_sentence(self, record: Record, raw: object, where: str, sentence_id: object = None) -> None:
        """Take a sentence of an image; blank ones are noted, not kept."""
        if not is_text(raw) or not (sentence_id is None or is_id(sentence_id)):
            self.complain("malformed", where, "the sentence or its id is missing or not text")
            return
        if not raw.strip():
            self.complain("wordless", where, "the sentence is blank: left out")
            return
        name = str(sentence_id) if sentence_id is not None else _next_id(record)
        if record.sentences.setdefault(name, raw) != raw:
            self.complain("clash", where, f"sentence {name} is here twice and differs: the first is kept")

    def _leave_out(self, key: str, kind: Kind, message: str) -> None:
        self._left_out.add(key)
        self.complain(kind, key, message)


def _next_id(record: Record) -> str:
    number = len(record.sentences)
    while f"{record.key}#{number}" in record.sentences:
        number += 1
    return f"{record.key}#{number}"


def relative_file(name: str) -> str | None:
    """A path made posix and plain, or None where it is absolute, climbs out with `..`, or names nothing."""
    plain = str(PurePosixPath(name))
    parts = plain.replace("\\", "/").split("/")
    if plain == "." or ".." in parts or not parts[0] or re.fullmatch(r"[A-Za-z]:", parts[0]):
        return None
    return plain


def is_text(value: object) -> TypeGuard[str]:
    """Whether a value is a string that files and terminals can hold: no NUL, no half characters."""
    if not isinstance(value, str) or "\0" in value:
        return False
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def is_id(value: object) -> TypeGuard[int | str]:
    """Whether a value can identify an image or a sentence: an integer of 64 bits or a text that is not blank."""
    if isinstance(value, int):
        return not isinstance(value, bool) and -_MAX_ID <= value < _MAX_ID
    return is_text(value) and bool(value.strip())


def printable(text: str) -> str:
    """Text for one line of a terminal: control and half characters escaped, very long texts cut."""
    short = text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"
    if short.isprintable():
        return short
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in short)
