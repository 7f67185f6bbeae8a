"""Cards of alignments: the boxes that words were aligned with, and each word with its box."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vsa_cli.core.alignment.align import Alignment
from vsa_cli.core.config import AlignConfig
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.output.html.cards import Card, Header, Line, Word, display_words, number_boxes
from vsa_cli.output.html.gallery import Gallery, open_gallery
from vsa_cli.output.unknown_words import unknown_fact

_TITLE = "Words and their boxes"
_READING = (
    "Each word has the colour and the number of the box that it was aligned with; 0 is the whole photograph. "
    "The bolder a word, the more visual it is. Point at or tap a word to see its box alone."
)


class AlignmentGallery:
    """Collects the sentences of one image after the other into a gallery; `alignment_gallery` creates it.

    Attributes:
        images: the number of images shown so far.
        sentences: the number of their sentences.
    """

    def __init__(self, pages: Gallery, corpus: Corpus, limit: int | None) -> None:
        self._pages, self._corpus, self._limit = pages, corpus, limit
        self._pending: list[Alignment] = []
        self.images = self.sentences = 0

    @property
    def unreadable(self) -> int:
        """The number of images whose photograph could not be read."""
        return self._pages.failed

    def add(self, alignment: Alignment) -> None:
        """Add the next sentence, of the same image or of the next."""
        if self._pending and self._pending[0].image.key != alignment.image.key:
            self.end_image()
        if self._limit is None or self.images < self._limit:
            self._pending.append(alignment)

    def end_image(self) -> None:
        """Add the card of the image whose sentences have been added."""
        if self._pending:
            self._pages.add(alignment_card(self._corpus.path(self._pending[0].image), self._pending))
            self.images += 1
            self.sentences += len(self._pending)
            self._pending = []


@contextmanager
def alignment_gallery(
    folder: Path,
    corpus: Corpus,
    split: str,
    config: AlignConfig,
    *,
    limit: int | None,
    workers: int,
    warn: Callable[[str], None],
) -> Iterator[AlignmentGallery]:
    """Open a gallery of alignments, which appears when the block ends without an error.

    Args:
        folder: the gallery's folder.
        corpus: the corpus of the images.
        split: the corpus split.
        config: the settings of the alignment.
        limit: the number of photographs to show, at most; None shows all.
        workers: photographs processed at the same time.
        warn: called with one line for each photograph that cannot be read.

    Raises:
        DataError: the folder cannot be written.
    """
    with open_gallery(folder, workers, warn) as pages:
        shown = AlignmentGallery(pages, corpus, limit)
        yield shown
        shown.end_image()
        facts = (f"split {split}", f"{shown.images:,} photographs", f"{shown.sentences:,} sentences")
        pages.finish(Header(_TITLE, (*facts, f"β {config.beta:g}"), _READING))


def photo_header(config: AlignConfig, unknown: Sequence[str]) -> Header:
    """The header of a page for one photograph, with the words of its sentences that the model does not know."""
    return Header(_TITLE, (f"β {config.beta:g}", *unknown_fact(unknown)), _READING)


def alignment_card(photo: Path, alignments: Sequence[Alignment]) -> Card:
    """The card of a photograph with its sentences; words are weighted by ||s_t||, before any normalisation.

    Args:
        photo: the file.
        alignments: the alignments of the sentences of one image; at least one.
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
    for text, position, tight in display_words(alignment.sentence.raw, alignment.sentence.tokens):
        row = None if position is None else rows.get(position)
        if row is None:
            words.append(Word(text, known=position is None, tight=tight))
            continue
        region = int(alignment.choice[row])
        score, weight = float(alignment.scores[row, region]), float(alignment.magnitude[row])
        words.append(Word(text, numbers[region], weight, score, tight=tight))
    return Line(tuple(words))
