"""Search results as records, and as lines of text, JSON or JSON Lines.

A record of JSON or JSON Lines has:

- `rank`: int, from 1;
- `path` or `sentence`: str;
- `score`: float; null if the model knows no word of the sentence;
- `words`: `[{"word", "box", "score"}]`, if requested; `box` is in pixels of the upright original;
- `unknown`: the words of the query or sentence that the model does not know, if any.

An answer to one of many queries is one line of JSON: `query` or, for a photograph, `image`; `results`, a list of such
records; and `error`, null or the reason why there are no results.

Text has a line for each record, with its score and its path or sentence, separated by a tab. Without a score, the line
has `-` instead, and the reason in a third column. Each word follows on an indented line: word, box in whole pixels,
score.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from vsa_cli.core.alignment.align import WordBox
from vsa_cli.core.alignment.embedder import FoundPhoto, RankedSentence
from vsa_cli.core.config import RankFormat
from vsa_cli.core.io.json import dump_json
from vsa_cli.core.io.sources import show_path
from vsa_cli.core.library.by_photograph import PhotoAnswer
from vsa_cli.core.library.queries import Answer


def format_photos(found: Sequence[FoundPhoto], kind: RankFormat, unknown: Sequence[str] = ()) -> Iterator[str]:
    """The lines for photographs found, best first; `unknown` lists the words of the query that the model lacks."""
    records = [_record(rank, "path", one.path, one.score, one.words, unknown) for rank, one in enumerate(found, 1)]
    return _lines(records, kind)


def format_answer(answer: Answer) -> str:
    """The line for one of many queries."""
    found = enumerate(answer.found, 1)
    records = [_record(rank, "path", one.path, one.score, one.words, answer.unknown) for rank, one in found]
    return dump_json({"query": answer.text, "results": records, "error": answer.error})


def format_sentences(ranked: Sequence[RankedSentence], kind: RankFormat) -> Iterator[str]:
    """The lines for ranked sentences, best first."""
    return _lines([_found(rank, one) for rank, one in enumerate(ranked, 1)], kind)


def format_photo_answer(answer: PhotoAnswer) -> str:
    """The line for one of many photographs."""
    records = [_found(rank, one) for rank, one in enumerate(answer.found, 1)]
    return dump_json({"image": answer.path, "results": records, "error": answer.error})


def _found(rank: int, one: FoundPhoto | RankedSentence) -> dict[str, Any]:
    if isinstance(one, FoundPhoto):
        return _record(rank, "path", one.path, one.score, one.words, ())
    return _record(rank, "sentence", one.sentence, one.score, one.words, one.unknown)


def _record(
    rank: int, key: str, name: str, score: float | None, words: Sequence[WordBox], unknown: Sequence[str]
) -> dict[str, Any]:
    record: dict[str, Any] = {"rank": rank, key: name, "score": None if score is None else round(score, 5)}
    if words:
        record["words"] = [{"word": one.word, "box": list(one.box), "score": round(one.score, 5)} for one in words]
    if unknown:
        record["unknown"] = list(unknown)
    return record


def _lines(records: Sequence[dict[str, Any]], kind: RankFormat) -> Iterator[str]:
    if kind == "json":
        yield dump_json(records, indent=1)
    elif kind == "jsonl":
        yield from map(dump_json, records)
    else:
        for record in records:
            yield from _text(record)


def _text(record: dict[str, Any]) -> Iterator[str]:
    name = record["path"] if "path" in record else record["sentence"]
    if record["score"] is None:
        yield f"-\t{show_path(name)}\tno known word"
    else:
        yield f"{record['score']:.4f}\t{show_path(name)}"
    for word in record.get("words", ()):
        box = " ".join(f"{edge:.0f}" for edge in word["box"])
        yield f"\t{word['word']}\t{box}\t{word['score']:.4f}"
