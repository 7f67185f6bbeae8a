"""Font weight of each word by the rank of its value among all words of the pages.

Cards are rendered before all values are known, and ranks are known only at the end. So each word gets a CSS class that
stands for a narrow range of values, and the style sheet, written last, sets the weight of each class.
"""

from __future__ import annotations

import math
from collections import Counter

LIGHTEST, HEAVIEST = 300, 800
_RESOLUTION, _LIMIT = 40, 500


class FontWeights:
    """Counts words by their value, and makes the CSS rules that set their weights."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def css_class(self, value: float | None) -> str:
        """Count a word, and return the class that sets its weight; "" for a word without a finite value."""
        if value is None or not math.isfinite(value):
            return ""
        # asinh has a high resolution near 0, where cosines are, a low one far from it, and takes either sign
        number = max(-_LIMIT, min(_LIMIT, round(_RESOLUTION * math.asinh(value))))
        self._counts[number] += 1
        return _class(number)

    def css(self) -> str:
        """A rule for each class: from `LIGHTEST` for the lowest value to `HEAVIEST` for the highest, by rank.

        Words of one class share the middle of their ranks; if there is only one class, it gets the middle weight.
        """
        total = self._counts.total()
        rules, below = [], 0
        for number, count in sorted(self._counts.items()):
            rank = (below + count / 2) / total
            weight = LIGHTEST + round((HEAVIEST - LIGHTEST) * rank / 10) * 10
            rules.append(f".{_class(number)}{{font-weight:{weight}}}")
            below += count
        return "\n".join(rules)


def _class(number: int) -> str:
    return f"m{number + _LIMIT}"
