"""Alignments as pages show them: the boxes that some word chose, and each word with its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vsa_cli.core.alignment.align import Alignment
from vsa_cli.core.config import AlignConfig
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.output.html.cards import Card, Header, Line, Word, as_written, number_boxes
from vsa_cli.output.html.gallery import Gallery, open_gallery

READING = (
    "A word has the colour and the number of the box that it was aligned with; 0 is the whole photograph. "
    "The heavier a word is set, the more it says about what is seen. Point at a word, or tap it, to see its box alone."
)
"""How to read a page of alignments."""


@dataclass(frozen=True)
class Pages:
    """A gallery that is asked for.

    Attributes:
        folder: where it goes.
        limit: photographs shown at most; None for all.
        workers: photographs in work at once.
        complain: told of each photograph that cannot be read, in one line.
    """

    folder: Path
    limit: int | None
    workers: int
    complain: Callable[[str], None]


class Shown:
    """Gathers the sentences of one image after the other for a gallery.

    Attributes:
        images: shown so far.
        sentences: of those.
    """

    def __init__(self, gallery: Gallery, corpus: Corpus, limit: int | None) -> None:
        self._gallery, self._corpus, self._limit = gallery, corpus, limit
        self._open: list[Alignment] = []
        self.images = self.sentences = 0

    @property
    def unreadable(self) -> int:
        """How many of the images are without their picture."""
        return self._gallery.failed

    def add(self, alignment: Alignment) -> None:
        """The next sentence, of the same image or of the next."""
        if self._open and self._open[0].image.key != alignment.image.key:
            self.turn()
        if self._limit is None or self.images < self._limit:
            self._open.append(alignment)

    def turn(self) -> None:
        """No more sentences of this image will come."""
        if self._open:
            self._gallery.add(card_of(self._corpus.path(self._open[0].image), self._open))
            self.images += 1
            self.sentences += len(self._open)
            self._open = []


@contextmanager
def showing(pages: Pages, corpus: Corpus, split: str, config: AlignConfig) -> Iterator[Shown]:
    """A gallery of alignments, written while they come; it appears when the block ends well.

    Raises:
        DataError: the folder cannot be written.
    """
    with open_gallery(pages.folder, pages.workers, pages.complain) as gallery:
        shown = Shown(gallery, corpus, pages.limit)
        yield shown
        shown.turn()
        gallery.finish(header_of(split, config.beta, shown.images, shown.sentences))


def header_of(split: str, beta: float, photographs: int, sentences: int) -> Header:
    """The head of a gallery of alignments."""
    facts = (f"split {split}", f"{photographs:,} photographs", f"{sentences:,} sentences", f"β {beta:g}")
    return Header("Words and their boxes", facts, READING)


def card_of(photo: Path, alignments: Sequence[Alignment]) -> Card:
    """A photograph with all its sentences; words weigh by ||s_t||, before any normalisation.

    Args:
        photo: the file.
        alignments: of every sentence of one image; at least one.
    """
    image, regions = alignments[0].image, alignments[0].regions
    numbers = number_boxes((region for one in alignments for region in one.choice.tolist()), 0)
    shown = [region for region, number in numbers.items() if number]
    return Card(
        name=image.file,
        photo=photo,
        width=image.width,
        height=image.height,
        boxes=tuple((box[0], box[1], box[2], box[3]) for box in regions.boxes[shown].tolist()),
        lines=tuple(_line(one, numbers) for one in alignments),
        sha256=image.sha256,
    )


def _line(alignment: Alignment, numbers: dict[int, int]) -> Line:
    rows = {position: row for row, position in enumerate(alignment.positions)}
    words = []
    for text, position, tight in as_written(alignment.sentence.raw, alignment.sentence.tokens):
        row = None if position is None else rows.get(position)
        if row is None:
            words.append(Word(text, known=position is None, tight=tight))
            continue
        region = int(alignment.choice[row])
        score, weight = float(alignment.scores[row, region]), float(alignment.magnitude[row])
        words.append(Word(text, numbers[region], weight, score, tight=tight))
    return Line(tuple(words))
