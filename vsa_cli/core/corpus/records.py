"""The contents of caption files, before photographs are checked: records of images, and problems.

Every reader passes what it finds to a `Collector`, which joins the rows of one image and reports what it cannot use.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, TypeGuard

from vsa_cli.core.corpus.photo_names import resolve_dots
from vsa_cli.core.corpus.split_names import RESTVAL, SPLITS, find_split
from vsa_cli.core.errors import MAX_NAME, DataError, one_line
from vsa_cli.core.io.json import is_text

Kind = Literal[
    "malformed", "missing", "unreadable", "clash", "unsafe", "unknown-split", "unlisted", "identical", "no-words",
    "no-sentence", "metadata",
    "unspaced",
]  # fmt: skip
NOTES = frozenset({"unlisted", "identical", "no-words", "no-sentence", "metadata", "unspaced"})
"""Kinds that are not failures; every other kind excludes an input."""

_MAX_ID = 2**63
_MAX_PROBLEMS = 1_000_000


@dataclass(frozen=True)
class Problem:
    """A failure or a note about one input.

    Attributes:
        kind: a failure, which excludes an input:
            `malformed`: a line or entry cannot be parsed;
            `missing`: the photograph does not exist;
            `unreadable`: the photograph cannot be decoded;
            `clash`: entries contradict each other;
            `unsafe`: the path is outside the images' folder;
            `unknown-split`: the name is not that of a split;
            or a note:
            `unlisted`: the image is in no split list, and left out;
            `identical`: the photograph has the same bytes as another;
            `no-words`: the sentence has no words;
            `no-sentence`: the photograph has no sentence;
            `metadata`: the photograph's metadata cannot be read, and its orientation is ignored;
            `unspaced`: the sentences are in a script that is written without spaces.
        name: the image, or the file and line.
        message: what is wrong, on one line.
    """

    kind: Kind
    name: str
    message: str

    def __post_init__(self) -> None:
        # Both contain text from untrusted files, and are printed on terminals and written as JSON.
        object.__setattr__(self, "name", one_line(self.name, MAX_NAME))
        object.__setattr__(self, "message", one_line(self.message, MAX_NAME))

    @property
    def is_note(self) -> bool:
        """Whether the problem excludes no input."""
        return self.kind in NOTES


@dataclass
class Record:
    """An image of the caption files.

    Attributes:
        image_id: unique among records, compared as text.
        file: the photograph's relative posix path, without `..`.
        folder: the subfolder of the images' folder to search first, or "".
        split: a split, restval, or None if it is not known yet.
        rank: the position in the split list, or else in the caption files.
        sentences: sentence id to sentence as written.
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
        """The expected path of the file in the images' folder."""
        return f"{self.folder}/{self.file}" if self.folder else self.file


class Collector:
    """Collects records and problems from readers, so that a bad entry excludes only itself.

    Attributes:
        problems: the problems reported so far.
        named: the number of rows and entries that named an image, valid or not.
    """

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.named = self.sentences = 0  # images named, and sentences accepted, so far
        self._records: dict[str, Record] = {}
        self._excluded: set[str] = set()

    def records(self) -> list[Record]:
        """The valid images, in the order in which they were first named."""
        kept = [record for key, record in self._records.items() if key not in self._excluded]
        for rank, record in enumerate(kept):
            record.rank = rank
        return kept

    def note_missing_sentences(self) -> None:
        """Report the images without a sentence that no reader has reported."""
        noted = {problem.name for problem in self.problems if problem.kind == "no-sentence"}
        for record in self.records():
            names = {one_line(name, MAX_NAME) for name in (record.key, record.file)}
            if not record.sentences and noted.isdisjoint(names):
                self.report("no-sentence", record.key, "no sentence in the caption files: kept without one")

    def report(self, kind: Kind, name: str, message: str) -> None:
        """Record a problem.

        Raises:
            DataError: there are so many problems that they would fill the memory.
        """
        if len(self.problems) >= _MAX_PROBLEMS:
            raise DataError(f"{one_line(name, MAX_NAME)}: one of more than {_MAX_PROBLEMS} invalid entries")
        self.problems.append(Problem(kind, name, message))

    def add_image(
        self, image_id: object, file: object, where: str, *, folder: str = "", split: object = None
    ) -> Record | None:
        """Add an image, or a further row of a known image.

        Args:
            image_id: the id in the caption file, unchecked.
            file: the photograph's path in the caption file, unchecked.
            where: the file and line, for problems.
            folder: the subfolder of the images' folder to search first.
            split: the split in the caption file, unchecked; None or "" if there is none.

        Returns:
            The record to add sentences to; None if the image is excluded, after reporting why.
        """
        image_id = as_id(image_id)
        if not is_id(image_id) or not is_text(file):
            self.report("malformed", where, "the image's id or file name is missing or not text")
            return None
        self.named += 1
        safe, home = relative_file(file), relative_file(folder) if folder else ""
        image_id = safe if safe and image_id == file else image_id  # "./a.jpg" is "a.jpg"
        known = find_split(split) if isinstance(split, str) else None
        key, named = str(image_id), Record(image_id, safe or file, home or "", known)
        if key in self._excluded:
            return None
        record = self._records.setdefault(key, named)
        if safe is None or home is None:
            self._exclude(key, "unsafe", f"{file!r} is not a path inside the images' folder")
        elif known is None and split not in (None, ""):
            self._exclude(key, "unknown-split", f"{split!r} is not a split ({', '.join((*SPLITS, RESTVAL))})")
        elif (record.folder, record.file) != (home, safe):
            self._exclude(key, "clash", f"named twice, as {record.place} and as {named.place}")
        elif known and record.split and record.split != known:
            self._exclude(key, "clash", f"named twice, in {record.split} and in {known}")
        record.split = record.split or known
        return None if key in self._excluded else record

    def add_sentence(self, record: Record, raw: object, where: str, sentence_id: object = None) -> None:
        """Add a sentence to an image; a blank one is reported and left out."""
        if not is_text(raw) or not (sentence_id is None or is_id(sentence_id)):
            encoded = isinstance(raw, str) and not is_text(raw)
            why = "the sentence is not UTF-8 text" if encoded else "the sentence or its id is missing or not text"
            self.report("malformed", where, why)
            return
        if not raw.strip():
            self.report("no-words", where, "the sentence is blank: left out")
            return
        self.sentences += 1
        name = str(sentence_id) if sentence_id is not None else _next_id(record)
        if record.sentences.setdefault(name, raw) != raw:
            self.report("clash", where, f"sentence {name} has two texts: the first is kept")

    def _exclude(self, key: str, kind: Kind, message: str) -> None:
        self._excluded.add(key)
        self.report(kind, key, message)


def _next_id(record: Record) -> str:
    number = len(record.sentences)
    while f"{record.key}#{number}" in record.sentences:
        number += 1
    return f"{record.key}#{number}"


@lru_cache(maxsize=1024)  # each sentence of a photograph names its file again
def relative_file(name: str) -> str | None:
    """A path in normalised posix form, without `..`; None if it is absolute, leaves its folder, or is empty."""
    parts = name.split("/")
    plain = "/".join(resolve_dots(parts))
    windows = plain.replace("\\", "/").split("/")
    if not plain or not parts[0] or not windows[0] or ".." in windows or re.fullmatch(r"[A-Za-z]:", windows[0]):
        return None
    return plain


def as_id(value: object) -> object:
    """An id as it is compared: `1.0` is `1`, since JSON, CSV and spreadsheets write one number in both ways."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def is_id(value: object) -> TypeGuard[int | str]:
    """Whether a value can identify an image or a sentence: a 64-bit integer, or a text that is not blank."""
    if isinstance(value, int):
        return not isinstance(value, bool) and -_MAX_ID <= value < _MAX_ID
    return is_text(value) and bool(value.strip())
