"""Meets the photographs: finds each record's file below the images' folder and sees that it decodes.

Knows no splits and no caption formats.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath

from vsa_cli.core.corpus.corpus import Image, Sentence
from vsa_cli.core.corpus.records import Problem, Record
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.io.images import read_picture
from vsa_cli.core.io.threads import Workers

Found = Image | Problem
Watch = Callable[[Iterable[Found], int], Iterable[Found]]
"""Passes results through while counting them; gets them and their number."""

_SMALL = 16
"""Short side, in pixels, to decode to: JPEG then skips most arithmetic, yet still reads every byte."""


def unwatched(results: Iterable[Found], total: int) -> Iterable[Found]:
    """A `Watch` that only passes on."""
    return results


def check_images(
    records: Sequence[Record],
    root: Path,
    threads: int = 0,
    watch: Watch = unwatched,
    unseen: Collection[str] = frozenset(),
) -> tuple[list[Image], list[Problem]]:
    """Find, decode and hash every photograph.

    Args:
        records: settled, so each has a split.
        root: the folder of the photographs.
        threads: decoders at work; 0 takes one for each core.
        watch: sees the results pass.
        unseen: files that cannot be looked at, and are taken for sound: sizes of 0, no hash.

    Returns:
        The sound images in the records' order, whatever the threads' order; and the problems.
    """
    files = [_find(record, root) for record in records]
    times = Counter(file for file in files if file is not None)

    def check(record: Record, file: str | None) -> Found:
        if record.file in unseen:
            return _take(record, record.file, 0, 0, "")
        if file is None:
            return Problem("missing", record.key, f"no file {record.file} in {root.name or root}")
        if times[file] > 1:
            return Problem("clash", record.key, f"{times[file]} images name the file {file}")
        return _look_at(record, root, file)

    with Workers(threads or os.cpu_count() or 1) as workers:
        found = list(watch(workers.map(check, records, files), len(records)))
    images = [one for one in found if isinstance(one, Image)]
    return images, [one for one in found if isinstance(one, Problem)] + note_twins(images)


def _find(record: Record, root: Path) -> str | None:
    """The record's file below `root`: in its folder, as written, with Windows' separators, by its bare name."""
    posix = record.file.replace("\\", "/")
    tries = (record.place, record.file, posix, PurePosixPath(posix).name)
    # Not Path.is_file(), which raises on names that are too long.
    return next((file for file in tries if os.path.isfile(root / file)), None)  # noqa: PTH113


def _look_at(record: Record, root: Path, file: str) -> Found:
    path = root / file
    try:
        picture = read_picture(path, _SMALL)
        sha256 = file_sha256(path)
    except DataError as error:
        return Problem("unreadable", record.key, str(error).removeprefix(f"{path}: "))
    return _take(record, file, picture.width, picture.height, sha256)


def _take(record: Record, file: str, width: int, height: int, sha256: str) -> Image:
    sentences = tuple(Sentence(name, raw, tokenize(raw)) for name, raw in record.sentences.items())
    return Image(record.image_id, file, width, height, sha256, str(record.split), sentences)


def note_twins(images: Sequence[Image]) -> list[Problem]:
    """Notes on photographs with the same bytes as an earlier one."""
    first: dict[str, str] = {}
    notes = []
    for image in images:
        earlier = first.setdefault(image.sha256 or image.key, image.key)
        if earlier != image.key:
            notes.append(Problem("identical", image.key, f"the same bytes as {earlier}"))
    return notes
