"""Captions as pages and annotated copies show them: the caption, candidates behind it, and captions of boxes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.generation.results import Candidate, CaptionResult
from vsa_cli.output.html.cards import Card, Header, Line, Word, as_written, relative_name

_TOTAL = "The number beside a sentence is its log-probability, in nats."
_MEAN = "The number beside a sentence is the mean log-probability of its words, in nats: how sure the model is of it."
_BOXES = "A sentence in a colour is of the box with that colour and number; point at it, or tap it, to see it alone."


def card_of(one: CaptionResult) -> Card | None:
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
    return Card(
        name=relative_name(str(one.photo.image_id)),
        photo=one.photo.file,
        width=one.size[0],
        height=one.size[1],
        boxes=tuple(region.box for region in regions),
        lines=tuple(lines),
        sha256=one.sha256,
        alt=said[0].caption,
    )


def _words(caption: str) -> tuple[Word, ...]:
    return tuple(Word(text, tight=tight) for text, _, tight in as_written(caption, tokenize(caption)))


class CaptionCards:
    """Captioned photographs as pages show them, and the head of those pages.

    Args:
        said_by: what the captions come from, in a few words.
        nbest: candidates for each photograph.
        regions: whether regions have captions.
    """

    def __init__(self, said_by: str, *, nbest: int, regions: bool) -> None:
        self._said_by, self._nbest, self._regions = said_by, nbest, regions
        self._shown = self._missing = 0
        self._scored = False

    def of(self, captioned: Iterable[CaptionResult]) -> Iterator[Card]:
        """A plate for each that has a caption."""
        for one in captioned:
            card = card_of(one)
            if card is None:
                self._missing += 1
            else:
                self._shown += 1
                self._scored |= card.lines[0].score is not None
                yield card

    def front(self) -> Header:
        """The head, when all have come."""
        facts = [f"{self._shown:,} photograph{'s' * (self._shown != 1)}"]
        if self._missing:
            facts.append(f"{self._missing:,} more could not be captioned")
        facts.append(self._said_by)
        reading = f"{_BOXES} {_MEAN}" if self._regions else _TOTAL if self._scored else ""
        return Header("Captions", tuple(facts), reading, grid=self._nbest == 1 and not self._regions)
