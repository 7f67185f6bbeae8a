"""What a way of decoding must be to make sense, told before anything is read. Knows no tensors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches

from vsa_cli.core.config import DecodingConfig
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.errors import ConfigError

MOST_REQUIRED = 5
"""Words that may be required at once: the search keeps a beam for each subset of them."""

MOST_LENGTH_NORM = 10.0
"""The largest power of a caption's length by which captions can be compared."""

_PLAIN = DecodingConfig()


def settle(config: DecodingConfig) -> DecodingConfig:
    """The same decoding, with words as the vocabulary writes them, and sampling where its options are given.

    Raises:
        UsageError: its parts contradict one another.
    """
    for name in ("length_norm", "diversity", "temperature", "top_p"):
        if not math.isfinite(getattr(config, name) or 0.0):
            raise ConfigError(f"{_option(name)} takes a finite number")
    drawing = [name for name in ("temperature", "top_k", "top_p") if getattr(config, name) != getattr(_PLAIN, name)]
    settled = replace(
        config,
        avoid=_words(config.avoid, "--avoid"),
        require=_words(config.require, "--require"),
        sample=config.sample or bool(drawing),
    )
    if settled.sample:
        _check_sampling(settled)
    else:
        _check_search(settled)
    if config.min_length > config.max_length:
        raise ConfigError(f"--min-len {config.min_length} is more than --max-len {config.max_length}")
    return settled


def _check_sampling(config: DecodingConfig) -> None:
    if not 0 < config.top_p <= 1:
        raise ConfigError("--top-p takes a probability above 0, at most 1")
    for name in ("beam", "length_norm", "groups", "diversity", "require"):
        if getattr(config, name) != getattr(_PLAIN, name):
            raise ConfigError(
                f"{_option(name)} belongs to the search; --sample, --temperature, --top-k and --top-p draw without one"
            )


def _check_search(config: DecodingConfig) -> None:
    if config.beam % config.groups:
        raise ConfigError(f"--beam {config.beam} does not divide into {config.groups} equal --groups")
    if config.diversity != _PLAIN.diversity and config.groups == 1:
        raise ConfigError("--diversity lies between groups: give --groups, 2 or more")
    if len(config.require) > MOST_REQUIRED:
        raise ConfigError(f"--require takes at most {MOST_REQUIRED} words; {len(config.require)} were given")
    if len(config.require) > config.max_length:
        raise ConfigError(f"--max-len {config.max_length} has no room for {len(config.require)} words of --require")
    both = [word for word in config.require if word in config.avoid]
    if both:
        raise ConfigError(f"{both[0]!r} cannot be both required and avoided")


def ids_of(words: Iterable[str], vocabulary: Vocabulary, option: str) -> tuple[int, ...]:
    """Ids of settled words.

    Args:
        words: as `settle` leaves them.
        vocabulary: the model's.
        option: who asks, for the message.

    Raises:
        UsageError: the model does not know one; the message names words like it.
    """
    found = []
    for word in words:
        # `unk` vocabularies encode what they do not know as UNK, others as nothing
        number = next(iter(vocabulary.encode([word])), vocabulary.unk)
        if number is None or number == vocabulary.unk:
            near = get_close_matches(word, vocabulary.words, n=4)
            like = f"; words near it: {', '.join(near)}" if near else ", nor a word near it"
            raise ConfigError(f"{option}: the model does not know {word!r}{like}")
        found.append(number)
    return tuple(found)


def _words(given: Sequence[str], option: str) -> tuple[str, ...]:
    """Each word as the vocabulary would write it, once."""
    words: dict[str, None] = {}
    for text in given:
        tokens = tokenize(text)
        if len(tokens) != 1:
            raise ConfigError(f"{option} takes one word at a time, and {text!r} is {len(tokens)}; it may be repeated")
        words[tokens[0]] = None
    return tuple(words)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
