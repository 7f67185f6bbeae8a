"""A rule against captions that mention a thing twice: "a man in a blue shirt and a blue shirt", "brown and brown".

Words for one thing, such as "dog" and "dogs" or "fridge" and "refrigerator", count as one. Function words and colours
may recur, but no word follows itself across "and". The words are English.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from vsa_cli.core.generation.constraints import NEVER

_RECUR = frozenset(
    """a an the this that these those some another other others one two three four five six several many few both each
    of in on at by with to from into onto over under up down out off near next behind front beside between through
    across along around against above below inside outside for as and or while is are was be being been its his her
    their it he she they there who which has have having top side back left right
    black white red blue green yellow orange brown gray grey pink purple dark light silver tan blond blonde
    """.split()  # noqa: SIM905
)
"""Words that may occur several times in a caption."""

UNFINISHED = ("a", "an", "the", "of", "in", "on", "at", "by", "with", "to", "and", "is", "are", "his", "her", "their")
"""Words that end no English sentence."""

_IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "people": "person", "feet": "foot", "teeth": "tooth",
    "mice": "mouse", "knives": "knife", "shelves": "shelf", "leaves": "leaf", "glasses": "glasses",
}  # fmt: skip
"""Singulars of plurals that do not just add an s, and plurals that are words of their own."""

_SYNONYMS = {
    "kid": "child", "guy": "man", "lady": "woman", "bike": "bicycle", "motorbike": "motorcycle", "tshirt": "shirt",
    "fridge": "refrigerator", "television": "tv", "sofa": "couch", "doughnut": "donut", "plane": "airplane",
}  # fmt: skip
"""Words for the same thing, in the singular."""

_SHORTEST = 3  # letters of a word that can be a plural


def stem(word: str) -> str:
    """The singular of an English word, or a similar text that its plural has, too; synonyms have the same."""
    singular = _singular(word)
    return _SYNONYMS.get(singular, singular)


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > _SHORTEST and word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    if len(word) > _SHORTEST and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def is_thing(word: str) -> bool:
    """Whether a word counts as a thing, of which a caption has each only once; verbs and most adjectives do, too."""
    return word not in _RECUR


def is_english(words: Collection[str]) -> bool:
    """Whether a vocabulary is English, by its most frequent words; the rules of this module are for English."""
    return {"a", "the", "and", "with"} <= set(words)


class NoSecondMention:
    """No sentence mentions a thing twice, or repeats a word across "and".

    Args:
        words: the words of the vocabulary; word i has the id i + 1.
        required: ids of words that every sentence contains. They are the only words for their things, since another
            word, used first, would forbid them.
    """

    def __init__(self, words: Sequence[str], required: Collection[int] = ()) -> None:
        things: dict[str, list[int]] = {}
        reserved = {stem(words[number - 1]) for number in required if is_thing(words[number - 1])}
        self._never: list[int] = []
        for number, word in enumerate(words, start=1):
            if not is_thing(word):
                continue
            thing = stem(word)
            if number in required:
                things[f"required {number}"] = [number]
            elif thing in reserved:
                self._never.append(number)
            else:
                things.setdefault(thing, []).append(number)
        most = max(map(len, things.values()), default=1)
        # (V + 2, most): the ids of the words for the same thing as each id; -1 fills up
        rows = [[-1] * most] * (len(words) + 2)
        for alike in things.values():
            row = alike + [-1] * (most - len(alike))
            for number in alike:
                rows[number] = row
        self._alike = torch.tensor(rows)
        self._and = words.index("and") + 1 if "and" in words else -1

    def __call__(self, scores: Tensor, prefix: Tensor) -> None:
        """Forbid the words for things that each prefix mentions, and the word before a final "and"."""
        scores[:, self._never] = NEVER
        alike = self._alike.to(prefix.device)[prefix].flatten(1)  # (N, L * most)
        rows, places = (alike >= 0).nonzero(as_tuple=True)
        scores[rows, alike[rows, places]] = NEVER
        if prefix.shape[1] > 1:
            rows = (prefix[:, -1] == self._and).nonzero()[:, 0]
            scores[rows, prefix[rows, -2]] = NEVER
