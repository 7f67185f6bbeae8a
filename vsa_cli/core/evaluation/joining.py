"""Captions find their references: by id, by path, by file name. What has no partner is counted and named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vsa_cli.core.corpus.records import printable
from vsa_cli.core.errors import DataError
from vsa_cli.core.evaluation.hypotheses import Hypotheses
from vsa_cli.core.evaluation.references import Referenced, References
from vsa_cli.core.evaluation.results import Note


@dataclass(frozen=True)
class Joined:
    """Captions with their references.

    Attributes:
        images: in the references' order.
        captions: of those images.
        split: which split was scored: the one asked for, or the only one that the captions are of.
        notes: what did not fit.
    """

    images: list[Referenced]
    captions: list[str]
    split: str
    notes: list[Note]


def join(hypotheses: Hypotheses, references: References, split: str | None) -> Joined:
    """Find the references of captions, and count what has no partner.

    Raises:
        UsageError: no such split.
        DataError: nothing fits.
    """
    find = references.find()
    captions: dict[str, str] = {}
    unknown, twice = [], []
    for name, caption in hypotheses.captions.items():
        key = find.get(name) or find.get(name.replace("\\", "/").rpartition("/")[2])
        if key is None:
            unknown.append(name)
        elif key in captions:
            twice.append(name)
        else:
            captions[key] = caption
    if not captions:
        theirs, ours = (printable(next(iter(some))) for some in (hypotheses.captions, references.images))
        raise DataError(f"no caption's image is in the references: captions are of {theirs}, references of {ours}")
    name = split or _only_split(references, captions)
    wanted = references.split(name)
    images = [image for image in wanted if image.key in captions]
    if not images:
        raise DataError(f"no caption is of an image in the split {name}")
    inside = {image.key for image in wanted}
    notes = [
        _note("captions of images that the references do not have: left out", unknown),
        _note("captions of images that another name has named already: left out", twice),
        _note(f"captions of images outside the split {name}: left out", [key for key in captions if key not in inside]),
        _note("images of the references have no caption: left out", sorted(inside - captions.keys())),
        _note("captions are empty: scored as they are", [i.key for i in images if not captions[i.key].strip()]),
        Note(f"{references.odd} references could not be understood: left out") if references.odd else None,
    ]
    return Joined(images, [captions[image.key] for image in images], name, [note for note in notes if note is not None])


def _only_split(references: References, captions: dict[str, str]) -> str:
    splits = {references.images[key].split for key in captions}
    only = splits.pop() if len(splits) == 1 else None
    return only or "all"


def _note(what: str, names: Sequence[str]) -> Note | None:
    return Note(f"{len(names)} {what}", tuple(map(printable, names))) if names else None
