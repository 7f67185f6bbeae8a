"""The names of things that can be seen, and the words by which sentences mention them.

`bundled/names.json` is an object of name to phrases, such as `{"hot dog": ["hot dog", "hot dogs"]}`; another file of
that form can be given in training. Names of a detector are found in it by equality.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.io.json import read_json
from vsa_cli.core.learning.model_dir import BUNDLE
from vsa_cli.core.regions.image_regions import is_label_name

BUNDLED_NAMES = BUNDLE / "names.json"
"""The names of the bundled models."""

_MOST_NAMES, _MOST_PHRASES = 5000, 500


@dataclass(frozen=True)
class Names:
    """M names, each with the phrases that mention it.

    Attributes:
        phrases: name to phrases, each a sequence of words joined by blanks.
    """

    phrases: Mapping[str, tuple[str, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order of their indices."""
        return tuple(self.phrases)

    @cached_property
    def _by_first_word(self) -> dict[str, list[tuple[tuple[str, ...], frozenset[int]]]]:
        """The phrases that start with a word, the longest first, with the indices of the names that each mentions."""
        mentioned: dict[tuple[str, ...], set[int]] = {}
        for index, phrases in enumerate(self.phrases.values()):
            for phrase in phrases:
                mentioned.setdefault(tuple(phrase.split()), set()).add(index)
        found: dict[str, list[tuple[tuple[str, ...], frozenset[int]]]] = {}
        for words in sorted(mentioned, key=lambda words: (-len(words), words)):
            found.setdefault(words[0], []).append((words, frozenset(mentioned[words])))
        return found

    def mentions(self, tokens: Sequence[str]) -> tuple[int, ...]:
        """The indices of the names that a sentence mentions, ascending.

        At each word the longest phrase counts, and its words mention nothing else: a hot dog is not a dog.
        """
        tokens, found, position = tuple(tokens), set[int](), 0
        while position < len(tokens):
            step = 1
            for words, names in self._by_first_word.get(tokens[position], ()):
                if tokens[position : position + len(words)] == words:
                    found |= names
                    step = len(words)
                    break
            position += step
        return tuple(sorted(found))

    def to_dict(self) -> dict[str, list[str]]:
        """The names as a JSON object."""
        return {name: list(phrases) for name, phrases in self.phrases.items()}

    @classmethod
    def from_dict(cls, data: object, where: str) -> Names:
        """Names from their stored form; phrases are tokenised like sentences.

        Raises:
            ArtifactError: the data are not an object of names with phrases.
        """
        return cls(dict(_checked(data, where)))


def read_names(path: Path = BUNDLED_NAMES) -> Names:
    """Read a file of names.

    Raises:
        DataError: the file cannot be read, or is not JSON.
        ArtifactError: it does not have the form of a file of names.
    """
    return Names.from_dict(read_json(path), str(path))


def _checked(data: Any, where: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    if not isinstance(data, dict) or not 0 < len(data) <= _MOST_NAMES:
        raise ArtifactError(f"{where}: not an object of 1 to {_MOST_NAMES} names with their phrases")
    for name, phrases in data.items():
        if not is_label_name(name):
            raise ArtifactError(f"{where}: {json.dumps(name)[:80]} is not a name of 1 to 100 printable characters")
        if not isinstance(phrases, list) or len(phrases) > _MOST_PHRASES or not all(map(is_label_name, phrases)):
            raise ArtifactError(f"{where}: the phrases of {name!r} are not a list of texts")
        words = tuple(dict.fromkeys(" ".join(tokenize(phrase)) for phrase in phrases))
        yield name, tuple(phrase for phrase in words if phrase)
