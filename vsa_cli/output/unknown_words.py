"""One-line notes on the words of queries and sentences that a model does not know."""

from __future__ import annotations

from collections.abc import Sequence

from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.embedding.search import Query
from vsa_cli.output.console import name_some

_SHOWN = 3


def unknown_among(sentences: Sequence[Query]) -> tuple[str, ...]:
    """The unknown words of sentences, each once."""
    return tuple(dict.fromkeys(word for sentence in sentences for word in sentence.unknown))


def query_note(queries: Sequence[Query], vocabulary: Vocabulary) -> str:
    """The note on one or more queries with unknown words."""
    left, unknown = ", ".join(map(_left, queries)), vocabulary.describe_unknown(unknown_among(queries))
    return f"note: searched for {left}; the model does not know {unknown}"


def ranking_note(sentences: Sequence[Query], vocabulary: Vocabulary) -> str:
    """The note on sentences to rank, some of which have unknown words."""
    some = sum(bool(sentence.unknown) for sentence in sentences)
    none = sum(not sentence.words for sentence in sentences)
    unknown = vocabulary.describe_unknown(unknown_among(sentences))
    last = f"; {none:,} without a known word are last" if none else ""
    return f"note: {some:,} of {len(sentences):,} sentences have unknown words{last}; the model does not know {unknown}"


def alignment_note(sentences: Sequence[Query], vocabulary: Vocabulary) -> str:
    """The note on sentences to align, some of which have unknown words."""
    changed = [sentence for sentence in sentences if sentence.unknown or not sentence.words]
    left = name_some((f"{_left(sentence)} of {sentence.text!r}" for sentence in changed), _SHOWN)
    unknown = unknown_among(sentences)
    why = f"the model does not know {vocabulary.describe_unknown(unknown)}" if unknown else "a sentence has no word"
    return f"note: aligned {left}; {why}"


def unknown_fact(unknown: Sequence[str]) -> tuple[str, ...]:
    """The fact about unknown words in the header of a page; empty if there are none."""
    return (f"unknown to the model: {name_some(unknown)}",) if unknown else ()


def _left(sentence: Query) -> str:
    return repr(" ".join(sentence.words)) if sentence.words else "nothing"
