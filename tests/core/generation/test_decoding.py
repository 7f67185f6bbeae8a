"""Decoding settings that contradict each other, and words that the model does not know."""

from __future__ import annotations

import math
from typing import Any

import pytest

from vsa_cli.core.config import DecodingConfig
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.errors import ConfigError
from vsa_cli.core.generation.decoding import ids_of, resolve_decoding


def test_default_is_resolved() -> None:
    assert resolve_decoding(DecodingConfig()) == DecodingConfig()


def test_words_are_normalised_as_in_the_vocabulary() -> None:
    resolved = resolve_decoding(DecodingConfig(avoid=("Dog", "dog!", "T-shirt"), require=("Café",)))
    assert resolved.avoid == ("dog", "tshirt")
    assert resolved.require == ("café",)


@pytest.mark.parametrize("options", [{"temperature": 0.7}, {"top_k": 5}, {"top_p": 0.9}])
def test_sampling_settings_imply_sampling(options: dict[str, Any]) -> None:
    assert resolve_decoding(DecodingConfig(**options)).sample


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"beam": 7, "groups": 2}, "7 does not divide into 2"),
        ({"diversity": 1.0}, "`diversity` applies between groups: set `groups`"),
        ({"min_length": 9, "max_length": 8}, "`min_length` 9 is more than `max_length` 8"),
        ({"min_length": 9, "max_length": 8, "sample": True}, "`min_length` 9"),
        ({"length_norm": math.nan}, "`length_norm` takes a finite number"),
        ({"temperature": math.inf}, "`temperature` takes a finite number"),
        ({"top_p": math.nan}, "`top_p` takes a finite number"),
        ({"top_p": 0.0}, "`top_p` takes a probability"),
        ({"temperature": -1.0}, "`temperature` takes a number above 0"),
        ({"consensus": True, "beam": 4, "groups": 2}, "`consensus` is found within one beam: set `groups` to 1"),
        ({"consensus": True, "top_k": 3}, "`consensus` chooses among the captions of a beam search"),
        ({"beam": 0}, "`beam`, `nbest` and `groups` are at least 1"),
        ({"sample": True, "beam": 3}, "`beam` applies to beam search only"),
        ({"top_k": 3, "require": ("dog",)}, "`require` applies to beam search only"),
        ({"temperature": 2.0, "groups": 7}, "`groups` applies to beam search only"),
        ({"require": ("dog", "cat"), "avoid": ("CAT",)}, "'cat' cannot be both"),
        ({"require": ("hot dog",)}, "`require` takes one word at a time, and 'hot dog' has 2 words"),
        ({"avoid": ("!",)}, "`avoid` takes one word at a time, and '!' has no word"),
        ({"require": ("a", "b", "c"), "max_length": 2}, "`max_length` 2 has no room for the 3"),
        ({"require": tuple("abcdef")}, "at most 5"),
    ],
)
def test_contradiction_is_reported_in_one_line(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        resolve_decoding(DecodingConfig(**options))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("unknown", ["drop", "unk"])
def test_words_become_ids_or_an_error_with_similar_words(unknown: Any) -> None:
    vocabulary = Vocabulary(("dog", "skateboard", "skateboarder"), (9, 8, 7), unknown)
    assert ids_of(("skateboard", "dog"), vocabulary, "require") == (2, 1)
    with pytest.raises(ConfigError, match=r"`require`: .* 'skatebord'; did you mean skateboard, skateboarder\?"):
        ids_of(("dog", "skatebord"), vocabulary, "require")
    with pytest.raises(ConfigError, match="'xyz'; no similar word"):
        ids_of(("xyz",), vocabulary, "avoid")
