"""Reader of what humans said: a corpus, COCO captions, a Flickr token file, tables, JSON Lines.

Beside the formats of `core.corpus` it takes COCO annotations without file names, JSON Lines with `image_id` and
`caption`, `captions` or `references`, and a JSON object from id to a list of sentences.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.corpus.readers.detect import read_captions
from vsa_cli.core.corpus.records import is_id
from vsa_cli.core.corpus.split_names import RESTVAL, find_split, resolve_split
from vsa_cli.core.corpus.splits import lists_beside, place
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.core.io.envelope import CORPUS
from vsa_cli.core.io.json import parse, read_json
from vsa_cli.core.io.text import is_text, text_lines

_SENTENCES = ("references", "captions", "caption", "text", "sentence")
_LONGEST = 10_000
"""Characters of a reference; longer texts are left out."""


@dataclass
class Referenced:
    """An image and what humans said of it. `file` is its path, where the references tell it."""

    key: str
    sentences: list[str] = field(default_factory=list)
    file: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class References:
    """What captions are scored against.

    Attributes:
        images: by id, in the input's order; each has a sentence.
        training: words of the training sentences; None where the references do not tell them.
        odd: how many entries could not be understood.
    """

    images: dict[str, Referenced]
    training: frozenset[tuple[str, ...]] | None
    odd: int

    def split(self, name: str) -> list[Referenced]:
        """The images of a split, or of all of them for `all`.

        Raises:
            ConfigError: no such split, or the references name none.
            DataError: no image is in it.
        """
        wanted = resolve_split(name)
        if wanted == "all":
            return list(self.images.values())
        if all(image.split is None for image in self.images.values()):
            raise ConfigError(f"`split` {name}: the references do not name splits; leave it out, or use a corpus.json")
        found = [image for image in self.images.values() if image.split == wanted]
        if not found:
            raise DataError(f"the references have no image in the split {name}")
        return found

    def find(self) -> dict[str, str]:
        """Every name of an image to its id: the id, its path, its file name and stem where only one has them."""
        names: dict[str, set[str]] = {}
        for key, image in self.images.items():
            path = PurePosixPath(image.file or key)
            for name in {str(path), path.name, path.stem}:
                names.setdefault(name, set()).add(key)
        found = {name: keys.pop() for name, keys in names.items() if len(keys) == 1}
        return {**found, **{key: key for key in self.images}}


def read_references(path: Path) -> References:
    """Read references, finding out what the file is.

    Raises:
        DataError: unreadable, of no known kind, or without a sentence.
        ArtifactError: a damaged corpus.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise DataError(f"{path}: is a pipe; references are read twice, so save them as a file")
    first = next((line for line in text_lines(path, 1 << 20) if line.strip()), "")
    head = parse(first)
    training = None
    odd = 0
    if f'"format": "{CORPUS}"' in first[:200]:  # as vsa writes it: not parsed twice
        found, training = _corpus(path)
    elif first.lstrip().startswith(("{", "[")) and not (isinstance(head, dict) and _is_line(head)):
        document = read_json(path)
        if isinstance(document, dict) and document.get("format") == CORPUS:
            found, training = _corpus(path)
        elif isinstance(document, dict) and isinstance(document.get("annotations"), list):
            found, odd = _gather(document["annotations"])
            _name(found, document.get("images"))
        elif isinstance(document, dict) and "images" not in document:
            found, odd = _gather({"image_id": key, "captions": said} for key, said in document.items())
        elif isinstance(document, list):
            found, odd = _gather(document)
        else:
            found, odd = _captions(path)
    elif isinstance(head, dict) and "image_id" in head:
        found, odd = _gather(parse(line) for line in text_lines(path) if line.strip())
    else:
        found, odd = _captions(path)
    images = {image.key: image for image in found if image.sentences}
    if not images:
        raise DataError(f"{path}: no references: no image has a sentence")
    return References(images, training or _words_of_training(images.values()), odd)


def _words_of_training(images: Iterable[Referenced]) -> frozenset[tuple[str, ...]] | None:
    said = (tokenize(sentence) for image in images if image.split == "train" for sentence in image.sentences)
    return frozenset(said) or None


def _name(found: Iterable[Referenced], images: object) -> None:
    """Tell images of COCO annotations their files' names."""
    entries = [entry for entry in images if isinstance(entry, dict)] if isinstance(images, list) else []
    files = {str(entry.get("id")): entry.get("file_name") for entry in entries}
    for image in found:
        file = files.get(image.key)
        image.file = file if is_text(file) and file.strip() else None


def _is_line(head: dict[str, Any]) -> bool:
    return "file_name" in head or ("image_id" in head and any(name in head for name in _SENTENCES))


def _corpus(path: Path) -> tuple[list[Referenced], frozenset[tuple[str, ...]] | None]:
    corpus = read_corpus(path)
    train = frozenset(one.tokens for image in corpus.images if image.split == "train" for one in image.sentences)
    images = [
        Referenced(image.key, [one.raw for one in image.sentences], image.file, image.split) for image in corpus.images
    ]
    return images, train or None


def _captions(path: Path) -> tuple[list[Referenced], int]:
    reading = read_captions([path], path.parent)
    records, odd = reading.records, len([problem for problem in reading.problems if not problem.is_note])
    lists = lists_beside([path], reading.formats)
    if lists:
        records, problems = place(records, lists)
        odd += len([problem for problem in problems if not problem.is_note])
    return [
        Referenced(
            record.key,
            [raw for raw in record.sentences.values() if len(raw) <= _LONGEST],
            record.place,
            "train" if record.split == RESTVAL else record.split,
        )
        for record in records
    ], odd


def _gather(entries: Iterable[Any]) -> tuple[list[Referenced], int]:
    """Images of entries `{"image_id", "caption" or "captions" or ...}`, and how many entries are none."""
    found: dict[str, Referenced] = {}
    odd = 0
    for entry in entries:
        image_id = entry.get("image_id") if isinstance(entry, dict) else None
        said = next((entry[name] for name in _SENTENCES if entry.get(name)), None) if is_id(image_id) else None
        sentences = said if isinstance(said, list) else [said]
        good = [one for one in sentences if is_text(one) and one.strip() and len(one) <= _LONGEST]
        odd += len(good) < len(sentences)
        if is_id(image_id):
            image = found.setdefault(str(image_id), Referenced(str(image_id)))
            image.sentences += good
            image.split = image.split or _split_of(entry)
    return list(found.values()), odd


def _split_of(entry: dict[str, Any]) -> str | None:
    split = entry.get("split")
    return find_split(split) if isinstance(split, str) else None
