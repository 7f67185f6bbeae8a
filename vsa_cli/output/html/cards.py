"""The contents of a page, as plain records: photographs with numbered boxes, and sentences whose words point at boxes.

Boxes are numbered in reading order: 1 is the first box that a word points at; 0 is the whole photograph.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from vsa_cli.core.corpus.tokenizer import are_adjacent, tokenize

Region = TypeVar("Region", bound=Hashable)

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the upright original photograph."""


def area(box: Box) -> float:
    """Area of one box in square pixels; 0 without width or height. For arrays of boxes, see `core.boxes`."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


@dataclass(frozen=True)
class Word:
    """A word as displayed.

    Attributes:
        text: the word with its capitals and adjoining punctuation.
        box: the number of its box; 0 for the whole photograph, None for no box.
        weight: the value that determines its font weight, comparable among all words of a page; None for regular.
        score: v_i . s_t of word and box, shown when the word is pointed at.
        known: whether the word is in the model's vocabulary.
        tight: whether it follows the word before without a space.
    """

    text: str
    box: int | None = None
    weight: float | None = None
    score: float | None = None
    known: bool = True
    tight: bool = False


@dataclass(frozen=True)
class Line:
    """A sentence.

    Attributes:
        words: its words.
        score: the score of the whole sentence, if any.
        note: a remark on the sentence, in small type; empty for none.
        aside: whether it is shown smaller and paler than the others, as a second choice.
    """

    words: tuple[Word, ...]
    score: float | None = None
    aside: bool = False
    note: str = ""

    @property
    def text(self) -> str:
        """The sentence as plain text."""
        return "".join(("" if word.tight or not i else " ") + word.text for i, word in enumerate(self.words))


@dataclass(frozen=True)
class Card:
    """A photograph with its boxes and sentences.

    Attributes:
        name: the displayed file name, never an absolute path.
        photo: the photograph's file.
        width: width of the upright original, in pixels.
        height: height of the upright original, in pixels.
        boxes: the boxes that words point at; number n is `boxes[n - 1]`.
        lines: the sentences.
        rank: rank of the photograph among the results, from 1, if any.
        score: score of the photograph, if any.
        sha256: the file's SHA-256 when the boxes were found; None if unknown.
        alt: alternative text; None takes all sentences.
        notes: remarks on the photograph, in small type.
    """

    name: str
    photo: Path
    width: int
    height: int
    boxes: tuple[Box, ...] = ()
    lines: tuple[Line, ...] = ()
    rank: int | None = None
    score: float | None = None
    sha256: str | None = None
    alt: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def alt_text(self) -> str:
        """The photograph's alternative text: `alt`, or else all sentences, or else the name."""
        ended = (line.text if line.text.endswith((".", "!", "?")) else f"{line.text}." for line in self.lines)
        return self.alt or " ".join(ended) or self.name

    @property
    def framed(self) -> bool:
        """Whether a word points at the whole photograph."""
        return any(word.box == 0 for line in self.lines for word in line.words)


@dataclass(frozen=True)
class Header:
    """The head of every page.

    Attributes:
        title: a few words, or the query.
        facts: settings and counts, each in a few words.
        reading: how to read the page, in a sentence or two.
        grid: whether cards are arranged in a grid, instead of one below the other with sentences beside photographs.
    """

    title: str
    facts: tuple[str, ...] = ()
    reading: str = ""
    grid: bool = False


def number_boxes(regions: Iterable[Region], whole: Region) -> dict[Region, int]:
    """Number regions from 1 in order of first appearance; `whole` is 0.

    Args:
        regions: the regions that words point at, in reading order.
        whole: the region that is the whole photograph.
    """
    numbers: dict[Region, int] = {}
    for region in regions:
        if region != whole:
            numbers.setdefault(region, len(numbers) + 1)
    return numbers | {whole: 0}


def relative_name(name: str) -> str:
    """A file's name for display: a relative path unchanged; of an absolute path, which is private, the last part."""
    path = Path(name)
    return path.name if path.is_absolute() else name


_TIGHT = re.compile(r"[.,;:!?)\]}…]+|['’]s")
"""Punctuation and endings that belong to the word before, although datasets put a space before them."""


def display_words(raw: str, tokens: Sequence[str]) -> list[tuple[str, int | None, bool]]:
    """Match the words of a sentence, as written, with its tokens.

    Args:
        raw: the sentence.
        tokens: its tokens; displayed instead of `raw` if they are not the tokens of `raw`.

    Returns:
        For each word its text, the index of its token (None if the word has no letter or digit), and whether it follows
        the word before without a space.
    """
    words: list[tuple[str, int | None, bool]] = []
    found: list[str] = []
    for chunk in raw.split():
        token = tokenize(chunk)
        words.append((chunk, len(found) if token else None, bool(words) and _TIGHT.fullmatch(chunk) is not None))
        found += token
    if found != list(tokens) or sum(index is not None for _, index, _ in words) != len(found):
        return [
            (token, index, index > 0 and are_adjacent(tokens[index - 1], token)) for index, token in enumerate(tokens)
        ]
    return words
