"""Cards of captions, for pages and annotated copies: the caption, further candidates, and captions of boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.errors import ConfigError
from vsa_cli.core.generation.results import Candidate, CaptionResult
from vsa_cli.core.io.files import write_lines
from vsa_cli.output.console import print_data
from vsa_cli.output.html import document
from vsa_cli.output.html.cards import Card, Header, Line, Word, display_words, relative_name
from vsa_cli.output.html.gallery import Gallery, open_gallery

_TOTAL = "The number beside a sentence is its log-probability, in nats."
_MEAN = "The number beside a sentence is the mean log-probability of its words, in nats."
_CONFIDENCE = (
    "A caption is right if it mentions only things that people would mention, too; colours, numbers and actions are "
    "not judged."
)
_BOXES = "A coloured sentence describes the box of that colour and number; point at it, or tap it, to see it alone."


def card_of(result: CaptionResult) -> Card | None:
    """A photograph with its captions, or with the reason why they are withheld; None if it failed.

    If regions were captioned, the score of a sentence is its mean log-probability per word, by which region captions
    are chosen. Otherwise, it is the log-probability, shown if there are several candidates.
    """
    if result.size is None or not (result.candidates or result.withheld):
        return None
    candidates, regions = result.candidates, result.regions or ()

    def score(candidate: Candidate) -> float | None:
        if result.regions is not None:
            return candidate.mean_logprob
        return candidate.logprob if len(candidates) > 1 else None

    sure = "" if result.confidence is None else f"right with probability {100 * result.confidence:.0f} %"
    lines = [
        Line(_words(one.caption), score(one), aside=place > 0, note="" if place else sure)
        for place, one in enumerate(candidates)
    ]
    # a region's sentence describes its box as a whole, hence one word that points at it
    lines += [Line((Word(region.caption, box),), region.mean_logprob) for box, region in enumerate(regions, 1)]
    name = relative_name(str(result.photo.image_id))
    return Card(
        name=name,
        photo=result.photo.file,
        width=result.size[0],
        height=result.size[1],
        boxes=tuple(region.box for region in regions),
        lines=tuple(lines),
        sha256=result.sha256,
        alt=candidates[0].caption if candidates else name,
        notes=tuple(_notes(result)),
    )


def _notes(result: CaptionResult) -> Iterator[str]:
    if result.withheld is not None:
        yield f"caption withheld: {result.withheld}"
    if result.objects:
        yield f"objects: {', '.join(f'{one.name} {one.score:.2f}' for one in result.objects)}"


def _words(caption: str) -> tuple[Word, ...]:
    return tuple(Word(text, tight=tight) for text, _, tight in display_words(caption, tokenize(caption)))


class CaptionPages:
    """Captions as HTML: one file, or a folder of pages.

    Args:
        output: the file or the folder; None prints one file to stdout.
        source: the model or method that generates the captions, in a few words.
        nbest: candidates for each photograph.
        regions: whether regions have captions.
        force: replace existing pages.
        workers: thumbnails made at the same time.
        warn: reports a photograph that can no longer be read.

    Raises:
        ConfigError: the output exists and must not be replaced.

    Attributes:
        missing_pictures: the number of captioned photographs without a picture on the pages.
    """

    def __init__(
        self,
        output: Path | None,
        *,
        source: str,
        nbest: int,
        regions: bool,
        force: bool,
        workers: int,
        warn: Callable[[str], None],
    ) -> None:
        document.check_pages_output(output, 1, force=force)
        self._output, self._source, self._nbest, self._regions = output, source, nbest, regions
        self._workers, self._warn = workers, warn
        self._folder: Gallery | None = None
        self._cards: list[Card] = []  # if the output is one file, whose style depends on all of them
        self._shown = self._failed = self._withheld = 0
        self._scored = self._calibrated = False
        self.missing_pictures = 0

    def check_count(self, photos: int) -> None:
        """Refuse more photographs than the output can hold, before any work is done.

        Raises:
            ConfigError: there are too many.
        """
        document.check_photograph_count(self._output, photos)

    @contextmanager
    def open(self) -> Iterator[None]:
        """The block in which results are written; the pages appear when it ends without an exception.

        Raises:
            DataError: the pages cannot be written.
        """
        if self._output is not None and document.is_folder(self._output):
            with open_gallery(self._output, self._workers, self._report) as self._folder:
                yield
                self._folder.finish(self._header())
            return
        yield
        lines = [document.render_document(self._header(), self._cards, self._report)]
        if self._output is not None:
            write_lines(self._output, lines)
            return
        for line in lines:
            print_data(line)

    def write(self, result: CaptionResult) -> None:
        """Add a photograph.

        Raises:
            ConfigError: one file cannot hold so many.
            DataError: the folder cannot be written.
        """
        card = card_of(result)
        if card is None:
            self._failed += 1
            return
        self._shown += 1
        self._withheld += result.withheld is not None
        self._scored |= any(line.score is not None for line in card.lines[:1])
        self._calibrated |= result.confidence is not None
        if self._folder is not None:
            self._folder.add(card)
        elif len(self._cards) == document.MAX_PHOTOGRAPHS:
            raise ConfigError(f"one file holds {document.MAX_PHOTOGRAPHS} photographs; -o DIR takes any number")
        else:
            self._cards.append(card)

    def _report(self, line: str) -> None:
        self.missing_pictures += 1
        self._warn(line)

    def _header(self) -> Header:
        facts = [f"{self._shown:,} photograph{'s' * (self._shown != 1)}"]
        if self._withheld:
            facts.append(f"{self._withheld:,} of their captions withheld")
        if self._failed:
            facts.append(f"{self._failed:,} more could not be captioned")
        facts.append(self._source)
        reading = f"{_BOXES} {_MEAN}" if self._regions else _TOTAL if self._scored else ""
        reading = f"{reading} {_CONFIDENCE}".strip() if self._calibrated else reading
        return Header("Captions", tuple(facts), reading, grid=self._nbest == 1 and not self._regions)
