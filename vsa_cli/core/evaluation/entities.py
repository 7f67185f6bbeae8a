"""Reader of true boxes: Flickr30k Entities, one JSON object a photograph, plain or gzipped.

Each line is `{"file", "width", "height", "entity_sentences": [{"tokens": "a dog .", "phrases": [{"id", "start",
"end"}]}], "boxes": {id: [[x1, y1, x2, y2], ...]}}` with spans of tokens, `end` exclusive, and boxes in pixels of a
photograph of that size, which need not be the size of the user's. Other keys are ignored.
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

from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.json import is_number, parse
from vsa_cli.core.io.text import numbered_lines


@dataclass(frozen=True)
class EntityPhrase:
    """A phrase with true boxes (M, 4) in the photograph's own pixels; its span is of the sentence's words."""

    start: int
    end: int
    boxes: NDArray[np.float64]


@dataclass(frozen=True)
class EntitySentence:
    """A sentence as the paper's words, and those of its phrases that have a box."""

    words: tuple[str, ...]
    phrases: tuple[EntityPhrase, ...]


@dataclass(frozen=True)
class EntityImage:
    """A photograph: its file's name, its size in pixels where the boxes are, its sentences."""

    file: str
    width: float
    height: float
    sentences: tuple[EntitySentence, ...]


def read_entities(path: Path) -> dict[str, EntityImage]:
    """Photographs with their true boxes, by file name.

    Raises:
        DataError: unreadable, damaged, or without a photograph.
    """
    images = {}
    for where, line in _lines(path):
        image = _image(parse(line), where)
        if image.file in images:
            raise DataError(f"{where}: {image.file} stands twice")
        images[image.file] = image
    if not images:
        raise DataError(f"{path}: names no photograph")
    return images


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with path.open("rb") as raw:
            zipped = raw.peek(2).startswith(b"\x1f\x8b")  # a pipe cannot be read twice
            with gzip.open(raw) if zipped else raw as file:
                yield from numbered_lines(file, str(path))
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: {reason(error)}") from error


def _image(entry: Any, where: str) -> EntityImage:
    if not isinstance(entry, dict) or not isinstance(entry.get("file"), str):
        raise DataError(f"{where}: not an object with a file")
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
    """Boxes (M, 4), M > 0, from JSON; None where it is no list of four finite numbers each."""
    return as_numbers(value, 4)


def as_numbers(value: Any, columns: int) -> NDArray[np.float64] | None:
    """A table (M, columns), M > 0, of finite numbers from JSON; None where it is none."""
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
    # Where each token's words begin: a token can be none ("."), one, or in principle several words.
    begins = np.cumsum([0, *map(len, words)]).tolist()
    found = []
    for phrase in phrases:
        start, end, name = (phrase.get(key) if isinstance(phrase, dict) else None for key in ("start", "end", "id"))
        if type(start) is not int or type(end) is not int or not 0 <= start <= end <= len(tokens):
            raise DataError(f"{where}: a phrase's span is not within its sentence")
        if str(name) in boxes:
            found.append(EntityPhrase(begins[start], begins[end], boxes[str(name)]))
    return EntitySentence(tuple(word for of_token in words for word in of_token), tuple(found))
