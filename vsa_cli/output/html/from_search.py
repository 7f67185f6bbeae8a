"""Answers as pages show them: ranked photographs, or one photograph with ranked sentences; words with their boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.embedding.search import Hit
from vsa_cli.core.io.sources import Photo
from vsa_cli.core.regions.store import ImageRegions
from vsa_cli.output.html.cards import Box, Card, Header, Line, Word, as_written, number_boxes, relative_name

_READING = (
    "A word has the colour and the number of the box that it fits best; 0 is the whole photograph. The heavier a word "
    "is set, the better it fits. Point at a word, or tap it, to see its box alone."
)


def hits_header(query: str, shown: int, looked_at: int, *, explain: bool) -> Header:
    """The head of a page of photographs for a sentence."""
    facts = (f"{shown:,} of {looked_at:,} photographs", "best first")
    return Header(query, facts, _READING if explain else "", grid=True)


def sentences_header(shown: int, looked_at: int, *, explain: bool) -> Header:
    """The head of a page of sentences for a photograph."""
    facts = (f"{shown:,} of {looked_at:,} sentences", "best first")
    return Header("What fits this photograph", facts, _READING if explain else "")


def hit_card(rank: int, query: str, hit: Hit, source: Photo, regions: ImageRegions, *, explain: bool) -> Card:
    """A photograph that was found.

    Args:
        rank: from 1.
        query: the sentence, as typed.
        hit: what the search says of it.
        source: where it was found.
        regions: of it.
        explain: whether to show the query below it, with boxes.
    """
    boxes, lines = _explained([(query, hit, None)], regions) if explain else ((), ())
    return Card(
        name=relative_name(str(source.image_id)),
        photo=source.file,
        width=regions.width,
        height=regions.height,
        boxes=boxes,
        lines=lines,
        rank=rank,
        score=hit.score,
        sha256=regions.sha256,
    )


def photo_card(said: Sequence[tuple[str, float, Hit | None]], photo: Path, regions: ImageRegions) -> Card:
    """A photograph with sentences for it, best first, each with its score and, if explained, what the search says."""
    if all(hit is not None for _, _, hit in said):
        boxes, lines = _explained([(text, hit, score) for text, score, hit in said if hit is not None], regions)
    else:
        boxes, lines = (), tuple(Line((Word(text),), score) for text, score, _ in said)
    return Card(photo.name, photo, regions.width, regions.height, boxes, lines, sha256=regions.sha256)


def _explained(
    said: Sequence[tuple[str, Hit, float | None]], regions: ImageRegions
) -> tuple[tuple[Box, ...], tuple[Line, ...]]:
    whole = (0.0, 0.0, float(regions.width), float(regions.height))
    numbers = number_boxes((box for _, hit, _ in said for _, box, _ in hit.words), whole)
    boxes = tuple(box for box, number in numbers.items() if number)
    return boxes, tuple(Line(_words(text, hit, numbers), score) for text, hit, score in said)


def _words(text: str, hit: Hit, numbers: Mapping[Box, int]) -> tuple[Word, ...]:
    tokens = tokenize(text)
    known = {word for word, _, _ in hit.words}
    found = iter(hit.words)
    at = {place: next(found) for place, token in enumerate(tokens) if token in known}
    words = []
    for shown, place, tight in as_written(text, tokens):
        if place in at:
            _, box, score = at[place]
            words.append(Word(shown, numbers[box], score, score, tight=tight))
        else:
            words.append(Word(shown, known=place is None, tight=tight))
    return tuple(words)
