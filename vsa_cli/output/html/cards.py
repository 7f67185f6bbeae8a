"""What a page shows, as plain records: a photograph, its numbered boxes, and sentences that point at them.

Boxes are numbered as a reader meets them: 1 is the first box that a word points at; 0 is the whole photograph.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from vsa_cli.core.corpus.tokenizer import tokenize

Region = TypeVar("Region", bound=Hashable)

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the upright original."""


@dataclass(frozen=True)
class Word:
    """A word as written.

    Attributes:
        text: with its capitals and the punctuation that touches it.
        box: the number of its box; 0 is the whole photograph; None where it has none.
        weight: how heavy it is set, in any unit that all words of a page share; None for plain.
        score: v_i . s_t of word and box, shown with the pair.
        known: False for a word that the model has never learned.
        tight: nothing stands between it and the word before.
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
        words: of it.
        score: its own, where it has one.
        aside: it stands back behind the others.
    """

    words: tuple[Word, ...]
    score: float | None = None
    aside: bool = False

    @property
    def text(self) -> str:
        """The sentence without its boxes."""
        return "".join(("" if word.tight or not i else " ") + word.text for i, word in enumerate(self.words))


@dataclass(frozen=True)
class Card:
    """A photograph with what is said of it.

    Attributes:
        name: shown; never absolute.
        photo: the file.
        width: of the upright original, in pixels.
        height: likewise.
        boxes: those that some word points at; number n is `boxes[n - 1]`.
        lines: the sentences.
        rank: from 1, where photographs are ranked.
        score: of the photograph, where it has one.
        sha256: of the file as it was when the boxes were found; None where nobody knows.
        alt: says what the photograph shows, to those who do not see it; None takes all sentences.
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

    @property
    def framed(self) -> bool:
        """Whether some word points at the whole photograph."""
        return any(word.box == 0 for line in self.lines for word in line.words)


@dataclass(frozen=True)
class Header:
    """What stands at the head of every page.

    Attributes:
        title: a few words, or the query.
        facts: what was done to what, each a few words.
        reading: how to read the page, in a sentence or two.
        grid: cards side by side, instead of one photograph below the other with its sentences beside it.
    """

    title: str
    facts: tuple[str, ...] = ()
    reading: str = ""
    grid: bool = False


def number_boxes(regions: Iterable[Region], whole: Region) -> dict[Region, int]:
    """The number of each region, in the order of its first appearance; `whole` is 0.

    Args:
        regions: what the words point at, in reading order.
        whole: the region that is the whole photograph.
    """
    numbers: dict[Region, int] = {}
    for region in regions:
        if region != whole:
            numbers.setdefault(region, len(numbers) + 1)
    return numbers | {whole: 0}


def relative_name(name: str) -> str:
    """A file's name as a page may show it: an absolute path gives away a machine, so only its last part stays."""
    path = Path(name)
    return path.name if path.is_absolute() else name


_TIGHT = re.compile(r"[.,;:!?)\]}…]+|['’]s")
"""What belongs to the word before it, though data sets like to write a space between."""


def as_written(raw: str, tokens: Sequence[str]) -> list[tuple[str, int | None, bool]]:
    """The words of a sentence as (text, index of its token, whether it clings to the word before).

    The index is None for what holds no letter and no digit. Tokens that are not the sentence's own are shown as
    they are, for then nobody knows which word is which.
    """
    words: list[tuple[str, int | None, bool]] = []
    found: list[str] = []
    for chunk in raw.split():
        token = tokenize(chunk)
        words.append((chunk, len(found) if token else None, bool(words) and _TIGHT.fullmatch(chunk) is not None))
        found += token
    if found != list(tokens) or sum(index is not None for _, index, _ in words) != len(found):
        return [(token, index, False) for index, token in enumerate(tokens)]
    return words
