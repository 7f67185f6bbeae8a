"""Snippets are cut to phrases."""

from __future__ import annotations

import pytest

from vsa_cli.core.generation.phrases import phrase_of


@pytest.mark.parametrize(
    ("snippet", "phrase"),
    [
        ("a child in", "a child"),
        ("of a large painted rainbow", "a large painted rainbow"),
        ("a girl in a", "a girl"),
        ("into a wooden building", "a wooden building"),
        ("is running on the grass", "the grass"),
        ("building with two doors", "building with two doors"),
        ("a man wearing a", "a man"),
        ("a pink dress is climbing up a", "a pink dress"),
        ("course while a man in blue stands", "course"),
        ("brown spots", "brown spots"),
        ("are", ""),
        ("sitting on the", ""),
        ("", ""),
    ],
)
def test_snippets_lose_what_belongs_to_other_phrases(snippet: str, phrase: str) -> None:
    assert phrase_of(snippet.split()) == tuple(phrase.split())
    assert phrase_of(phrase.split()) == tuple(phrase.split())
