"""Finding the photograph of each record in the images' folder, and checking that it decodes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from vsa_cli.core.corpus.corpus import Image, Sentence
from vsa_cli.core.corpus.photo_folder import PhotoFolder
from vsa_cli.core.corpus.records import Problem, Record
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.device import available_cores
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.io.images import read_picture
from vsa_cli.core.io.threads import Workers

Found = Image | Problem
Watch = Callable[[Iterable[Found], int], Iterable[Found]]
"""Called with the results and their number; returns the results, for example while showing progress."""

_SMALL = 16
"""Short side, in pixels, to decode to: a JPEG is decoded faster, but still read to its last byte."""


def unwatched(results: Iterable[Found], total: int) -> Iterable[Found]:
    """A `Watch` that returns the results as they are."""
    return results


def check_images(
    records: Sequence[Record],
    root: Path,
    threads: int = 0,
    watch: Watch = unwatched,
    unseen: Collection[str] = frozenset(),
    *,
    characters: bool = False,
) -> tuple[list[Image], list[Problem]]:
    """Find, decode and hash every photograph.

    Args:
        records: the records, each with a split.
        root: the folder of the photographs.
        threads: the number of decoding threads; 0 takes one per core.
        watch: receives the results as they are made.
        characters: whether each letter of a script without spaces is a word.
        unseen: files that are not unpacked yet and cannot be checked; they are accepted with size 0 and no hash.

    Returns:
        The valid images, in the order of the records; and the problems.
    """
    folder = PhotoFolder(root)
    files = [_find(record, root) or folder.find(record.place) or folder.find(record.file) for record in records]
    counts = Counter(file for file in files if file is not None)
    ignored: dict[str, Problem] = {}

    def check(record: Record, file: str | None) -> Found:
        if record.file in unseen:
            return _image(record, record.file, 0, 0, "", characters=characters)
        if file is None:
            return Problem("missing", record.key, f"no file {record.file} in {root.name or root}")
        if counts[file] > 1:
            return Problem("clash", record.key, f"{counts[file]} images name the file {file}")
        image, note = _check(record, root, file, characters=characters)
        if note is not None:
            ignored[record.key] = note
        return image

    with Workers(threads or available_cores()) as workers:
        found = list(watch(workers.map(check, records, files), len(records)))
    images = [one for one in found if isinstance(one, Image)]
    notes = [ignored[image.key] for image in images if image.key in ignored]
    return images, [one for one in found if isinstance(one, Problem)] + notes + _note_duplicates(images)


def without_photographs(records: Sequence[Record], *, characters: bool = False) -> list[Image]:
    """Images that are only sentences: no photograph is searched for, the size is 0 and there is no hash.

    Args:
        records: the records, each with a split.
        characters: whether each letter of a script without spaces is a word.
    """
    return [_image(record, record.file, 0, 0, "", characters=characters) for record in records]


def _find(record: Record, root: Path) -> str | None:
    """The record's file below `root`: in its folder, as written, with Windows separators, or by file name alone.

    Each as written and in both Unicode normalisation forms (NFC, NFD), with its suffix in lower or upper case.
    """
    posix = record.file.replace("\\", "/")
    names = dict.fromkeys((record.place, record.file, posix, PurePosixPath(posix).name))
    forms = (lambda name: name, lambda name: normalize("NFC", name), lambda name: normalize("NFD", name))
    candidates = dict.fromkeys(form(name) for form in forms for name in names)
    spelled = (
        name.removesuffix(end) + case(end) for case in (str, str.lower, str.upper) for name, end in _ends(candidates)
    )
    # Not Path.is_file(), which raises on names that are too long.
    return next((file for file in spelled if os.path.isfile(root / file)), None)  # noqa: PTH113


def _ends(names: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, PurePosixPath(name).suffix) for name in names]


def _check(record: Record, root: Path, file: str, *, characters: bool) -> tuple[Found, Problem | None]:
    path = root / file
    try:
        picture = read_picture(path, _SMALL)
        sha256 = file_sha256(path)
    except DataError as error:
        return Problem("unreadable", record.key, str(error).removeprefix(f"{path}: ")), None
    image = _image(record, file, picture.width, picture.height, sha256, characters=characters)
    note = "; ".join(note.removeprefix(f"{path}: ") for note in picture.notes)
    return image, Problem("metadata", record.key, note) if note else None


def _image(record: Record, file: str, width: int, height: int, sha256: str, *, characters: bool) -> Image:
    sentences = tuple(
        Sentence(name, raw, tokenize(raw, characters=characters)) for name, raw in record.sentences.items()
    )
    return Image(record.image_id, file, width, height, sha256, str(record.split), sentences)


def _note_duplicates(images: Sequence[Image]) -> list[Problem]:
    first: dict[str, str] = {}
    notes = []
    for image in images:
        earlier = first.setdefault(image.sha256 or image.key, image.key)
        if earlier != image.key:
            notes.append(Problem("identical", image.key, f"the same bytes as {earlier}"))
    return notes
