"""Reader of reference sentences, from a corpus or any caption-file format that `core.corpus` reads.

Entries about photographs (see `core.corpus.readers.entries`) need no file names: an `image_id` is enough, as in COCO
annotations without images.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.corpus.photo_names import PhotoNames, plain_name
from vsa_cli.core.corpus.readers.caption_file import CaptionFile
from vsa_cli.core.corpus.readers.detect import read_captions
from vsa_cli.core.corpus.readers.entries import (
    BadEntry,
    Entry,
    files_of,
    has_sentences,
    ids_of,
    is_text_of_photos,
    json_entries,
    json_line_entries,
    kind_of,
    sentences_of,
    table_entries,
    table_header,
    text_entries,
)
from vsa_cli.core.corpus.readers.lines import FLICKR_LINE
from vsa_cli.core.corpus.records import Collector
from vsa_cli.core.corpus.split_names import RESTVAL, find_split, resolve_split
from vsa_cli.core.corpus.splits import lists_beside, place
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.core.io.envelope import CORPUS
from vsa_cli.core.io.json import is_text, read_json
from vsa_cli.core.io.text import text_lines, unquoted

_DETECTION_LINES = 20
_MAX_CHARACTERS = 10_000
"""Length of a reference sentence; longer texts are left out."""


@dataclass
class ReferenceImage:
    """An image and its reference sentences.

    Attributes:
        key: the image id, as text.
        sentences: the reference sentences.
        file: the path of the image file; the id if the references name no file.
        split: the split, if the references name it.
    """

    key: str
    sentences: list[str] = field(default_factory=list)
    file: str = ""
    split: str | None = None

    def __post_init__(self) -> None:
        self.file = self.file or self.key


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

    def names(self) -> PhotoNames[ReferenceImage]:
        """The images, found by any name that captions may use."""
        return PhotoNames(list(self.images.values()))


def read_references(path: Path) -> References:
    """Read references of any format; the format is detected.

    Raises:
        DataError: the file cannot be read, has an unknown format, or contains no sentence.
        ArtifactError: the file is a damaged corpus.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise DataError(f"{path}: is a pipe; save the references as a file, which is read twice")
    head = [] if path.is_dir() else [line for line in text_lines(path, 1 << 20) if line.strip()][:_DETECTION_LINES]
    training = None
    # a corpus as vsa writes it is recognised by its start, to avoid parsing it twice
    if head and f'"format": "{CORPUS}"' in head[0][:200]:
        (images, training), malformed = _corpus(path), 0
    elif head and kind_of(head) == "json":
        document = read_json(path)
        if isinstance(document, dict) and document.get("format") == CORPUS:
            (images, training), malformed = _corpus(path), 0
        else:
            images, malformed = _from_json(document, path)
    else:
        entries = _entries(path, head)
        images, malformed = _gather(entries, path) if entries is not None else _captions(path)
    with_sentences = {image.key: image for image in images if image.sentences}
    if not with_sentences:
        raise DataError(f"{path}: contains no reference sentences")
    return References(with_sentences, training or _training_words(with_sentences.values()), malformed)


def _training_words(images: Iterable[ReferenceImage]) -> frozenset[tuple[str, ...]] | None:
    words = (tokenize(sentence) for image in images if image.split == "train" for sentence in image.sentences)
    return frozenset(words) or None


def _entries(path: Path, head: list[str]) -> Iterable[Entry | BadEntry] | None:
    """The entries of JSON Lines, a table or text; None if the file is none of these."""
    kind = kind_of(head)
    if kind == "json-lines":
        return json_line_entries(text_lines(path))
    if kind == "table":
        lines = text_lines(path)
        header = table_header(lines)
        return table_entries(lines, header) if header is not None else None
    is_text_of_captions = kind == "text" and not any(map(FLICKR_LINE.fullmatch, head)) and is_text_of_photos(head)
    return text_entries(text_lines(path)) if is_text_of_captions else None


def _from_json(document: Any, path: Path) -> tuple[list[ReferenceImage], int]:
    if isinstance(document, dict) and isinstance(document.get("annotations"), list):
        images, malformed = _gather(json_entries(document), path)
        _add_files(images, document.get("images"))
        return images, malformed
    if isinstance(document, list) or (isinstance(document, dict) and "images" not in document):
        return _gather(json_entries(document), path)
    return _captions(path)


def _add_files(images: Iterable[ReferenceImage], entries: object) -> None:
    """Add the file names of the image entries of COCO annotations."""
    known = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    files = {name: entry.get("file_name") for entry in known for name in ids_of({"id": entry.get("id")})}
    for image in images:
        file = files.get(image.key)
        image.file = file if is_text(file) and file.strip() else image.key


def _corpus(path: Path) -> tuple[list[ReferenceImage], frozenset[tuple[str, ...]] | None]:
    corpus = read_corpus(path, needs_photographs=False)
    cut = corpus.vocabulary is not None and corpus.vocabulary.characters  # captions are compared by their words
    sentences = (sentence for image in corpus.images if image.split == "train" for sentence in image.sentences)
    train = frozenset(tokenize(sentence.raw) if cut else sentence.tokens for sentence in sentences)
    images = [
        ReferenceImage(image.key, [sentence.raw for sentence in image.sentences], image.file, image.split)
        for image in corpus.images
    ]
    return images, train or None


def _captions(path: Path) -> tuple[list[ReferenceImage], int]:
    reading = read_captions([path], path if path.is_dir() else path.parent)
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


def _gather(entries: Iterable[Entry | BadEntry], path: Path) -> tuple[list[ReferenceImage], int]:
    """The images of entries, whose id is their `image_id`, file or `id`; and the number of malformed entries."""
    place_of = CaptionFile(path, Collector(), path.parent)
    images: dict[str, ReferenceImage] = {}
    malformed = 0
    for entry in entries:
        files = [plain_name(unquoted(name)) for name in files_of(entry.fields)] if isinstance(entry, Entry) else []
        ids = ids_of({"image_id": entry.fields.get("image_id")}) if isinstance(entry, Entry) else []
        names = [*map(unquoted, ids), *files] or (ids_of(entry.fields) if isinstance(entry, Entry) else [])
        if isinstance(entry, BadEntry) or not names:
            malformed += 1
            continue
        sentences = sentences_of(entry.fields)
        valid = [text for text in sentences if is_text(text) and text.strip() and len(text) <= _MAX_CHARACTERS]
        lacks = not has_sentences(entry.fields) and not entry.is_row
        malformed += lacks or len(valid) < len(sentences)
        image = images.setdefault(names[0], ReferenceImage(names[0], file=(files or names)[0]))
        image.sentences += valid
        image.split = image.split or _split_of(entry) or (place_of.fallback_split(files[0]) if files else None)
    return list(images.values()), malformed


def _split_of(entry: Entry) -> str | None:
    split = entry.fields.get("split")
    found = find_split(split) if isinstance(split, str) else None
    return "train" if found == RESTVAL else found
