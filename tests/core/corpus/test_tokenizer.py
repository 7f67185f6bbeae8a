from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsa_cli.core.corpus.tokenizer import tokenize


@pytest.mark.parametrize(
    ("sentence", "tokens"),
    [
        ("A dog's T-shirt .", ("a", "dogs", "tshirt")),
        ("two\tmen\nand\r\na\u00a0boat", ("two", "men", "and", "a", "boat")),
        ("7-up, 3rd_base & co", ("7up", "3rdbase", "co")),
        ("Ein HÜBSCHES Mädchen", ("ein", "hübsches", "mädchen")),
        ("Σκύλος; собака。犬", ("σκύλος", "собака犬")),
        ("…!? -- ''", ()),
        ("", ()),
        ("a\u200bb \u201cquoted\u201d \U0001f415", ("ab", "quoted")),
    ],
)
def test_tokens_of_the_paper(sentence: str, tokens: tuple[str, ...]) -> None:
    assert tokenize(sentence) == tokens


def test_tokens_do_not_depend_on_the_form_of_accents() -> None:
    assert tokenize(unicodedata.normalize("NFD", "café Ångström")) == tokenize("café Ångström") == ("café", "ångström")


@given(st.text())
def test_tokens_are_letters_and_digits_and_tokenizing_is_idempotent(sentence: str) -> None:
    tokens = tokenize(sentence)
    assert all(token.isalnum() for token in tokens)
    assert tokenize(" ".join(tokens)) == tokens


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_equals_filtering_character_by_character(sentence: str) -> None:
    kept = "".join(c for c in sentence.lower() if c.isspace() or "a" <= c <= "z" or "0" <= c <= "9")
    assert tokenize(sentence) == tuple(kept.split())
