"""Which words a model knows, and their numbers.

Id 0 is END, word i of `words` has id i + 1, UNK (if there is one) comes last. START is no word: as an input its
id is `size`, one past the rows of the softmax. Knows no images and no splits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, get_args

from vsa_cli.core.config import Unknown
from vsa_cli.core.errors import ArtifactError

END = 0
"""The id that ends a sentence."""

UNKNOWN_WORD = "<unk>"
"""How UNK reads; no token can look like it, since tokens hold letters and digits only."""


@dataclass(frozen=True)
class Vocabulary:
    """The words of the train split that are frequent enough.

    Attributes:
        words: by falling count, then alphabetically.
        counts: occurrences of each word in the train split.
        unknown: what `encode` does with other words: `drop` leaves them out, `unk` makes them UNK.
    """

    words: tuple[str, ...]
    counts: tuple[int, ...]
    unknown: Unknown

    END: ClassVar[int] = END

    @classmethod
    def build(cls, sentences: Iterable[Sequence[str]], min_count: int, unknown: Unknown) -> Vocabulary:
        """Count words and keep the frequent ones.

        Args:
            sentences: the tokens of every train sentence.
            min_count: occurrences that a word needs to be kept.
            unknown: what to do with the others.
        """
        counts = Counter(token for tokens in sentences for token in tokens)
        kept = sorted((-count, word) for word, count in counts.items() if count >= min_count)
        return cls(tuple(word for _, word in kept), tuple(-count for count, _ in kept), unknown)

    @property
    def unk(self) -> int | None:
        """The id of UNK, the last; None where unknown words are dropped."""
        return len(self.words) + 1 if self.unknown == "unk" else None

    @property
    def size(self) -> int:
        """Rows of the softmax: END, the words, and UNK if there is one."""
        return len(self.words) + (2 if self.unknown == "unk" else 1)

    @property
    def start(self) -> int:
        """The input-only id that begins a sentence."""
        return self.size

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: place + 1 for place, word in enumerate(self.words)}

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """Ids of tokens, without START and END; other words vanish or become UNK."""
        unk = self.unk
        found = (self._ids.get(token, unk) for token in tokens)
        return [number for number in found if number is not None]

    def decode(self, ids: Iterable[int]) -> str:
        """The words of ids, joined by spaces, up to the first END.

        Raises:
            ValueError: an id is no output of the softmax (START is not).
        """
        words: list[str] = []
        for number in ids:
            if number == END:
                break
            if not 0 < number < self.size:
                raise ValueError(f"id {number} is not a word of a vocabulary of {self.size}")
            words.append(UNKNOWN_WORD if number == self.unk else self.words[number - 1])
        return " ".join(words)

    def to_dict(self) -> dict[str, Any]:
        """The vocabulary as JSON holds it."""
        return {"unknown": self.unknown, "words": list(self.words), "counts": list(self.counts)}

    @classmethod
    def from_dict(cls, data: object, where: str) -> Vocabulary:
        """Read `to_dict`'s form back.

        Args:
            data: what was found where a vocabulary should be.
            where: the file's name, for messages.

        Raises:
            ArtifactError: it is not a vocabulary, or a damaged one.
        """
        if not isinstance(data, Mapping) or data.get("unknown") not in get_args(Unknown):
            raise ArtifactError(f"{where}: damaged vocabulary (unknown is neither drop nor unk)")
        words, counts = data.get("words"), data.get("counts")
        if not isinstance(words, list) or not all(_is_word(word) for word in words):
            raise ArtifactError(f"{where}: damaged vocabulary (words)")
        if len(set(words)) != len(words):
            raise ArtifactError(f"{where}: damaged vocabulary (a word stands twice)")
        if not isinstance(counts, list) or not all(type(count) is int and count > 0 for count in counts):
            raise ArtifactError(f"{where}: damaged vocabulary (counts)")
        if len(counts) != len(words):
            raise ArtifactError(f"{where}: damaged vocabulary ({len(words)} words, {len(counts)} counts)")
        return cls(tuple(words), tuple(counts), data["unknown"])


def _is_word(word: object) -> bool:
    return isinstance(word, str) and word.split() == [word]
