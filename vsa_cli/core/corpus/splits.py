"""Which image belongs to which split: by lists, by what the caption files say, by counts.

Knows no file format of captions and looks at no photograph.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Protocol, TypeVar

from vsa_cli.core.config import Restval
from vsa_cli.core.corpus.corpus import Corpus, Image
from vsa_cli.core.corpus.readers.source import read_lines
from vsa_cli.core.corpus.records import Problem, Record, is_text, relative_file
from vsa_cli.core.corpus.split_names import RESTVAL, split_called, split_in_name
from vsa_cli.core.errors import ConfigError
from vsa_cli.core.io.envelope import parent
from vsa_cli.core.io.files import file_sha256

_BESIDE_FLICKR = ("*trainImages.txt", "*devImages.txt", "*testImages.txt")


@dataclass(frozen=True)
class SplitList:
    """A file that names the images of one split, one a line."""

    split: str
    path: Path


def named_lists(arguments: Sequence[str]) -> list[SplitList]:
    """Lists that the user names, as `train=FILE` or as a file whose name tells its split.

    Raises:
        UsageError: neither tells the split.
    """
    lists = []
    for argument in arguments:
        name, equals, path = argument.partition("=")
        split = split_called(name) if equals else None
        found = SplitList(split, Path(path)) if split else None
        if found is None:
            split = split_in_name(Path(argument).stem)
            if split is None:
                raise ConfigError(f"--splits {argument}: its name tells no split; write train={argument}")
            found = SplitList(split, Path(argument))
        lists.append(found)
    return lists


def lists_beside(captions: Sequence[Path], formats: Sequence[str]) -> list[SplitList]:
    """Lists that lie beside Flickr token files under the names that the data sets give them."""
    folders = dict.fromkeys(path.parent for path, kind in zip(captions, formats, strict=True) if kind == "flickr")
    paths = [path for folder in folders for pattern in _BESIDE_FLICKR for path in sorted(folder.glob(pattern))]
    return named_lists([str(path) for path in paths])


def list_parents(lists: Sequence[SplitList]) -> dict[str, dict[str, str]]:
    """Split lists as an envelope names them.

    Raises:
        DataError: a list cannot be read.
    """
    return {f"splits[{number}]": parent(f"list-{one.split}", file_sha256(one.path)) for number, one in enumerate(lists)}


def place(records: Sequence[Record], lists: Sequence[SplitList]) -> tuple[list[Record], list[Problem]]:
    """Put records into the splits whose lists name them, by id, path, file name or its stem.

    Images that only a list names join at the end, without sentences; images that no list names are left out.

    Raises:
        DataError: a list cannot be read.
    """
    listed, problems = _read_lists(lists)
    find = by_every_name(records)
    placed: dict[str, Record] = {}
    clashing: set[str] = set()
    for rank, (name, split) in enumerate(listed.items()):
        record = find.get(name) or Record(name, name)
        if record.key in placed and record.split != split:
            clashing.add(record.key)
            problems.append(Problem("clash", record.key, f"listed as {record.split} and as {split}"))
        record.split, record.rank = split, rank
        placed[record.key] = record
    known = {record.key for record in records}
    problems += [
        Problem("unlisted", record.key, "in no split list: left out") for record in records if record.key not in placed
    ]
    ordered = [record for record in records if record.key in placed]
    ordered += [record for key, record in placed.items() if key not in known]
    return [record for record in ordered if record.key not in clashing], problems


def _read_lists(lists: Sequence[SplitList]) -> tuple[dict[str, str], list[Problem]]:
    """Names in the order of their lists, with their split."""
    listed: dict[str, str] = {}
    problems: list[Problem] = []
    clashing: set[str] = set()
    for one in lists:
        for number, line in enumerate(read_lines(one.path), start=1):
            name = line.strip()
            where = f"{one.path.name}, line {number}"
            if not name:
                continue
            if not is_text(name):
                problems.append(Problem("malformed", where, "is not UTF-8 text"))
            elif relative_file(name) is None:
                problems.append(Problem("unsafe", where, f"{name!r} is not a path inside the images' folder"))
            elif listed.setdefault(name, one.split) != one.split and name not in clashing:
                clashing.add(name)
                problems.append(Problem("clash", name, f"listed as {listed[name]} and as {one.split}"))
    return {name: split for name, split in listed.items() if name not in clashing}, problems


class Named(Protocol):
    """What has an id and a file: a record, or an image of a corpus."""

    @property
    def key(self) -> str:
        """The id as text."""

    @property
    def file(self) -> str:
        """The photograph's path."""


NamedT = TypeVar("NamedT", bound=Named)


def by_every_name(records: Sequence[NamedT]) -> dict[str, NamedT]:
    """Images by every name that other files may call them; a file name or stem only where it is unique."""
    short = [(name, record) for record in records for name in _short_names(record)]
    times = Counter(name for name, _ in short)
    find = {name: record for name, record in short if times[name] == 1}
    find.update({record.file: record for record in records})
    find.update({record.key: record for record in records})
    return find


def _short_names(record: Named) -> set[str]:
    path = PurePosixPath(record.file)
    return {path.name, path.stem}


def settle(records: Sequence[Record], restval: Restval) -> list[Record]:
    """Give every record its split: `restval` joins train or goes, and what nothing has placed is train."""
    kept = [record for record in records if record.split != RESTVAL or restval == "train"]
    for record in kept:
        record.split = "train" if record.split in (None, RESTVAL) else record.split
    return kept


def draw(images: Sequence[Image], split: str, count: int, seed: int) -> list[Image]:
    """Move train images, drawn at random, to another split.

    The draw ranks images by a hash of seed, split and id, so it is the same on every machine and in every order.

    Raises:
        UsageError: the split has images already, or train has too few.
    """
    ranks = {
        image.key: hashlib.sha256(f"{seed}:{split}:{image.key}".encode()).digest()
        for image in images
        if image.split == "train"
    }
    return _move(images, split, count, sorted(ranks, key=ranks.__getitem__))


def set_aside(images: Sequence[Image], count: int, ranks: Mapping[str, int]) -> list[Image]:
    """Move the last `count` train images to `tune`.

    Args:
        images: in any order.
        count: how many.
        ranks: place of each image, by key, in its split list or the input.

    Raises:
        UsageError: there is a tune split already, or train has too few.
    """
    train = (image.key for image in images if image.split == "train")
    return _move(images, "tune", count, sorted(train, key=lambda key: -ranks[key]))


def _move(images: Sequence[Image], split: str, count: int, candidates: Sequence[str]) -> list[Image]:
    if count == 0:
        return list(images)
    if any(image.split == split for image in images):
        raise ConfigError(f"--{split} {count}: the input says already which images are {split}")
    if count >= len(candidates):
        raise ConfigError(f"--{split} {count}: there are only {len(candidates)} train images to take from")
    chosen = set(candidates[:count])
    return [replace(image, split=split) if image.key in chosen else image for image in images]


def validation_split(corpus: Corpus, asked: str) -> str | None:
    """The split that chooses the best epoch: the one asked for; for `auto` tune, else val, else none.

    Raises:
        UsageError: no such split.
        DataError: the split asked for has no image.
    """
    if asked == "none":
        return None
    if asked == "auto":
        present = {image.split for image in corpus.images}
        return next((name for name in ("tune", "val") if name in present), None)
    corpus.split(asked)
    return asked
