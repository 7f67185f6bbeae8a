"""The consensus of captions against its equation, and on captions where it is known."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.toy_models import END, START, markov, one
from vsa_cli.core.generation.beam_search import Hypothesis, beam_search
from vsa_cli.core.generation.consensus import KAPPA, agreement, most_agreeing

captions = st.lists(
    st.tuples(st.lists(st.integers(1, 6), max_size=8), st.floats(-8, 0)), min_size=1, max_size=9
).map(lambda found: sorted(found, key=lambda one: -one[1]))  # fmt: skip


def clipped(a: Sequence[int], b: Sequence[int]) -> float:
    """The clipped cosine of the counts of words; an empty caption is like an empty one alone."""
    if not a or not b:
        return float(list(a) == list(b))
    x, y = Counter(a), Counter(b)
    lengths = math.sqrt(sum(n * n for n in x.values())) * math.sqrt(sum(n * n for n in y.values()))
    return sum(min(n, y[word]) * y[word] for word, n in x.items()) / lengths


def agreements(found: Sequence[tuple[Sequence[int], float]]) -> list[float]:
    best = max(score for _, score in found)
    return [sum(math.exp(KAPPA * (s - best)) * clipped(a, b) for b, s in found) for a, _ in found]


@given(found=captions)
def test_the_choice_has_the_largest_weighted_agreement(found: list[tuple[list[int], float]]) -> None:
    sentences, scores = [words for words, _ in found], [score for _, score in found]
    expected = agreements(found)
    assert agreement(sentences, scores).tolist() == pytest.approx(expected)
    assert expected[most_agreeing(sentences, scores)] == pytest.approx(max(expected), abs=1e-8)


def test_two_captions_that_agree_outweigh_a_slightly_likelier_one() -> None:
    sentences = [[1, 2, 3], [4, 5, 6], [4, 5, 6, 7]]
    assert most_agreeing(sentences, [-1.0, -1.05, -1.1]) == 1
    assert most_agreeing(sentences, [-1.0, -2.0, -2.0]) == 0, "but not a much likelier one"


def test_a_repeated_word_does_not_help() -> None:
    once, twice = agreement([[1, 2, 3], [1, 1, 2, 3]], [-1.0, -1.0])
    assert once > twice


def test_of_captions_with_the_same_words_the_better_one_is_chosen() -> None:
    assert most_agreeing([[1, 2, 3], [3, 2, 1], [2, 1, 3]], [-1.0, -1.0, -1.0]) == 0
    assert most_agreeing([[]], [0.0]) == 0


def found_by(seed: int, width: int, nbest: int, **options: Any) -> list[Hypothesis]:
    step, state = markov(seed, images=3)
    (found,) = beam_search(
        step, one(state, 1), start=START, end=END, width=width, max_length=5, nbest=nbest, length_norm=0.7, **options
    )
    return found


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), width=st.integers(1, 5), nbest=st.integers(1, 5))
def test_a_search_puts_the_agreed_caption_first_whatever_is_asked_for(seed: int, width: int, nbest: int) -> None:
    everything = found_by(seed, width, max(width, nbest), consensus=True)
    asked = found_by(seed, width, nbest, consensus=True)
    if nbest <= width:
        assert asked == everything[: len(asked)]
    plain = found_by(seed, width, max(width, nbest))
    others = [hypothesis for hypothesis in plain if hypothesis != everything[0]]
    assert everything[1:] == others[: len(everything) - 1], "the others follow by score"


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_agreed_caption_is_that_of_all_captions_found(seed: int) -> None:
    width = 3**6  # all captions
    everything = found_by(seed, width, 3**6)
    scored = [(h.words, h.logprob / (len(h.words) + 1) ** 0.7) for h in everything]
    expected = agreements(scored)
    chosen = found_by(seed, width, 1, consensus=True)[0]
    assert expected[everything.index(chosen)] == pytest.approx(max(expected), abs=1e-7)


def test_a_batch_has_the_consensus_of_its_images() -> None:
    step, state = markov(3, images=5)
    options: dict[str, Any] = {"start": START, "end": END, "width": 4, "max_length": 6, "consensus": True}
    together = beam_search(step, state, **options)
    assert together == [beam_search(step, one(state, image), **options)[0] for image in range(5)]


def test_groups_have_no_consensus() -> None:
    step, state = markov(0)
    with pytest.raises(ValueError, match="one group"):
        beam_search(step, state, start=START, end=END, width=4, max_length=3, groups=2, consensus=True)
