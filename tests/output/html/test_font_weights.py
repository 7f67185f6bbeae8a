"""Font weight follows the rank of a value, within its bounds, whatever the unit."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from vsa_cli.output.html.font_weights import HEAVIEST, LIGHTEST, FontWeights


def weights_by_class(weights: FontWeights) -> dict[str, int]:
    return {name: int(weight) for name, weight in re.findall(r"\.(\w+)\{font-weight:(\d+)\}", weights.css())}


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_greater_value_has_no_lighter_weight(values: list[float]) -> None:
    weights = FontWeights()
    names = {value: weights.css_class(value) for value in values}
    table = weights_by_class(weights)
    ordered = [table[names[value]] for value in sorted(values)]
    assert ordered == sorted(ordered)
    assert all(LIGHTEST <= weight <= HEAVIEST for weight in ordered)


def test_ranks_fill_the_range_and_equal_values_are_in_the_middle() -> None:
    spread, same = FontWeights(), FontWeights()
    for value in range(100):
        spread.css_class(float(value))
        same.css_class(4.2)
    assert min(weights_by_class(spread).values()) < 320
    assert max(weights_by_class(spread).values()) > 780
    assert list(weights_by_class(same).values()) == [550]


def test_missing_or_infinite_value_has_no_class() -> None:
    weights = FontWeights()
    assert [weights.css_class(value) for value in (None, float("nan"), float("inf"))] == ["", "", ""]
    assert weights.css() == ""
