"""Captions as pages and annotated copies show them: the caption, candidates behind it, and captions of boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.errors import UsageError
from vsa_cli.core.generation.captioned import Candidate, Captioned
from vsa_cli.core.pages.album import album
from vsa_cli.core.pages.leaf import MOST, leaf
from vsa_cli.core.pages.plates import Front, Line, Plate, Word, relative_name
from vsa_cli.core.pages.written import as_written

_TOTAL = "The number beside a sentence is its log-probability, in nats."
_MEAN = "The number beside a sentence is the mean log-probability of its words, in nats: how sure the model is of it."
_BOXES = "A sentence in a colour is of the box with that colour and number; point at it, or tap it, to see it alone."


def plate_of(one: Captioned) -> Plate | None:
    """A photograph with what was said of it; None where nothing was.

    Where there is more than a caption, sentences have scores: with regions, by which those are chosen, the mean
    log-probability of a word; else, by which candidates are, that of the sentence.
    """
    if one.size is None or not one.candidates:
        return None
    said, regions = one.candidates, one.regions or ()

    def score(candidate: Candidate) -> float | None:
        return candidate.confidence if one.regions is not None else candidate.logprob if len(said) > 1 else None

    lines = [Line(_words(candidate.caption), score(candidate), aside=place > 0) for place, candidate in enumerate(said)]
    # of a box is the sentence as a whole, hence one word to point at
    lines += [Line((Word(region.caption, box),), region.confidence) for box, region in enumerate(regions, 1)]
    return Plate(
        name=relative_name(str(one.source.image_id)),
        photo=one.source.file,
        width=one.size[0],
        height=one.size[1],
        boxes=tuple(region.box for region in regions),
        lines=tuple(lines),
        sha256=one.sha256,
        alt=said[0].caption,
    )


def _words(caption: str) -> tuple[Word, ...]:
    return tuple(Word(text, tight=tight) for text, _, tight in as_written(caption, tokenize(caption)))


class CaptionPages:
    """Captioned photographs as a page or an album.

    Args:
        said_by: what the captions come from, in a few words.
        complain: told of each photograph that cannot be read, in one line.
        nbest: candidates for each photograph.
        regions: whether regions have captions.

    Attributes:
        failed: photographs whose picture could not be read any more.
    """

    def __init__(self, said_by: str, complain: Callable[[str], None], *, nbest: int, regions: bool) -> None:
        self._said_by, self._complain = said_by, complain
        self._nbest, self._regions = nbest, regions
        self._shown = self._missing = 0
        self._scored = False
        self.failed = 0

    def lines(self, captioned: Iterable[Captioned]) -> Iterator[str]:
        """One file, in pieces.

        Raises:
            UsageError: it cannot hold so many.
        """
        plates = list(islice(self._plates(captioned), MOST + 1))
        if len(plates) > MOST:
            raise UsageError(f"one file holds {MOST} photographs; -o DIR takes any number")

        def complain(line: str) -> None:
            self.failed += 1
            self._complain(line)

        yield from leaf(self._front(), plates, complain)

    def fill(self, folder: Path, captioned: Iterable[Captioned], workers: int) -> None:
        """A folder that `refuse_folder` has let pass.

        Raises:
            DataError: it cannot be written.
        """
        with album(folder, workers, self._complain) as book:
            for plate in self._plates(captioned):
                book.add(plate)
            book.finish(self._front())
        self.failed += book.failed

    def _plates(self, captioned: Iterable[Captioned]) -> Iterator[Plate]:
        for one in captioned:
            plate = plate_of(one)
            if plate is None:
                self._missing += 1
            else:
                self._shown += 1
                self._scored |= plate.lines[0].score is not None
                yield plate

    def _front(self) -> Front:
        facts = [f"{self._shown:,} photograph{'s' * (self._shown != 1)}"]
        if self._missing:
            facts.append(f"{self._missing:,} more could not be captioned")
        facts.append(self._said_by)
        reading = f"{_BOXES} {_MEAN}" if self._regions else _TOTAL if self._scored else ""
        return Front("Captions", tuple(facts), reading, grid=self._nbest == 1 and not self._regions)
