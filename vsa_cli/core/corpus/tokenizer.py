"""From a human's sentence to the paper's tokens. Knows no vocabulary.

nltk has nothing to add here: its `RegexpTokenizer` could only do the last step, the split on white space, and
importing it costs more time than tokenising all of Flickr8k.
"""

from __future__ import annotations

import re
import unicodedata

_DROPPED = re.compile(r"[^\w\s]|_")
"""What is neither a letter, a digit nor white space; `\\w` is letters and digits of any script, and `_`."""


def tokenize(sentence: str) -> tuple[str, ...]:
    """Lowercase, remove all but letters, digits and space, split (paper, section 4: data preprocessing).

    Removed characters join what stood around them: "dog's" is "dogs", "t-shirt" is "tshirt". Accented letters
    are letters, and are the same letter whether they came composed or as letter and accent.
    """
    lowered = sentence.lower()
    if lowered.isascii():
        return tuple(_DROPPED.sub("", lowered).split())
    kept = _DROPPED.sub("", unicodedata.normalize("NFC", lowered))
    return tuple(unicodedata.normalize("NFC", kept).split())  # letters that now meet may compose (Hangul)
