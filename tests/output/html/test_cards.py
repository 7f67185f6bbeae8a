"""Displayed words match their tokens, without the spaces that datasets put before punctuation."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.output.html.cards import Card, Line, Word, display_words, number_boxes, relative_name


def test_words_keep_their_capitals_and_have_the_index_of_their_token() -> None:
    raw = "The dog 's T-shirt , torn ( by now ) , is red ."
    assert display_words(raw, tokenize(raw)) == [
        ("The", 0, False), ("dog", 1, False), ("'s", 2, True), ("T-shirt", 3, False), (",", None, True),
        ("torn", 4, False), ("(", None, False), ("by", 5, False), ("now", 6, False), (")", None, True),
        (",", None, True), ("is", 7, False), ("red", 8, False), (".", None, True),
    ]  # fmt: skip


def test_tokens_are_displayed_if_they_do_not_match_the_text() -> None:
    assert display_words("Ein Hund.", ["a", "dog"]) == [("a", 0, False), ("dog", 1, False)]
    assert display_words("", ["dog"]) == [("dog", 0, False)]


@given(st.text())
def test_each_token_has_exactly_one_word(raw: str) -> None:
    tokens = tokenize(raw)
    words = display_words(raw, tokens)
    assert [index for _, index, _ in words if index is not None] == list(range(len(tokens)))
    assert not words or not words[0][2], "the first word has no word before it"


@given(st.lists(st.integers(0, 30)))
def test_boxes_are_numbered_in_order_of_appearance(regions: list[int]) -> None:
    numbers = number_boxes(regions, 0)
    distinct = [region for region in dict.fromkeys(regions) if region]
    assert [numbers[region] for region in distinct] == list(range(1, len(distinct) + 1))
    assert numbers[0] == 0


def test_displayed_name_is_never_absolute() -> None:
    assert relative_name("/home/somebody/a.jpg") == "a.jpg"
    assert relative_name("sub/a.jpg") == "sub/a.jpg"


def test_alternative_text_is_given_or_from_sentences_or_the_name() -> None:
    lines = (Line((Word("A"), Word("dog"))), Line((Word("It"), Word("runs"), Word("!", tight=True))))
    assert Card("a.jpg", Path("a"), 1, 1, lines=lines, alt="a dog").alt_text == "a dog"
    assert Card("a.jpg", Path("a"), 1, 1, lines=lines).alt_text == "A dog. It runs!"
    assert Card("a.jpg", Path("a"), 1, 1).alt_text == "a.jpg"
