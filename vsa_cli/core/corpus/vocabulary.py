"""The words that a model knows, and their ids.

END has id 0, word i of `words` has id i + 1, and UNK, if there is one, has the last id. START is an input only: its id
is `size`, one past the last output of the softmax.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any, ClassVar, get_args

from vsa_cli.core.config import Unknown
from vsa_cli.core.corpus.tokenizer import join_words, tokenize
from vsa_cli.core.errors import ArtifactError

END = 0
"""The id of END, which ends a sentence."""

_DESCRIBED, _SIMILAR = 5, 4  # unknown words in a message, and similar words for each of them
_LIKENESS = 0.8  # of a plural or a typing error, from 0 to 1

UNKNOWN_WORD = "<unk>"
"""UNK as text; never equal to a token, which has letters and digits only."""


@dataclass(frozen=True)
class Vocabulary:
    """The frequent words of the train split.

    Attributes:
        words: the words, by decreasing count, then alphabetically.
        counts: the number of occurrences of each word in the train split.
        unknown: how `encode` treats other words: `drop` leaves them out, `unk` replaces them by UNK.
        characters: whether each letter of a script without spaces is a word.
    """

    words: tuple[str, ...]
    counts: tuple[int, ...]
    unknown: Unknown
    characters: bool = False

    END: ClassVar[int] = END

    @classmethod
    def build(
        cls, sentences: Iterable[Sequence[str]], min_count: int, unknown: Unknown, *, characters: bool = False
    ) -> Vocabulary:
        """Count words and keep the frequent ones.

        Args:
            sentences: the tokens of every train sentence.
            min_count: keep words with at least this many occurrences.
            unknown: how `encode` treats the other words.
            characters: whether the sentences were tokenised with `characters`.
        """
        counts = Counter(token for tokens in sentences for token in tokens)
        kept = sorted((-count, word) for word, count in counts.items() if count >= min_count)
        return cls(tuple(word for _, word in kept), tuple(-count for count, _ in kept), unknown, characters)

    @property
    def unk(self) -> int | None:
        """The id of UNK, which is the last; None if unknown words are dropped."""
        return len(self.words) + 1 if self.unknown == "unk" else None

    @property
    def size(self) -> int:
        """V, the number of outputs of the softmax: END, the words, and UNK if there is one."""
        return len(self.words) + (2 if self.unknown == "unk" else 1)

    @property
    def start(self) -> int:
        """The id of START, which is an input only."""
        return self.size

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, start=1)}

    def tokenize(self, sentence: str) -> tuple[str, ...]:
        """Tokenise a sentence in the same way as the sentences in which the words were counted."""
        return tokenize(sentence, characters=self.characters)

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """The ids of tokens, without START and END; unknown words are dropped or become UNK."""
        unk = self.unk
        found = (self._ids.get(token, unk) for token in tokens)
        return [number for number in found if number is not None]

    def knows(self, token: str) -> bool:
        """Whether a token is one of the words; UNK stands for no particular word."""
        return token in self._ids

    def unknown_among(self, tokens: Iterable[str]) -> tuple[str, ...]:
        """The tokens that are not among the words, in order, each once."""
        return tuple(dict.fromkeys(token for token in tokens if token not in self._ids))

    def similar(self, words: Iterable[str]) -> list[str]:
        """The words that unknown ones may be misspelt from, or other forms of, each once."""
        near = (get_close_matches(word, self.words, n=_SIMILAR, cutoff=_LIKENESS) for word in words)
        return list(dict.fromkeys(word for words in near for word in words))

    def describe_unknown(self, words: Sequence[str]) -> str:
        """Unknown words for a message, the first few with similar words of the vocabulary."""
        described = []
        for word in words[:_DESCRIBED]:
            similar = self.similar([word])
            hint = f"did you mean {', '.join(similar)}?" if similar else "no similar word"
            described.append(f"{word!r}; {hint}" if len(words) == 1 else f"{word!r} ({hint})")
        more = f" and {len(words) - _DESCRIBED} more" if len(words) > _DESCRIBED else ""
        return ", ".join(described) + more

    def decode(self, ids: Iterable[int]) -> str:
        """The words of ids up to the first END, joined by spaces (see `join_words` for characters).

        Raises:
            ValueError: an id is not an output of the softmax; START is not one.
        """
        words: list[str] = []
        for number in ids:
            if number == END:
                break
            if not 0 < number < self.size:
                raise ValueError(f"id {number} is not a word of a vocabulary of {self.size}")
            words.append(UNKNOWN_WORD if number == self.unk else self.words[number - 1])
        return join_words(words) if self.characters else " ".join(words)

    def to_dict(self) -> dict[str, Any]:
        """The vocabulary as a JSON object."""
        return {
            "unknown": self.unknown,
            "characters": self.characters,
            "words": list(self.words),
            "counts": list(self.counts),
        }

    @classmethod
    def from_dict(cls, data: object, where: str) -> Vocabulary:
        """Read a vocabulary from the form of `to_dict`.

        Args:
            data: the parsed JSON.
            where: the file's name, for messages.

        Raises:
            ArtifactError: not a vocabulary, or a damaged one.
        """
        if not isinstance(data, Mapping) or data.get("unknown") not in get_args(Unknown):
            raise ArtifactError(f"{where}: damaged vocabulary (unknown is neither drop nor unk)")
        characters = data.get("characters", False)  # not written by vsa 0.1
        if not isinstance(characters, bool):
            raise ArtifactError(f"{where}: damaged vocabulary (characters)")
        words, counts = data.get("words"), data.get("counts")
        if not isinstance(words, list) or not all(_is_word(word) for word in words):
            raise ArtifactError(f"{where}: damaged vocabulary (words)")
        if len(set(words)) != len(words):
            raise ArtifactError(f"{where}: damaged vocabulary (duplicate word)")
        if not isinstance(counts, list) or not all(type(count) is int and count > 0 for count in counts):
            raise ArtifactError(f"{where}: damaged vocabulary (counts)")
        if len(counts) != len(words):
            raise ArtifactError(f"{where}: damaged vocabulary ({len(words)} words, {len(counts)} counts)")
        return cls(tuple(words), tuple(counts), data["unknown"], characters)


def _is_word(word: object) -> bool:
    return isinstance(word, str) and word.split() == [word]
