"""Reader of the ground-truth boxes of phrases: Flickr30k Entities as JSON Lines, plain or gzipped.

Each line is an image::

    {"file", "width", "height",
     "entity_sentences": [{"tokens": "a dog .", "phrases": [{"id", "start", "end"}]}],
     "boxes": {id: [[x1, y1, x2, y2], ...]}}

`start` and `end` (exclusive) are indices of tokens. Boxes are in pixels of an image of this width and height, which may
differ from the size of the user's file. Other keys are ignored.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.corpus.photo_names import plain_name
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.json import is_number, parse
from vsa_cli.core.io.text import numbered_lines


@dataclass(frozen=True)
class EntityPhrase:
    """A phrase: the words `start` to `end` (exclusive) of its sentence, and its boxes (M, 4) in pixels."""

    start: int
    end: int
    boxes: NDArray[np.float64]


@dataclass(frozen=True)
class EntitySentence:
    """A sentence as the words of the paper's tokenizer, and its phrases that have a box."""

    words: tuple[str, ...]
    phrases: tuple[EntityPhrase, ...]


@dataclass(frozen=True)
class EntityImage:
    """An image: its file name, the size in pixels to which its boxes refer, its sentences."""

    file: str
    width: float
    height: float
    sentences: tuple[EntitySentence, ...]

    @property
    def key(self) -> str:
        """The file name, by which `PhotoNames` finds the image."""
        return self.file


def read_entities(path: Path) -> dict[str, EntityImage]:
    """Read images with ground-truth boxes, by file name.

    Raises:
        DataError: the file cannot be read, is damaged, or has no image.
    """
    images: dict[str, EntityImage] = {}
    for where, line in _lines(path):
        image = _image(parse(line), where)
        other = images.setdefault(plain_name(image.file), image)
        if other is not image:
            raise DataError(f"{where}: duplicate image {image.file}")
    if not images:
        raise DataError(f"{path}: contains no image")
    return {image.file: image for image in images.values()}


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with path.open("rb") as raw:
            gzipped = raw.peek(2).startswith(b"\x1f\x8b")  # peeked at because a pipe cannot be read twice
            with gzip.open(raw) if gzipped else raw as file:
                yield from numbered_lines(file, str(path))
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: {reason(error)}") from error


def _image(entry: Any, where: str) -> EntityImage:
    if not isinstance(entry, dict) or not isinstance(entry.get("file"), str):
        raise DataError(f"{where}: not an object with the name of a file")
    width, height = entry.get("width"), entry.get("height")
    sentences, boxes = entry.get("entity_sentences"), entry.get("boxes")
    if not (_is_size(width) and _is_size(height)):
        raise DataError(f"{where}: width or height is not a positive number")
    if not isinstance(sentences, list) or not isinstance(boxes, dict):
        raise DataError(f"{where}: entity_sentences or boxes is missing")
    known = {name: _boxes(value, where) for name, value in boxes.items() if value}
    return EntityImage(entry["file"], width, height, tuple(_sentence(one, known, where) for one in sentences))


def _is_size(value: object) -> TypeGuard[float]:
    return is_number(value) and value > 0


def _boxes(value: Any, where: str) -> NDArray[np.float64]:
    boxes = as_boxes(value)
    if boxes is None:
        raise DataError(f"{where}: a box is not [x1, y1, x2, y2]")
    return boxes


def as_boxes(value: Any) -> NDArray[np.float64] | None:
    """Boxes (M, 4), M > 0, from JSON; None if the value is not a list of lists of four finite numbers."""
    return as_numbers(value, 4)


def as_numbers(value: Any, columns: int) -> NDArray[np.float64] | None:
    """An array (M, columns), M > 0, from JSON; None if the value is not a table of finite numbers of that shape."""
    if not isinstance(value, list) or not all(isinstance(row, list) and len(row) == columns for row in value):
        return None
    if not all(type(number) in (int, float) for row in value for number in row):
        return None
    try:
        table = np.array(value, dtype=np.float64)
    except OverflowError:
        return None
    return table if len(table) and np.isfinite(table).all() else None


def _sentence(entry: Any, boxes: dict[str, NDArray[np.float64]], where: str) -> EntitySentence:
    tokens = entry.get("tokens") if isinstance(entry, dict) else None
    tokens = tokens.split() if isinstance(tokens, str) else tokens
    phrases = entry.get("phrases") if isinstance(entry, dict) else None
    if not isinstance(tokens, list) or not isinstance(phrases, list) or not all(isinstance(t, str) for t in tokens):
        raise DataError(f"{where}: a sentence has no tokens or no phrases")
    words = [tokenize(token) for token in tokens]
    # index of the first word of each token: a token has no word ("."), one, or in principle several
    first_word = np.cumsum([0, *map(len, words)]).tolist()
    with_box = []
    for phrase in phrases:
        start, end, name = (phrase.get(key) if isinstance(phrase, dict) else None for key in ("start", "end", "id"))
        if type(start) is not int or type(end) is not int or not 0 <= start <= end <= len(tokens):
            raise DataError(f"{where}: a phrase's span is outside its sentence")
        if str(name) in boxes:
            with_box.append(EntityPhrase(first_word[start], first_word[end], boxes[str(name)]))
    return EntitySentence(tuple(word for of_token in words for word in of_token), tuple(with_box))
