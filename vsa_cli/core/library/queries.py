"""Many queries for one index: read line by line, answered one by one; a line that is not a query stops nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from vsa_cli.core.alignment.embedder import FoundPhoto
from vsa_cli.core.config import LibrarySearch
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.search import MAX_CHARACTERS, Query, read_query
from vsa_cli.core.errors import DataError, reason
from vsa_cli.core.io.json import is_text
from vsa_cli.core.io.text import decode_text, numbered_lines
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.library.library import Library
from vsa_cli.core.library.search import search_library


@dataclass(frozen=True)
class QueryLine:
    """A line of a list of queries.

    Attributes:
        place: where it is, for messages.
        text: the query; "" if the line is not one.
        error: why the line is not a query; None if it is one.
    """

    place: str
    text: str
    error: str | None = None


@dataclass(frozen=True)
class Answer:
    """The result of a query.

    Attributes:
        text: the query as written.
        found: the photographs found, best first.
        unknown: the words that the model does not know.
        error: why there is no result; None if there is one.
    """

    text: str
    found: tuple[FoundPhoto, ...] = ()
    unknown: tuple[str, ...] = ()
    error: str | None = None


def read_queries(stream: BinaryIO) -> Iterator[QueryLine]:
    """The lines of a stream that are not blank, each as soon as it is complete.

    Raises:
        DataError: the stream cannot be read.
    """
    try:
        for place, line in numbered_lines(stream, "stdin"):
            text = decode_text(line).rstrip("\r\n")
            if not is_text(text):
                yield QueryLine(place, "", "is not UTF-8 text")
            elif len(text) > MAX_CHARACTERS:
                yield QueryLine(place, "", f"a query of {len(text)} characters; the limit is {MAX_CHARACTERS}")
            else:
                yield QueryLine(place, text)
    except OSError as error:
        raise DataError(f"stdin: cannot read: {reason(error)}") from error


def answer(
    trained: Trained[Embedding],
    library: Library,
    line: QueryLine,
    top: int,
    config: LibrarySearch,
    *,
    explain: bool,
    strict: bool,
) -> Answer:
    """The answer to a line; one that cannot be answered has an error.

    Args:
        trained: the model with which the index was made.
        library: the index.
        line: the line.
        top: the number of photographs to find, at most.
        config: how the index is searched.
        explain: whether to find the best box of each known word.
        strict: whether a word that the model does not know is an error.

    Raises:
        DataError: the index is empty.
        ArtifactError: the index was made with another model, or is damaged.
    """
    if line.error is not None:
        return Answer(line.text, error=line.error)
    query = _query(trained, line.text, strict=strict)
    if isinstance(query, str):
        return Answer(line.text, error=query)
    found = search_library(trained, library, query, top, config, explain=explain)
    return Answer(line.text, tuple(found), query.unknown)


def _query(trained: Trained[Embedding], text: str, *, strict: bool) -> Query | str:
    """The query of a text, or why it cannot be answered."""
    try:
        query = read_query(text, trained.vocabulary)
    except DataError as error:
        return str(error)
    if strict and query.unknown:
        return f"the model does not know {trained.vocabulary.describe_unknown(query.unknown)}"
    return query
