"""How heavy a word is set, by its place among all words of the pages.

Pages are written while words still come, and where a word stands among all is known only at the end. So a word gets
the name of a narrow class of values, and the style, written last, says how heavy each class is.
"""

from __future__ import annotations

import math
from collections import Counter

LIGHTEST, HEAVIEST = 300, 800
_FINENESS, _LIMIT = 40, 500


class Weights:
    """Counts words by value; in the end a style sheet."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def name(self, value: float | None) -> str:
        """Count a word, and return the class that sets its weight; "" for a word without a value."""
        if value is None or not math.isfinite(value):
            return ""
        # asinh is fine near 0, where cosines lie, coarse far from it, and takes either sign
        number = max(-_LIMIT, min(_LIMIT, round(_FINENESS * math.asinh(value))))
        self._counts[number] += 1
        return _class(number)

    def css(self) -> str:
        """A rule for each class: `LIGHTEST` for the least of all words, `HEAVIEST` for the greatest, by rank between.

        Equal words share the middle of their ranks; where all are equal, all are in the middle.
        """
        total = self._counts.total()
        rules, below = [], 0
        for number, count in sorted(self._counts.items()):
            place = (below + count / 2) / total
            weight = LIGHTEST + round((HEAVIEST - LIGHTEST) * place / 10) * 10
            rules.append(f".{_class(number)}{{font-weight:{weight}}}")
            below += count
        return "\n".join(rules)


def _class(number: int) -> str:
    return f"m{number + _LIMIT}"
