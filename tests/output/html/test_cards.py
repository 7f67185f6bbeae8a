"""Words as written keep their tokens; what a data set spaces out is set as print sets it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.output.html.cards import as_written


def test_words_keep_their_capitals_and_point_at_their_tokens() -> None:
    raw = "The dog 's T-shirt , torn ( by now ) , is red ."
    assert as_written(raw, tokenize(raw)) == [
        ("The", 0, False), ("dog", 1, False), ("'s", 2, True), ("T-shirt", 3, False), (",", None, True),
        ("torn", 4, False), ("(", None, False), ("by", 5, False), ("now", 6, False), (")", None, True),
        (",", None, True), ("is", 7, False), ("red", 8, False), (".", None, True),
    ]  # fmt: skip


def test_tokens_of_another_sentence_are_shown_as_they_are() -> None:
    assert as_written("Ein Hund.", ["a", "dog"]) == [("a", 0, False), ("dog", 1, False)]
    assert as_written("", ["dog"]) == [("dog", 0, False)]


@given(st.text())
def test_every_token_has_exactly_one_word(raw: str) -> None:
    tokens = tokenize(raw)
    words = as_written(raw, tokens)
    assert [index for _, index, _ in words if index is not None] == list(range(len(tokens)))
    assert not words or not words[0][2], "nothing clings to the beginning"
