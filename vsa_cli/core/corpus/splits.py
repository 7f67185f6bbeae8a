"""Assigning images to splits: by split lists, by the caption files, or by counts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vsa_cli.core.config import Restval
from vsa_cli.core.corpus.corpus import Image
from vsa_cli.core.corpus.photo_names import PhotoNames, is_absolute, plain_name
from vsa_cli.core.corpus.records import Problem, Record
from vsa_cli.core.corpus.split_names import RESTVAL, find_split, split_in_file_name
from vsa_cli.core.errors import ConfigError
from vsa_cli.core.io.envelope import parent
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.io.json import is_text
from vsa_cli.core.io.text import text_lines

_BESIDE_FLICKR = ("*trainImages.txt", "*devImages.txt", "*testImages.txt")


@dataclass(frozen=True)
class SplitList:
    """A file that lists the images of one split, one per line."""

    split: str
    path: Path


def named_lists(arguments: Sequence[str]) -> list[SplitList]:
    """The split lists that a user names.

    Args:
        arguments: `train=FILE`, or a file whose name contains its split.

    Raises:
        ConfigError: the split of a list cannot be determined.
    """
    return [_named_list(argument) for argument in arguments]


def _named_list(argument: str) -> SplitList:
    name, equals, path = argument.partition("=")
    if equals and (split := find_split(name)):
        return SplitList(split, Path(path))
    if split := split_in_file_name(Path(argument).stem):
        return SplitList(split, Path(argument))
    raise ConfigError(f"`splits` {argument}: the file name contains no split; write train={argument}")


def lists_beside(captions: Sequence[Path], formats: Sequence[str]) -> list[SplitList]:
    """The split lists beside Flickr token files, under the names they have in Flickr8k and Flickr30k."""
    folders = dict.fromkeys(path.parent for path, kind in zip(captions, formats, strict=True) if kind == "flickr")
    paths = [path for folder in folders for pattern in _BESIDE_FLICKR for path in sorted(folder.glob(pattern))]
    return named_lists([str(path) for path in paths])


def list_parents(lists: Sequence[SplitList]) -> dict[str, dict[str, str]]:
    """The `parents` of an envelope for split lists.

    Raises:
        DataError: a list cannot be read.
    """
    return {f"splits[{number}]": parent(f"list-{one.split}", file_sha256(one.path)) for number, one in enumerate(lists)}


def place(
    records: Sequence[Record], lists: Sequence[SplitList], root: Path | None = None
) -> tuple[list[Record], list[Problem]]:
    """Assign records to splits by lists, which name images by id, path, file name or stem (see `photo_names`).

    Images that no list names are left out, and names that match no image are ignored; both are reported.

    Args:
        records: the images of the caption files.
        lists: the split lists.
        root: the images' folder; names may start with it.

    Returns:
        The records with a split, and the problems.

    Raises:
        DataError: a list cannot be read.
    """
    names = PhotoNames(records, str(root.resolve()) if root is not None else "")
    problems: list[Problem] = []
    splits: dict[str, str] = {}
    clashing: set[str] = set()
    for where, name, split in _listed(lists, problems):
        record = names.find(name)
        if record is None:
            problems.append(_unmatched(where, name))
        elif record.key not in splits:
            record.split, record.rank = split, len(splits)
            splits[record.key] = split
        elif splits[record.key] != split and record.key not in clashing:
            clashing.add(record.key)
            problems.append(Problem("clash", record.key, f"listed as {splits[record.key]} and as {split}"))
    problems += [
        Problem("unlisted", record.key, "in no split list: left out") for record in records if record.key not in splits
    ]
    return [record for record in records if record.key in splits and record.key not in clashing], problems


def _unmatched(where: str, name: str) -> Problem:
    plain = plain_name(name)
    if is_absolute(plain) or ".." in plain.split("/") or not plain:
        return Problem("unsafe", where, f"{name!r} is not a path inside the images' folder")
    return Problem("missing", where, f"{name!r} is not an image of the caption files")


def _listed(lists: Sequence[SplitList], problems: list[Problem]) -> Iterator[tuple[str, str, str]]:
    """(place, name, split) of every line of the lists; invalid text is added to the problems."""
    for one in lists:
        names = (name for line in text_lines(one.path) for name in line.split("\0"))  # lines, or `find -print0`
        for number, line in enumerate(names, start=1):
            where = f"{one.path.name}, line {number}"
            if not is_text(line):
                problems.append(Problem("malformed", where, "is not UTF-8 text"))
            elif name := line.strip():
                yield where, name, one.split


def resolve_splits(records: Sequence[Record], restval: Restval) -> list[Record]:
    """Give every record a split of the corpus: restval joins train or is dropped, and the default is train."""
    kept = [record for record in records if record.split != RESTVAL or restval == "train"]
    for record in kept:
        record.split = "train" if record.split in (None, RESTVAL) else record.split
    return kept


def draw(images: Sequence[Image], split: str, count: int, seed: int) -> list[Image]:
    """Move `count` random images from train to another split.

    Images are ranked by a hash of seed, split and id, so the draw does not depend on the machine or the order of
    images.

    Raises:
        ConfigError: the split already has images, or train has too few.
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
        images: the images, in any order.
        count: the number of images to move.
        ranks: the position of each image, by key, in its split list or the caption files.

    Raises:
        ConfigError: the split tune already has images, or train has too few.
    """
    train = (image.key for image in images if image.split == "train")
    return _move(images, "tune", count, sorted(train, key=lambda key: -ranks[key]))


def _move(images: Sequence[Image], split: str, count: int, candidates: Sequence[str]) -> list[Image]:
    if count == 0:
        return list(images)
    if any(image.split == split for image in images):
        raise ConfigError(f"`{split}` {count}: the caption files or split lists already give a {split} split")
    if count >= len(candidates):
        raise ConfigError(f"`{split}` {count}: there are only {len(candidates)} train images to choose from")
    chosen = set(candidates[:count])
    return [replace(image, split=split) if image.key in chosen else image for image in images]
