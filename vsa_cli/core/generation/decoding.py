"""Checks decoding settings for contradictions, before a model is loaded. This module does not use tensors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from vsa_cli.core.config import DecodingConfig
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.errors import ConfigError

MOST_REQUIRED = 5
"""Words that can be required together: the search keeps a beam for each subset of them."""

MOST_LENGTH_NORM = 10.0
"""The largest power of a caption's length by which captions can be compared."""

_DEFAULT = DecodingConfig()


def resolve_decoding(config: DecodingConfig) -> DecodingConfig:
    """The same settings, with words as the vocabulary writes them, and `sample` set if a sampling setting is.

    Raises:
        ConfigError: the settings contradict each other or are out of range.
    """
    for name in ("length_norm", "diversity", "temperature", "top_p"):
        if not math.isfinite(getattr(config, name) or 0.0):
            raise ConfigError(f"`{name}` takes a finite number")
    resolved = replace(
        config,
        avoid=_words(config.avoid, "avoid"),
        require=_words(config.require, "require"),
        sample=config.sample or any(_changed(config, name) for name in ("temperature", "top_k", "top_p")),
    )
    if resolved.sample:
        _check_sampling(resolved)
    else:
        _check_search(resolved)
    if config.min_length > config.max_length:
        raise ConfigError(f"`min_length` {config.min_length} is more than `max_length` {config.max_length}")
    return resolved


def _changed(config: DecodingConfig, name: str) -> bool:
    return bool(getattr(config, name) != getattr(_DEFAULT, name))


def _check_sampling(config: DecodingConfig) -> None:
    if config.temperature <= 0:
        raise ConfigError("`temperature` takes a number above 0")
    if not 0 < config.top_p <= 1:
        raise ConfigError("`top_p` takes a probability above 0, at most 1")
    if config.consensus:
        raise ConfigError("`consensus` chooses among the captions of a beam search, not of sampling")
    for name in ("beam", "length_norm", "groups", "diversity", "require"):
        if _changed(config, name):
            raise ConfigError(
                f"`{name}` applies to beam search only, not to sampling (`sample`, `temperature`, `top_k`, `top_p`)"
            )


def _check_search(config: DecodingConfig) -> None:
    if config.beam < 1 or config.nbest < 1 or config.groups < 1:
        raise ConfigError("`beam`, `nbest` and `groups` are at least 1")
    if config.beam % config.groups:
        raise ConfigError(f"`beam` {config.beam} does not divide into {config.groups} equal `groups`")
    if config.consensus and config.groups > 1:
        raise ConfigError("`consensus` is found within one beam: set `groups` to 1")
    if _changed(config, "diversity") and config.groups == 1:
        raise ConfigError("`diversity` applies between groups: set `groups` to 2 or more")
    if len(config.require) > MOST_REQUIRED:
        raise ConfigError(f"`require` takes at most {MOST_REQUIRED} words; {len(config.require)} were given")
    if len(config.require) > config.max_length:
        raise ConfigError(
            f"`max_length` {config.max_length} has no room for the {len(config.require)} words of `require`"
        )
    both = [word for word in config.require if word in config.avoid]
    if both:
        raise ConfigError(f"{both[0]!r} cannot be both required and avoided")


def ids_of(words: Iterable[str], vocabulary: Vocabulary, name: str) -> tuple[int, ...]:
    """The ids of words.

    Args:
        words: words as `resolve_decoding` returns them.
        vocabulary: the model's vocabulary.
        name: the setting that contains the words, for the message.

    Raises:
        ConfigError: words are not in the vocabulary; the message names them and similar ones.
    """
    given = list(words)
    if unknown := vocabulary.unknown_among(given):
        raise ConfigError(f"`{name}`: the model does not know {vocabulary.describe_unknown(unknown)}")
    return tuple(vocabulary.encode(given))


def _words(given: Sequence[str], name: str) -> tuple[str, ...]:
    """Each word as the vocabulary writes it, without duplicates."""
    words: dict[str, None] = {}
    for text in given:
        tokens = tokenize(text)
        if len(tokens) != 1:
            count = f"{len(tokens)} words" if tokens else "no word"
            raise ConfigError(f"`{name}` takes one word at a time, and {text!r} has {count}; give several separately")
        words[tokens[0]] = None
    return tuple(words)
