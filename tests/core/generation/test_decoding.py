"""Ways of decoding that contradict themselves, and words that the model does not know."""

from __future__ import annotations

import math
from typing import Any

import pytest

from vsa_cli.core.config import DecodingConfig
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.errors import ConfigError
from vsa_cli.core.generation.decoding import ids_of, settle


def test_the_default_is_settled() -> None:
    assert settle(DecodingConfig()) == DecodingConfig()


def test_words_are_written_as_the_vocabulary_writes_them() -> None:
    settled = settle(DecodingConfig(avoid=("Dog", "dog!", "T-shirt"), require=("Café",)))
    assert settled.avoid == ("dog", "tshirt")
    assert settled.require == ("café",)


@pytest.mark.parametrize("options", [{"temperature": 0.7}, {"top_k": 5}, {"top_p": 0.9}])
def test_options_of_the_draw_mean_drawing(options: dict[str, Any]) -> None:
    assert settle(DecodingConfig(**options)).sample


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"beam": 7, "groups": 2}, "7 does not divide into 2"),
        ({"diversity": 1.0}, "--groups"),
        ({"min_length": 9, "max_length": 8}, "--min-len 9 is more than --max-len 8"),
        ({"min_length": 9, "max_length": 8, "sample": True}, "--min-len 9"),
        ({"length_norm": math.nan}, "--length-norm"),
        ({"temperature": math.inf}, "--temperature"),
        ({"top_p": math.nan}, "--top-p"),
        ({"top_p": 0.0}, "--top-p"),
        ({"sample": True, "beam": 3}, "--beam belongs to the search"),
        ({"top_k": 3, "require": ("dog",)}, "--require belongs to the search"),
        ({"temperature": 2.0, "groups": 7}, "--groups belongs to the search"),
        ({"require": ("dog", "cat"), "avoid": ("CAT",)}, "'cat' cannot be both"),
        ({"require": ("hot dog",)}, "--require takes one word at a time, and 'hot dog' is 2"),
        ({"avoid": ("!",)}, "--avoid takes one word at a time, and '!' is 0"),
        ({"require": ("a", "b", "c"), "max_length": 2}, "--max-len 2 has no room for 3"),
        ({"require": tuple("abcdef")}, "at most 5"),
    ],
)
def test_a_contradiction_is_told_in_a_line(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as told:
        settle(DecodingConfig(**options))
    assert words in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("unknown", ["drop", "unk"])
def test_words_become_ids_or_an_error_with_words_near_them(unknown: Any) -> None:
    vocabulary = Vocabulary(("dog", "skateboard", "skateboarder"), (9, 8, 7), unknown)
    assert ids_of(("skateboard", "dog"), vocabulary, "--require") == (2, 1)
    with pytest.raises(ConfigError, match=r"--require: .* 'skatebord'; words near it: skateboard, skateboarder"):
        ids_of(("dog", "skatebord"), vocabulary, "--require")
    with pytest.raises(ConfigError, match="'xyz', nor a word near it"):
        ids_of(("xyz",), vocabulary, "--avoid")
