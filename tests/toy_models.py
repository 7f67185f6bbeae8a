"""Models of four words that are lookup tables, and slow searches over them, as oracles for the fast ones."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vsa_cli.core.generation.beam_search import Hypothesis
from vsa_cli.core.generation.constraints import DecoderState, StepFunction

END, V = 0, 4
START = V
WORDS = range(1, V)
Sentence = tuple[int, ...]
Allowed = Callable[[Sentence], bool]


def markov(seed: int, images: int = 1, sharpness: float = 1.0) -> tuple[StepFunction, DecoderState]:
    """A model whose next word depends on the last word, the image and the number of words so far."""
    generator = torch.Generator().manual_seed(seed)
    table = torch.randn(images, 6, V + 1, V, generator=generator, dtype=torch.float64) * sharpness

    def step(words: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        image, length = state
        logits = table[image, length.clamp(max=5), words]
        return logits.log_softmax(-1), (image, length + 1)

    return step, (torch.arange(images), torch.zeros(images, dtype=torch.long))


def one(state: DecoderState, image: int) -> DecoderState:
    """The state of one image of a batch."""
    return tuple(part[image : image + 1] for part in state)


def rows_of(step: StepFunction, state: DecoderState, words: Sentence) -> list[list[float]]:
    """The log-probabilities of what may follow each prefix of a sentence, by teacher forcing."""
    rows = []
    for word in (START, *words):
        logprobs, state = step(torch.tensor([word]), state)
        rows.append([float(p) for p in logprobs[0]])
    return rows


def logprob_of(step: StepFunction, state: DecoderState, words: Sentence) -> float:
    return sum(row[word] for row, word in zip(rows_of(step, state, words), (*words, END), strict=True))


def score(hypothesis: Hypothesis, length_norm: float) -> float:
    return hypothesis.logprob / float((len(hypothesis.words) + 1) ** length_norm)


def repeats(words: Sentence, size: int) -> bool:
    """Whether a sentence has duplicate runs of `size` words."""
    runs = [words[i : i + size] for i in range(len(words) - size + 1)]
    return len(set(runs)) < len(runs)


def exhaustive(
    step: StepFunction,
    state: DecoderState,
    max_length: int,
    length_norm: float = 0.0,
    allowed: Allowed = lambda words: True,
) -> list[Hypothesis]:
    """Every allowed sentence, best first."""
    sentences = (s for n in range(max_length + 1) for s in itertools.product(WORDS, repeat=n))
    found = [Hypothesis(s, logprob_of(step, state, s)) for s in sentences if allowed(s)]
    return sorted(found, key=lambda h: -score(h, length_norm))


def slow_beam(
    step: StepFunction,
    state: DecoderState,
    width: int,
    max_length: int,
    *,
    length_norm: float = 0.0,
    required: Sequence[int] = (),
    groups: int = 1,
    diversity: float = 0.0,
) -> list[Hypothesis]:
    """The best sentence of each group of a beam search over one image, by its definition.

    No sentence is dropped early, except with several groups: there the definition itself drops a sentence that cannot
    win any more.
    """
    beams: list[list[tuple[Sentence, float]]] = [[((), 0.0)] for _ in range(groups)]
    ended: list[list[Hypothesis]] = [[] for _ in range(groups)]
    for length in range(max_length + 1):
        chosen_before: dict[int, int] = defaultdict(int)
        for group in range(groups):
            banks = defaultdict(list)
            for prefix, total in beams[group]:
                row = rows_of(step, state, prefix)[-1]
                for word in [END] if length == max_length else range(V):
                    lacking = len(set(required) - {*prefix, word})
                    if lacking > (0 if word == END else max_length - length - 1):
                        continue
                    rank = total + row[word] - diversity * (chosen_before[word] if word != END else 0)
                    banks[frozenset(required) & {*prefix, word}].append((rank, total + row[word], prefix, word))
            kept = [c for bank in banks.values() for c in sorted(bank, key=lambda c: -c[0])[: width // groups]]
            for _, _, _, word in kept:
                chosen_before[word] += 1
            ended[group] += [Hypothesis(prefix, total) for _, total, prefix, word in kept if word == END]
            bar = max((score(h, length_norm) for h in ended[group]), default=-math.inf) if groups > 1 else -math.inf
            reach = float((max_length + 1) ** length_norm)
            beams[group] = [((*p, w), total) for _, total, p, w in kept if w != END and total / reach > bar]
    return [max(found, key=lambda h: score(h, length_norm)) for found in ended]
