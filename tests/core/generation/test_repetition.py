"""No caption mentions a thing twice."""

from __future__ import annotations

import pytest
import torch

from vsa_cli.core.generation.constraints import NEVER, NotLast
from vsa_cli.core.generation.repetition import NoSecondMention, is_english, stem

WORDS = ("a", "and", "brown", "man", "men", "dog", "dogs", "shirt", "bus", "buses", "with", "grass", "glass")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("dog", "dogs"),
        ("man", "men"),
        ("box", "boxes"),
        ("bench", "benches"),
        ("puppy", "puppies"),
        ("dish", "dishes"),
        ("fridge", "refrigerators"),
    ],
)
def test_plurals_and_synonyms_are_one(one: str, other: str) -> None:
    assert stem(one) == stem(other)


@pytest.mark.parametrize(("one", "other"), [("glass", "glasses"), ("grass", "glass"), ("bus", "bush"), ("gas", "ga")])
def test_other_words_are_not(one: str, other: str) -> None:
    assert stem(one) != stem(other)


def forbidden(sentence: str, rule: NoSecondMention) -> set[str]:
    prefix = torch.tensor([[WORDS.index(word) + 1 for word in sentence.split()]])
    scores = torch.zeros(1, len(WORDS) + 1)
    rule(scores, prefix)
    return {WORDS[i - 1] for i in range(1, len(WORDS) + 1) if scores[0, i] == NEVER}


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("a", set()),
        ("a man", {"man", "men"}),
        ("a brown dog with a", {"dog", "dogs"}),
        ("a brown and", {"brown"}),
        ("a dog and a man and", {"dog", "dogs", "man", "men"}),
        ("men with brown shirt", {"men", "man", "shirt"}),
    ],
)
def test_things_are_mentioned_once(sentence: str, expected: set[str]) -> None:
    assert forbidden(sentence, NoSecondMention(WORDS)) == expected


def test_required_words_stay_possible_and_occur_once() -> None:
    rule = NoSecondMention(WORDS, required={WORDS.index("dogs") + 1, WORDS.index("brown") + 1})
    assert forbidden("a", rule) == {"dog"}  # which would forbid "dogs"
    assert forbidden("brown dogs", rule) == {"dog", "dogs"}
    both = NoSecondMention(WORDS, required={WORDS.index("dog") + 1, WORDS.index("dogs") + 1})
    assert forbidden("a dog", both) == {"dog"}


def test_the_rule_is_for_english() -> None:
    assert is_english(("a", "the", "and", "with", "dog"))
    assert not is_english(("ein", "der", "und", "mit", "hund"))


def test_the_rule_equals_its_definition_on_random_sentences() -> None:
    generator = torch.Generator().manual_seed(0)
    prefix = torch.randint(1, len(WORDS) + 1, (200, 6), generator=generator)
    scores = torch.zeros(200, len(WORDS) + 1)
    NoSecondMention(WORDS)(scores, prefix)
    for row, sentence in enumerate(prefix.tolist()):
        words = [WORDS[i - 1] for i in sentence]
        for i, word in enumerate(WORDS, start=1):
            free = word in ("a", "and", "brown", "with")
            banned = (not free and stem(word) in map(stem, words)) or (words[-1] == "and" and words[-2] == word)
            assert (scores[row, i] == NEVER) == banned


def test_sentences_do_not_end_with_an_article_unless_they_are_full() -> None:
    rule = NotLast((WORDS.index("a") + 1,), 0, max_length=3)
    scores = torch.zeros(2, len(WORDS) + 1)
    rule(scores, torch.tensor([[4, 1], [1, 4]]))
    assert scores[:, 0].tolist() == [NEVER, 0]
    full = torch.zeros(1, len(WORDS) + 1)
    rule(full, torch.tensor([[4, 6, 1]]))
    assert full[0, 0] == 0


def test_nothing_is_forbidden_before_the_first_word() -> None:
    scores = torch.zeros(3, len(WORDS) + 1)
    NoSecondMention(WORDS)(scores, torch.zeros(3, 0, dtype=torch.long))
    assert not scores.any()
