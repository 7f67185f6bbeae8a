"""Sampled sentences against the distribution that the settings describe, computed by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.toy_models import END, START, WORDS, V, logprob_of, markov, one, repeats
from vsa_cli.core.generation.beam_search import Hypothesis
from vsa_cli.core.generation.constraints import AtLeast, Avoid, DecoderState, NoRepeat, StepFunction
from vsa_cli.core.generation.sampling import sample

P = [0.1, 0.4, 0.3, 0.2]


def draw(step: StepFunction, state: DecoderState, draws: Tensor, **options: Any) -> list[Hypothesis | None]:
    return sample(step, state, start=START, end=END, max_length=draws.shape[1], draws=draws, **options)


def constant(words: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
    return torch.tensor(P).log().repeat(len(words), 1), state


def shares(**options: Any) -> list[float]:
    """The share of each id among first words, over draws spread evenly over [0, 1)."""
    n = 1000
    even = (torch.arange(n, dtype=torch.float64) + 0.5)[:, None] / n
    found = draw(constant, (torch.zeros(n, 1),), even, **options)
    firsts = [h.words[0] if h.words else END for h in found if h is not None]
    return [firsts.count(word) / n for word in range(V)]


def cut(temperature: float, top_k: int, top_p: float) -> list[float]:
    """The expected `shares`."""
    weights = {word: p ** (1 / temperature) for word, p in enumerate(P)}
    likeliest = sorted(weights, key=lambda word: -weights[word])[: top_k or V]
    whole = sum(weights[word] for word in likeliest)
    kept, mass = [], 0.0
    for word in likeliest:
        if mass < top_p:
            kept.append(word)
        mass += weights[word] / whole
    whole = sum(weights[word] for word in kept)
    return [weights[word] / whole if word in kept else 0.0 for word in range(V)]


@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0])
@pytest.mark.parametrize(("top_k", "top_p"), [(0, 1.0), (1, 1.0), (3, 1.0), (9, 1.0), (0, 0.65), (0, 1e-9), (3, 0.5)])
def test_words_are_drawn_with_their_probability(temperature: float, top_k: int, top_p: float) -> None:
    found = shares(temperature=temperature, top_k=top_k, top_p=top_p)
    assert found == pytest.approx(cut(temperature, top_k, top_p), abs=2e-3)


def test_rules_apply_before_top_k_and_top_p() -> None:
    assert shares(rules=[Avoid([1])], top_k=1) == [0.0, 0.0, 1.0, 0.0]
    assert shares(rules=[AtLeast(1, END), Avoid([1])]) == pytest.approx([0.0, 0.0, 0.6, 0.4], abs=2e-3)


@pytest.mark.parametrize("uniform", [0.0, math.nextafter(1.0, 0.0)])
def test_ends_of_the_interval_draw_an_allowed_word(uniform: float) -> None:
    draws = torch.full((1, 1), uniform, dtype=torch.float64)
    (found,) = draw(constant, (torch.zeros(1, 1),), draws, rules=[AtLeast(1, END), Avoid([3])])
    assert found is not None
    assert found.words == ((1,) if uniform == 0 else (2,))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6), size=st.integers(1, 2), temperature=st.sampled_from([0.05, 1.0, 50.0]),
    top_k=st.integers(0, 3), top_p=st.sampled_from([0.3, 0.9, 1.0]),
)  # fmt: skip
def test_sample_has_the_models_logprob_keeps_rules_and_ignores_its_batch(
    seed: int, size: int, temperature: float, top_k: int, top_p: float
) -> None:
    step, state = markov(seed, images=4)
    draws = torch.rand(4, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    options = {
        "temperature": temperature, "top_k": top_k, "top_p": top_p, "rules": [NoRepeat(size), AtLeast(2, END)],
    }  # fmt: skip
    together = draw(step, state, draws, **options)
    backwards = draw(step, tuple(part.flip(0) for part in state), draws.flip(0), **options)
    assert together == [draw(step, one(state, i), draws[i : i + 1], **options)[0] for i in range(4)] == backwards[::-1]
    for image, found in enumerate(together):
        if found is not None:
            assert found.logprob == pytest.approx(logprob_of(step, one(state, image), found.words))
            assert 2 <= len(found.words) <= 5
            assert set(found.words) <= set(WORDS)
            assert not repeats(found.words, size)


def test_no_sentence_if_rules_forbid_all() -> None:
    step, state = markov(1, images=3)
    draws = torch.rand(3, 6, dtype=torch.float64)
    assert draw(step, state, draws, rules=[NoRepeat(1), AtLeast(5, END)]) == [None] * 3
    assert draw(step, state, draws, rules=[Avoid(range(V))], top_k=2, top_p=0.5) == [None] * 3
