"""Cards of search results: photographs found, or one photograph with ranked sentences; words with their boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vsa_cli.core.alignment.align import WordBox
from vsa_cli.core.alignment.embedder import FoundPhoto, RankedSentence
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.embedding.search import Query
from vsa_cli.core.io.sources import Photo
from vsa_cli.core.library.queries import Answer
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.output.html.cards import Box, Card, Header, Line, Word, display_words, number_boxes, relative_name
from vsa_cli.output.unknown_words import unknown_among, unknown_fact

_READING = (
    "Each word has the colour and the number of the box that it fits best; 0 is the whole photograph. The bolder a "
    "word, the better it fits. Point at or tap a word to see its box alone."
)


def photos_header(query: Query | Answer, shown: int, searched: int, *, explain: bool) -> Header:
    """The header of a page that shows photographs for a sentence."""
    facts = (f"{shown:,} of {searched:,} photographs", "best first", *unknown_fact(query.unknown))
    return Header(query.text, facts, _READING if explain else "", grid=True)


def sentences_header(sentences: Sequence[Query], shown: int, *, explain: bool) -> Header:
    """The header of a page that shows `shown` of the sentences for a photograph."""
    facts = [f"{shown:,} of {len(sentences):,} sentences", "best first"]
    if none := sum(not sentence.words for sentence in sentences):
        facts.append(f"{none:,} without a known word are last")
    facts += unknown_fact(unknown_among(sentences))
    return Header("Sentences for this photograph", tuple(facts), _READING if explain else "")


def ranked_header(shown: int, searched: int, *, explain: bool) -> Header:
    """The header of a page that shows `shown` of the `searched` sentences of an index for a photograph."""
    facts = (f"{shown:,} of {searched:,} sentences", "best first")
    return Header("Sentences for this photograph", facts, _READING if explain else "")


def similar_header(photo: Photo, shown: int, searched: int) -> Header:
    """The header of a page that shows photographs of an index that are similar to one."""
    facts = (f"{shown:,} of {searched:,} photographs", "most similar first")
    return Header(f"Photographs similar to {relative_name(photo.file.name)}", facts, grid=True)


def found_card(rank: int, query: str, found: FoundPhoto) -> Card:
    """The card of a photograph found.

    Args:
        rank: its rank, from 1.
        query: the sentence as typed, shown if its words have boxes.
        found: the photograph.
    """
    width, height = found.size
    boxes, lines = _explained([(query, found.words, None)], found.size) if found.words else ((), ())
    return Card(
        name=relative_name(str(found.photo.image_id)),
        photo=found.photo.file,
        width=width,
        height=height,
        boxes=boxes,
        lines=lines,
        rank=rank,
        score=found.score,
        sha256=found.sha256,
    )


def sentences_card(photo: Photo, regions: ImageRegions, ranked: Sequence[RankedSentence]) -> Card:
    """The card of a photograph with its ranked sentences, and with the boxes of their words, if any."""
    size = regions.width, regions.height
    if any(one.words for one in ranked):
        boxes, lines = _explained([(one.sentence, one.words, one.score) for one in ranked], size)
    else:
        boxes, lines = (), tuple(Line((Word(one.sentence),), one.score) for one in ranked)
    return Card(photo.file.name, photo.file, *size, boxes, lines, sha256=regions.sha256)


def _explained(
    sentences: Sequence[tuple[str, Sequence[WordBox], float | None]], size: tuple[int, int]
) -> tuple[tuple[Box, ...], tuple[Line, ...]]:
    """The boxes and the lines of sentences, each given with the boxes of its words and its score."""
    whole = (0.0, 0.0, float(size[0]), float(size[1]))
    numbers = number_boxes((found.box for _, words, _ in sentences for found in words), whole)
    boxes = tuple(box for box, number in numbers.items() if number)
    return boxes, tuple(Line(_words(text, words, numbers), score) for text, words, score in sentences)


def _words(text: str, explained: Sequence[WordBox], numbers: Mapping[Box, int]) -> tuple[Word, ...]:
    known = {found.word for found in explained}
    tokens = tokenize(text)
    if not known <= set(tokens):  # the model's words are the letters of a script without spaces
        tokens = tokenize(text, characters=True)
    remaining = iter(explained)
    by_token = {index: next(remaining) for index, token in enumerate(tokens) if token in known}
    words = []
    for shown, index, tight in display_words(text, tokens):
        if index in by_token:
            found = by_token[index]
            words.append(Word(shown, numbers[found.box], found.score, found.score, tight=tight))
        else:
            words.append(Word(shown, known=index is None, tight=tight))
    return tuple(words)
