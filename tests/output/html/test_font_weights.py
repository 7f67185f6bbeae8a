"""Weight follows rank, within its bounds, whatever the unit."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from vsa_cli.output.html.font_weights import HEAVIEST, LIGHTEST, Weights


def set_by(weights: Weights) -> dict[str, int]:
    return {name: int(weight) for name, weight in re.findall(r"\.(\w+)\{font-weight:(\d+)\}", weights.css())}


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_a_greater_value_is_never_set_lighter(values: list[float]) -> None:
    weights = Weights()
    names = {value: weights.name(value) for value in values}
    table = set_by(weights)
    ordered = [table[names[value]] for value in sorted(values)]
    assert ordered == sorted(ordered)
    assert all(LIGHTEST <= weight <= HEAVIEST for weight in ordered)


def test_ranks_fill_the_range_and_equals_are_in_the_middle() -> None:
    spread, same = Weights(), Weights()
    for value in range(100):
        spread.name(float(value))
        same.name(4.2)
    assert min(set_by(spread).values()) < 320
    assert max(set_by(spread).values()) > 780
    assert list(set_by(same).values()) == [550]


def test_no_value_has_no_class() -> None:
    weights = Weights()
    assert [weights.name(value) for value in (None, float("nan"), float("inf"))] == ["", "", ""]
    assert weights.css() == ""
