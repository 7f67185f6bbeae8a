"""Beam search against exhaustive search, argmax and one-by-one decoding, on toy models that are plain tables."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vsa_cli.core.generation.beam_search import Hypothesis, State, Step, beam_search, sample

END, V = 0, 4
START = V


def markov(seed: int, images: int = 1, sharpness: float = 1.0) -> tuple[Step, State]:
    """A model whose next word depends on the last word, on the image and on how many words there were."""
    generator = torch.Generator().manual_seed(seed)
    table = torch.randn(images, 6, V + 1, V, generator=generator, dtype=torch.float64) * sharpness

    def step(words: Tensor, state: State) -> tuple[Tensor, State]:
        image, length = state
        logits = table[image, length.clamp(max=5), words]
        return logits.log_softmax(-1), (image, length + 1)

    return step, (torch.arange(images), torch.zeros(images, dtype=torch.long))


def one(state: State, image: int) -> State:
    return tuple(part[image : image + 1] for part in state)


def logprob_of(step: Step, state: State, words: tuple[int, ...]) -> float:
    total, last = 0.0, START
    for word in (*words, END):
        logprobs, state = step(torch.tensor([last]), state)
        total += float(logprobs[0, word])
        last = word
    return total


def exhaustive(step: Step, state: State, max_length: int) -> list[Hypothesis]:
    sentences = (s for n in range(max_length + 1) for s in itertools.product(range(1, V), repeat=n))
    found = [Hypothesis(s, logprob_of(step, state, s)) for s in sentences]
    return sorted(found, key=lambda h: -h.logprob)


def argmax(step: Step, state: State, max_length: int) -> tuple[int, ...]:
    words: list[int] = []
    last = START
    while len(words) < max_length:
        logprobs, state = step(torch.tensor([last]), state)
        last = int(logprobs[0].argmax())
        if last == END:
            break
        words.append(last)
    return tuple(words)


def search(step: Step, state: State, width: int, max_length: int, nbest: int = 1) -> list[list[Hypothesis]]:
    return beam_search(step, state, start=START, end=END, width=width, max_length=max_length, nbest=nbest)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), max_length=st.integers(1, 3), nbest=st.integers(1, 5))
def test_a_beam_as_wide_as_everything_is_exhaustive(seed: int, max_length: int, nbest: int) -> None:
    step, state = markov(seed)
    expected = exhaustive(step, state, max_length)[:nbest]
    (found,) = search(step, state, V**max_length, max_length, nbest)
    assert [h.words for h in found] == [h.words for h in expected]
    assert [h.logprob for h in found] == pytest.approx([h.logprob for h in expected])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), max_length=st.integers(1, 6), sharpness=st.sampled_from([0.3, 1.0, 3.0]))
def test_width_one_is_argmax(seed: int, max_length: int, sharpness: float) -> None:
    step, state = markov(seed, sharpness=sharpness)
    (found,) = search(step, state, 1, max_length)
    assert found[0].words == argmax(step, state, max_length)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), width=st.integers(1, 5), nbest=st.integers(1, 3))
def test_a_batch_finds_what_each_image_finds_alone(seed: int, width: int, nbest: int) -> None:
    step, state = markov(seed, images=5)
    together = search(step, state, width, 5, nbest)
    alone = [search(step, one(state, image), width, 5, nbest)[0] for image in range(5)]
    assert together == alone


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), width=st.integers(1, 6))
def test_log_probabilities_are_the_models(seed: int, width: int) -> None:
    step, state = markov(seed)
    for hypothesis in search(step, state, width, 5, nbest=width)[0]:
        assert hypothesis.logprob == pytest.approx(logprob_of(step, state, hypothesis.words))


def test_a_wider_beam_never_does_worse_than_argmax_on_average() -> None:
    gains = []
    for seed in range(50):
        step, state = markov(seed)
        gains.append(search(step, state, 7, 6)[0][0].logprob - search(step, state, 1, 6)[0][0].logprob)
    assert min(gains) >= -1e-9
    assert sum(gains) > 0


def test_banned_words_are_never_emitted() -> None:
    for seed in range(20):
        step, state = markov(seed)
        (found,) = beam_search(step, state, start=START, end=END, width=4, max_length=5, nbest=4, banned=(2,))
        assert found
        assert all(2 not in hypothesis.words for hypothesis in found)


def test_the_search_stops_when_nothing_can_win() -> None:
    calls = 0

    def step(words: Tensor, state: State) -> tuple[Tensor, State]:
        nonlocal calls
        calls += 1
        logits = torch.full((len(words), V), -20.0)
        logits[:, END] = 0.0
        return logits.log_softmax(-1), state

    beam_search(step, (torch.zeros(3, 1),), start=START, end=END, width=3, max_length=50)
    assert calls == 1


def test_sampling_follows_the_models_distribution() -> None:
    def step(words: Tensor, state: State) -> tuple[Tensor, State]:
        return torch.tensor([0.1, 0.2, 0.3, 0.4]).log().repeat(len(words), 1), state

    n = 4000
    generators = [torch.Generator().manual_seed(i) for i in range(n)]
    drawn = sample(
        step, (torch.zeros(n, 1),), start=START, end=END, max_length=1, temperature=1.0, generators=generators
    )
    first = [h.words[0] if h.words else END for h in drawn]
    for word, probability in enumerate((0.1, 0.2, 0.3, 0.4)):
        assert first.count(word) / n == pytest.approx(probability, abs=0.03)


def test_a_draw_does_not_depend_on_its_batch() -> None:
    step, state = markov(3, images=4)

    def draw(chosen: State, seeds: list[int]) -> list[Hypothesis]:
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        return sample(step, chosen, start=START, end=END, max_length=6, temperature=0.8, generators=generators)

    together = draw(state, [0, 1, 2, 3])
    assert together == [draw(one(state, i), [i])[0] for i in range(4)]
    assert all(h.logprob == pytest.approx(logprob_of(step, one(state, i), h.words)) for i, h in enumerate(together))
