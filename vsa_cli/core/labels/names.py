"""The names that things in photographs can have, and the words by which sentences mention them.

`names.json` is one JSON object in UTF-8, written by hand::

    {"names": {"hot dog": ["hot dog", "hot dogs", "hotdog"], ...},
     "other": ["chair lift", ...]}

`names` has the words of each name: a word of the paper's tokens, or several in a row with a space between them. A word
may belong to several names: "man" mentions a man and a person. `other` has phrases that mention no name, although a
word of theirs does: a chair lift is no chair.

A sentence is read from left to right, and the longest phrase at a place counts: "hot dog" is not a dog. This module
does not depend on photographs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.io.json import is_text, read_json

NAMES_FILE = Path(__file__).parents[2] / "bundled" / "names.json"
"""The names that are installed with this package."""

MAX_NAMES, MAX_PHRASES, MAX_CHARACTERS = 4096, 65536, 64
"""Limits of a file of names: names, phrases of all names, and characters of a name or phrase."""


@dataclass(frozen=True)
class _Phrase:
    """The words after the first word of a phrase, and the names that the phrase mentions."""

    rest: tuple[str, ...]
    mentioned: tuple[int, ...]


class Names:
    """Names, and the words that mention them.

    Attributes:
        names: the names, each once; a name is referred to by its number in this order.
        words: the words and phrases of each name.
        other: phrases that mention nothing.
    """

    def __init__(self, words: Mapping[str, Iterable[str]], other: Iterable[str] = ()) -> None:
        """Index the phrases.

        Args:
            words: the words of each name.
            other: phrases that mention nothing.
        """
        self.words = {name: tuple(phrases) for name, phrases in words.items()}
        self.other = tuple(other)
        self.names = tuple(self.words)
        self._numbers = {name: number for number, name in enumerate(self.names)}
        mentioned: dict[tuple[str, ...], tuple[int, ...]] = {tuple(phrase.split()): () for phrase in self.other}
        for number, phrases in enumerate(self.words.values()):
            for phrase in dict.fromkeys(tuple(phrase.split()) for phrase in phrases):
                mentioned[phrase] = (*mentioned.get(phrase, ()), number)
        self._phrases: dict[str, list[_Phrase]] = {}
        for phrase in sorted(mentioned, key=len, reverse=True):  # the longest first
            self._phrases.setdefault(phrase[0], []).append(_Phrase(phrase[1:], mentioned[phrase]))

    @classmethod
    def from_dict(cls, data: object, where: str) -> Names:
        """Names from their stored form, with every value checked.

        Args:
            data: the parsed JSON.
            where: the file's name, for messages.

        Raises:
            ArtifactError: not names with their words, or larger than the limits.
        """
        words, other = (data.get("names"), data.get("other", [])) if isinstance(data, dict) else (None, None)
        if not isinstance(words, dict) or not isinstance(other, list):
            raise ArtifactError(f"{where}: not a file of names (it needs an object with the key names)")
        if not 0 < len(words) <= MAX_NAMES:
            raise ArtifactError(f"{where}: {len(words)} names; it needs 1 to {MAX_NAMES}")
        for name, phrases in words.items():
            _check(is_name(name) and isinstance(phrases, list) and all(map(is_name, phrases)), where, name)
        for phrase in other:
            _check(is_name(phrase), where, phrase)
        if sum(map(len, words.values())) + len(other) > MAX_PHRASES:
            raise ArtifactError(f"{where}: more than {MAX_PHRASES} phrases, which is the limit")
        return cls(words, other)

    def to_dict(self) -> dict[str, Any]:
        """The names as a JSON object, as in the file."""
        return {"names": {name: list(phrases) for name, phrases in self.words.items()}, "other": list(self.other)}

    def __len__(self) -> int:
        """The number of names."""
        return len(self.names)

    def mentions(self, tokens: Sequence[str]) -> tuple[int, ...]:
        """The names that a sentence mentions, each once, in ascending order.

        Args:
            tokens: the paper's tokens of the sentence.
        """
        return tuple(sorted({name for names in self.mentioned_by_word(tokens) for name in names}))

    def mentioned_by_word(self, tokens: Sequence[str]) -> list[tuple[int, ...]]:
        """The names that each word of a sentence mentions, alone or as part of a phrase; none for most words.

        Args:
            tokens: the paper's tokens of the sentence.
        """
        found: list[tuple[int, ...]] = [()] * len(tokens)
        place, end = 0, len(tokens)
        while place < end:
            place += 1
            for phrase in self._phrases.get(tokens[place - 1], ()):
                length = len(phrase.rest)
                if not length or tuple(tokens[place : place + length]) == phrase.rest:
                    found[place - 1 : place + length] = [phrase.mentioned] * (1 + length)
                    place += length
                    break
        return found

    def of_label(self, label: str) -> tuple[int, ...]:
        """The names that a detector's label stands for: the name of that text, or else those that it mentions."""
        own = self._numbers.get(label)
        return self.mentions(label.lower().split()) if own is None else (own,)


def read_names(path: Path = NAMES_FILE) -> Names:
    """Read a file of names, checking every value.

    Raises:
        DataError: missing, unreadable, or not JSON.
        ArtifactError: not a file of names, or larger than the limits.
    """
    return Names.from_dict(read_json(path), str(path))


def is_name(value: Any) -> bool:
    """Whether a value is a name or phrase: printable text of bounded length, with single spaces between words."""
    if not is_text(value) or not 0 < len(value) <= MAX_CHARACTERS or not value.isprintable():
        return False
    return " ".join(value.split()) == value


def _check(fits: bool, where: str, what: object) -> None:
    if not fits:
        raise ArtifactError(
            f"{where}: {str(what)[:MAX_CHARACTERS]!r} is not a name with a list of words that mention it"
        )
