"""The paper's tokens of a sentence.

nltk is not used: its `RegexpTokenizer` could do only the last step, the split on white space, and importing it takes
longer than tokenising all of Flickr8k.
"""

from __future__ import annotations

import re
import unicodedata

_DROPPED = re.compile(r"[^\w\s]|_")
"""Characters other than letters, digits and white space; `\\w` is letters and digits of any script, and `_`."""


def tokenize(sentence: str) -> tuple[str, ...]:
    """Lowercase, remove everything but letters, digits and space, split (paper, section 4: data preprocessing).

    Removing a character joins its neighbours: "dog's" becomes "dogs", "t-shirt" becomes "tshirt". Accented letters are
    letters, and compare equal whether they are composed or written as letter and accent.
    """
    lowered = sentence.lower()
    if lowered.isascii():
        return tuple(_DROPPED.sub("", lowered).split())
    kept = _DROPPED.sub("", unicodedata.normalize("NFC", lowered))
    return tuple(unicodedata.normalize("NFC", kept).split())  # letters that are now neighbours may compose (Hangul)
