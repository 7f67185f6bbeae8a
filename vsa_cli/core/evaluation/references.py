"""Reader of reference sentences: a corpus, COCO captions, a Flickr token file, CSV, TSV or JSON Lines.

In addition to the formats of `core.corpus` it reads COCO annotations without file names, JSON Lines with `image_id` and
`caption`, `captions` or `references`, and a JSON object that maps ids to lists of sentences.
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
_MAX_CHARACTERS = 10_000
"""Length of a reference sentence; longer texts are left out."""


@dataclass
class ReferenceImage:
    """An image and its reference sentences.

    Attributes:
        key: the image id, as text.
        sentences: the reference sentences.
        file: the path of the image file, if the references name it.
        split: the split, if the references name it.
    """

    key: str
    sentences: list[str] = field(default_factory=list)
    file: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class References:
    """The sentences that captions are scored against.

    Attributes:
        images: images by id, in the order of the file; each has at least one sentence.
        training: the words of each training sentence; None if the references have no training split.
        malformed: number of entries that could not be read.
    """

    images: dict[str, ReferenceImage]
    training: frozenset[tuple[str, ...]] | None
    malformed: int

    def split(self, name: str) -> list[ReferenceImage]:
        """The images of a split, or all images for `all`.

        Raises:
            ConfigError: the name is not a split, or the references have no splits.
            DataError: the split has no image.
        """
        split = resolve_split(name)
        if split == "all":
            return list(self.images.values())
        if all(image.split is None for image in self.images.values()):
            raise ConfigError(f"`split` {name}: the references have no splits; omit it, or use a corpus.json")
        images = [image for image in self.images.values() if image.split == split]
        if not images:
            raise DataError(f"the references have no image in the split {name}")
        return images

    def keys_by_name(self) -> dict[str, str]:
        """Image ids by every name of an image: its id and path, and its file name and stem if they are unique."""
        names: dict[str, set[str]] = {}
        for key, image in self.images.items():
            path = PurePosixPath(image.file or key)
            for name in {str(path), path.name, path.stem}:
                names.setdefault(name, set()).add(key)
        unique = {name: keys.pop() for name, keys in names.items() if len(keys) == 1}
        return {**unique, **{key: key for key in self.images}}


def read_references(path: Path) -> References:
    """Read references of any format; the format is detected.

    Raises:
        DataError: the file cannot be read, has an unknown format, or contains no sentence.
        ArtifactError: the file is a damaged corpus.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise DataError(f"{path}: is a pipe; save the references as a file, which is read twice")
    first = next((line for line in text_lines(path, 1 << 20) if line.strip()), "")
    head = parse(first)
    malformed, training = 0, None
    if f'"format": "{CORPUS}"' in first[:200]:  # as vsa writes it, to avoid parsing it twice
        images, training = _corpus(path)
    elif first.lstrip().startswith(("{", "[")) and not (isinstance(head, dict) and _is_line(head)):
        document = read_json(path)
        if isinstance(document, dict) and document.get("format") == CORPUS:
            images, training = _corpus(path)
        else:
            images, malformed = _from_json(document, path)
    elif isinstance(head, dict) and "image_id" in head:
        images, malformed = _gather(parse(line) for line in text_lines(path) if line.strip())
    else:
        images, malformed = _captions(path)
    with_sentences = {image.key: image for image in images if image.sentences}
    if not with_sentences:
        raise DataError(f"{path}: contains no reference sentences")
    return References(with_sentences, training or _training_words(with_sentences.values()), malformed)


def _training_words(images: Iterable[ReferenceImage]) -> frozenset[tuple[str, ...]] | None:
    words = (tokenize(sentence) for image in images if image.split == "train" for sentence in image.sentences)
    return frozenset(words) or None


def _from_json(document: Any, path: Path) -> tuple[list[ReferenceImage], int]:
    if isinstance(document, dict) and isinstance(document.get("annotations"), list):
        images, malformed = _gather(document["annotations"])
        _add_files(images, document.get("images"))
        return images, malformed
    if isinstance(document, dict) and "images" not in document:
        return _gather({"image_id": key, "captions": value} for key, value in document.items())
    return _gather(document) if isinstance(document, list) else _captions(path)


def _add_files(images: Iterable[ReferenceImage], entries: object) -> None:
    """Add the file names of the image entries of COCO annotations."""
    known = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    files = {str(entry.get("id")): entry.get("file_name") for entry in known}
    for image in images:
        file = files.get(image.key)
        image.file = file if is_text(file) and file.strip() else None


def _is_line(head: dict[str, Any]) -> bool:
    return "file_name" in head or ("image_id" in head and any(name in head for name in _SENTENCES))


def _corpus(path: Path) -> tuple[list[ReferenceImage], frozenset[tuple[str, ...]] | None]:
    corpus = read_corpus(path)
    cut = corpus.vocabulary is not None and corpus.vocabulary.characters  # captions are compared by their words
    sentences = (sentence for image in corpus.images if image.split == "train" for sentence in image.sentences)
    train = frozenset(tokenize(sentence.raw) if cut else sentence.tokens for sentence in sentences)
    images = [
        ReferenceImage(image.key, [sentence.raw for sentence in image.sentences], image.file, image.split)
        for image in corpus.images
    ]
    return images, train or None


def _captions(path: Path) -> tuple[list[ReferenceImage], int]:
    reading = read_captions([path], path.parent)
    records, malformed = reading.records, len([problem for problem in reading.problems if not problem.is_note])
    lists = lists_beside([path], reading.formats)
    if lists:
        records, problems = place(records, lists)
        malformed += len([problem for problem in problems if not problem.is_note])
    return [
        ReferenceImage(
            record.key,
            [raw for raw in record.sentences.values() if len(raw) <= _MAX_CHARACTERS],
            record.place,
            "train" if record.split == RESTVAL else record.split,
        )
        for record in records
    ], malformed


def _gather(entries: Iterable[Any]) -> tuple[list[ReferenceImage], int]:
    """The images of entries with `image_id` and `caption` (or `captions` ...), and the number of malformed entries."""
    images: dict[str, ReferenceImage] = {}
    malformed = 0
    for entry in entries:
        image_id = entry.get("image_id") if isinstance(entry, dict) else None
        value = next((entry[name] for name in _SENTENCES if entry.get(name)), None) if is_id(image_id) else None
        sentences = value if isinstance(value, list) else [value]
        valid = [text for text in sentences if is_text(text) and text.strip() and len(text) <= _MAX_CHARACTERS]
        malformed += len(valid) < len(sentences)
        if is_id(image_id):
            image = images.setdefault(str(image_id), ReferenceImage(str(image_id)))
            image.sentences += valid
            image.split = image.split or _split_of(entry)
    return list(images.values()), malformed


def _split_of(entry: dict[str, Any]) -> str | None:
    split = entry.get("split")
    return find_split(split) if isinstance(split, str) else None
