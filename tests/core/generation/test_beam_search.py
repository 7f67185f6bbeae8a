"""Beam search against exhaustive search, its definition, argmax and unbatched decoding, on toy models."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.toy_models import END, START, WORDS, V, exhaustive, logprob_of, markov, one, repeats, score, slow_beam
from vsa_cli.core.generation import beam_search as module
from vsa_cli.core.generation.beam_search import Hypothesis, beam_search
from vsa_cli.core.generation.constraints import AtLeast, Avoid, DecoderState, NoRepeat, StepFunction

seeds = st.integers(0, 10**6)
norms = st.sampled_from([0.0, 0.3, 0.7, 1.0, 2.0])
word_sets = st.sets(st.sampled_from(WORDS)).map(sorted)


def search(
    step: StepFunction, state: DecoderState, width: int, max_length: int, nbest: int = 1, **options: Any
) -> list[list[Hypothesis]]:
    return beam_search(step, state, start=START, end=END, width=width, max_length=max_length, nbest=nbest, **options)


@settings(max_examples=60, deadline=None)
@given(seed=seeds, max_length=st.integers(1, 3), nbest=st.integers(1, 5), norm=norms)
def test_beam_of_full_width_is_exhaustive(seed: int, max_length: int, nbest: int, norm: float) -> None:
    step, state = markov(seed)
    expected = exhaustive(step, state, max_length, norm)[:nbest]
    (found,) = search(step, state, V**max_length, max_length, nbest, length_norm=norm)
    assert [h.words for h in found] == [h.words for h in expected]
    assert [h.logprob for h in found] == pytest.approx([h.logprob for h in expected])


@settings(max_examples=60, deadline=None)
@given(
    seed=seeds, max_length=st.integers(1, 4), shortest=st.integers(0, 3), norm=norms,
    avoided=word_sets, required=word_sets, size=st.integers(0, 3),
)  # fmt: skip
def test_beam_of_full_width_with_all_rules_is_exhaustive(
    seed: int, max_length: int, shortest: int, norm: float, avoided: list[int], required: list[int], size: int
) -> None:
    def allowed(words: tuple[int, ...]) -> bool:
        unsaid = not {*words} & {*avoided} and {*required} <= {*words}
        return unsaid and len(words) >= shortest and not (size and repeats(words, size))

    step, state = markov(seed)
    rules = [Avoid(avoided), AtLeast(shortest, END), *([NoRepeat(size)] if size else [])]
    expected = exhaustive(step, state, max_length, norm, allowed)[:3]
    (found,) = search(step, state, V**max_length, max_length, 3, length_norm=norm, rules=rules, required=required)
    assert [h.words for h in found] == [h.words for h in expected]
    assert [h.logprob for h in found] == pytest.approx([h.logprob for h in expected])


@settings(max_examples=60, deadline=None)
@given(seed=seeds, width=st.integers(1, 4), norm=norms, required=word_sets, sharpness=st.sampled_from([0.3, 1.0, 3.0]))
def test_early_stop_changes_nothing(seed: int, width: int, norm: float, required: list[int], sharpness: float) -> None:
    step, state = markov(seed, sharpness=sharpness)
    (expected,) = slow_beam(step, state, width, 5, length_norm=norm, required=required)
    (found,) = search(step, state, width, 5, length_norm=norm, required=required)
    assert found[0].words == expected.words
    assert found[0].logprob == pytest.approx(expected.logprob)


@settings(max_examples=40, deadline=None)
@given(
    seed=seeds, groups=st.integers(2, 3), each=st.integers(1, 3), norm=norms,
    diversity=st.sampled_from([0.0, 0.4, 3.0]), required=st.sampled_from([[], [2]]),
)  # fmt: skip
def test_groups_follow_diverse_beam_search(
    seed: int, groups: int, each: int, norm: float, diversity: float, required: list[int]
) -> None:
    step, state = markov(seed)
    options: dict[str, Any] = {
        "length_norm": norm, "groups": groups, "diversity": diversity, "required": required,
    }  # fmt: skip
    expected = slow_beam(step, state, groups * each, 4, **options)
    (found,) = search(step, state, groups * each, 4, groups, **options)
    assert {h.words for h in found} >= {h.words for h in expected}
    plain = search(step, state, each, 4, length_norm=norm, required=required)[0][0]
    assert plain in found, "the first group knows of no other"
    assert [score(h, norm) for h in found] == sorted((score(h, norm) for h in found), reverse=True)
    assert len({h.words for h in found}) == len(found)


def test_high_diversity_separates_groups() -> None:
    for seed in range(20):
        step, state = markov(seed)
        (found,) = search(step, state, 3, 4, 3, groups=3, diversity=1000.0, rules=[AtLeast(1, END)])
        firsts = [h.words[0] for h in found]
        assert sorted(firsts) == list(WORDS)


@settings(max_examples=60, deadline=None)
@given(seed=seeds, max_length=st.integers(1, 6), norm=norms, sharpness=st.sampled_from([0.3, 1.0, 3.0]))
def test_beam_of_width_one_equals_argmax(seed: int, max_length: int, norm: float, sharpness: float) -> None:
    step, state = markov(seed, sharpness=sharpness)
    words: list[int] = []
    last, after = START, state
    while len(words) < max_length:
        logprobs, after = step(torch.tensor([last]), after)
        last = int(logprobs[0].argmax())
        if last == END:
            break
        words.append(last)
    (found,) = search(step, state, 1, max_length, length_norm=norm)
    assert found[0].words == tuple(words)


MODES: list[dict[str, Any]] = [
    {},
    {"length_norm": 0.8},
    {"groups": 2, "diversity": 0.5},
    {"rules": [NoRepeat(2), AtLeast(2, END)]},
    {"rules": [Avoid([2])], "required": [1, 3]},
    {"groups": 2, "diversity": 0.7, "required": [3], "rules": [NoRepeat(1)], "length_norm": 1.0},
]


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=15, deadline=None)
@given(seed=seeds, width=st.sampled_from([2, 4]), nbest=st.integers(1, 3))
def test_batch_equals_single_images(mode: dict[str, Any], seed: int, width: int, nbest: int) -> None:
    step, state = markov(seed, images=5)
    together = search(step, state, width, 5, nbest, **mode)
    assert together == [search(step, one(state, image), width, 5, nbest, **mode)[0] for image in range(5)]


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=15, deadline=None)
@given(seed=seeds, width=st.sampled_from([2, 4, 6]))
def test_logprobs_are_the_models_and_ids_are_words(mode: dict[str, Any], seed: int, width: int) -> None:
    step, state = markov(seed, sharpness=2.0)
    (found,) = search(step, state, width, 5, nbest=width, **mode)
    assert found
    for hypothesis in found:
        assert hypothesis.logprob == pytest.approx(logprob_of(step, state, hypothesis.words))
        assert set(hypothesis.words) <= set(WORDS)
        assert len(hypothesis.words) <= 5


@pytest.mark.parametrize("mode", MODES)
def test_device_without_float64_is_supported(mode: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def single(words: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        logprobs, after = step(words, state)
        return logprobs.float(), after

    step, state = markov(11, images=4)
    expected = search(single, state, 4, 5, 2, **mode)
    monkeypatch.setattr(module, "precise", lambda device: torch.float32)
    found = search(single, state, 4, 5, 2, **mode)
    assert [[h.words for h in one_image] for one_image in found] == [
        [h.words for h in one_image] for one_image in expected
    ]


@pytest.mark.parametrize("width", [1, 2, 7])
def test_unlikely_required_words_are_included(width: int) -> None:
    def step(words: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        return torch.tensor([0.0, -1.0, -90.0, -95.0]).log_softmax(-1).repeat(len(words), 1), state

    for longest in (2, 3, 6):
        found = search(step, (torch.zeros(3, 1),), width, longest, width, required=[2, 3])
        assert all(one_image and all({2, 3} <= {*h.words} for h in one_image) for one_image in found)


def test_impossible_requirements_find_nothing() -> None:
    step, state = markov(0, images=2)
    assert search(step, state, 3, 1, required=[1, 2]) == [[], []]
    assert search(step, state, 3, 6, rules=[NoRepeat(1), AtLeast(4, END)]) == [[], []]
    assert search(step, state, 4, 6, groups=2, rules=[Avoid([0, 1, 2, 3])]) == [[], []]


def test_wider_beam_is_not_worse_than_argmax_on_average() -> None:
    gains = []
    for seed in range(50):
        step, state = markov(seed)
        gains.append(search(step, state, 7, 6)[0][0].logprob - search(step, state, 1, 6)[0][0].logprob)
    assert min(gains) >= -1e-9
    assert sum(gains) > 0


@pytest.mark.parametrize(("norm", "longest", "calls"), [(0.0, 50, 1), (1.0, 3, 1), (1.0, 50, 3)])
def test_search_stops_exactly_when_nothing_can_win(norm: float, longest: int, calls: int) -> None:
    """END has log p -0.17 and a word -2.97: divided by 51, two words might still win, and three cannot."""
    count = 0

    def step(words: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        nonlocal count
        count += 1
        return torch.tensor([0.0, -2.8, -2.8, -2.8]).log_softmax(-1).repeat(len(words), 1), state

    search(step, (torch.zeros(3, 1),), 3, longest, length_norm=norm)
    assert count == calls
