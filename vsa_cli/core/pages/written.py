"""A sentence as it was written, word by word beside the tokens that a model reads."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vsa_cli.core.corpus.tokenizer import tokenize

_TIGHT = re.compile(r"[.,;:!?)\]}…]+|['’]s")
"""What belongs to the word before it, though data sets like to write a space between."""


def as_written(raw: str, tokens: Sequence[str]) -> list[tuple[str, int | None, bool]]:
    """The words of a sentence as (text, index of its token, whether it clings to the word before).

    The index is None for what holds no letter and no digit. Tokens that are not the sentence's own are shown as
    they are, for then nobody knows which word is which.
    """
    words: list[tuple[str, int | None, bool]] = []
    found: list[str] = []
    for chunk in raw.split():
        token = tokenize(chunk)
        words.append((chunk, len(found) if token else None, bool(words) and _TIGHT.fullmatch(chunk) is not None))
        found += token
    if found != list(tokens) or sum(index is not None for _, index, _ in words) != len(found):
        return [(token, index, False) for index, token in enumerate(tokens)]
    return words
