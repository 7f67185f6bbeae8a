"""The paper's tokens of a sentence.

nltk is not used: its `RegexpTokenizer` could do only the last step, the split at whitespace, and importing it takes
longer than tokenising all of Flickr8k.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

_DROPPED = re.compile(r"[^\w\s]|_")
"""Characters other than letters, digits and whitespace; `\\w` is letters and digits of any script, and `_`."""

_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff"
    r"\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
"""Letters of scripts that are written without spaces: Chinese, Japanese, Thai, Lao, Burmese, Khmer."""


def tokenize(sentence: str, *, characters: bool = False) -> tuple[str, ...]:
    """Lowercase, remove all but letters, digits and space, split (paper, section 4: data preprocessing).

    Removing a character joins the letters around it: "dog's" is "dogs", "t-shirt" is "tshirt". Accented letters count
    as letters, and are the same in every Unicode normalisation form; combining marks of any script, such as the vowel
    signs of Hindi and Thai, stay with their letter.

    Args:
        sentence: as it was written.
        characters: whether each letter of a script without spaces (Chinese, Japanese, Thai ...) is a word of its own.
    """
    lowered = sentence.lower()
    if lowered.isascii():
        return tuple(_DROPPED.sub("", lowered).split())
    composed = unicodedata.normalize("NFC", lowered)
    kept = "".join(_kept(composed))
    words = unicodedata.normalize("NFC", kept).split()  # letters that now meet may compose (Hangul)
    return tuple(piece for word in words for piece in (_pieces(word) if characters else (word,)))


def join_words(words: Iterable[str]) -> str:
    """A text of words: with a space between two, except between letters of scripts without spaces."""
    text = ""
    for word in words:
        text += word if not text or are_adjacent(text, word) else f" {word}"
    return text


def are_adjacent(before: str, word: str) -> bool:
    """Whether no space belongs between two words, because both are of scripts without spaces."""
    return _UNSPACED.match(before[-1]) is not None and _UNSPACED.match(word) is not None


def has_no_spaces(sentence: str) -> bool:
    """Whether a sentence has letters of a script that is written without spaces."""
    return _UNSPACED.search(sentence) is not None


def _kept(text: str) -> Iterator[str]:
    """The letters, digits and spaces of a text, and the marks that follow a letter."""
    lettered = False
    for character in text:
        if character.isspace():
            lettered = False
            yield character
        elif character.isalnum():
            lettered = True
            yield character
        elif lettered and unicodedata.category(character) in ("Mn", "Mc") and not _is_variation_selector(character):
            yield character


def _is_variation_selector(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def _pieces(word: str) -> Iterator[str]:
    """A word cut before and after each letter of a script without spaces; marks stay with their letter."""
    piece = ""
    for character in word:
        mark = unicodedata.category(character) in ("Mn", "Mc")
        if piece and not mark and (_UNSPACED.match(character) or _UNSPACED.match(piece)):
            yield piece
            piece = ""
        piece += character
    yield piece
