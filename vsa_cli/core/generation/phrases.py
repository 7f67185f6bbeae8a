"""Snippets as phrases: "a child in" is "a child", "of a painted rainbow" is "a painted rainbow".

A snippet is a run of words that the alignment assigns to one region (paper, section 3.1.4). It starts and ends where
the next region does, often within a phrase. A generator that is to caption regions in phrases is trained on what
remains without such beginnings and ends. The words are English.
"""

from __future__ import annotations

from collections.abc import Sequence

from vsa_cli.core.generation.repetition import UNFINISHED

_ENDS_NONE = {*UNFINISHED} | frozenset(
    """or into onto over under from for near next behind through across along against around inside outside beside
    between toward towards up down out front has have its this some each other another very also wearing holding being
    one two three four five several many little small big large young old wooden
    black white red blue green yellow orange brown gray grey pink purple dark light blond blonde""".split()  # noqa: SIM905
)
"""Words that end no phrase."""

_BEGINS_NONE = frozenset(
    """of in on at by with to and is are or into onto over under from for as while near next behind through across along
    against around inside outside beside between toward towards up down out off front that which who has have was were
    be it he she they him them there each other also sits stands""".split()  # noqa: SIM905
)
"""Words that begin no phrase for a thing; neither do participles such as "running"."""

_CLAUSE = frozenset(["is", "are", "was", "were", "has", "have", "as", "while", "that", "which", "who"])
"""Words with which a clause about a thing begins."""

_THINGS = frozenset(["building", "string", "ring", "wing", "railing", "ceiling", "swing", "clothing", "painting"])
"""Words for things that look like participles."""


def phrase_of(words: Sequence[str]) -> tuple[str, ...]:
    """The words of a snippet up to its first clause, without a beginning or an end of another phrase; may be empty."""
    start, end = 0, len(words)
    while start < end and (words[start] in _BEGINS_NONE or _is_participle(words[start])):
        start += 1
    end = next((place for place in range(start, end) if words[place] in _CLAUSE), end)
    while start < end and words[end - 1] in _ENDS_NONE:
        end -= 1
    return tuple(words[start:end])


def _is_participle(word: str) -> bool:
    return word.endswith("ing") and word not in _THINGS
