"""What a search needs of a model, whatever is inside: a state, and a step from a word to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

DecoderState = tuple[Tensor, ...]
"""Tensors of N rows, one a sentence, so that a search can reorder it blindly."""

StepFunction = Callable[[Tensor, DecoderState], tuple[Tensor, DecoderState]]
"""(N,) last words and a state of N rows to (N, V) log-probabilities of the next, in nats, and the state after."""


NEVER = -torch.inf
"""The log-probability of what must not be said."""


class Rule(Protocol):
    """Forbids words, given those before them."""

    def __call__(self, scores: Tensor, prefix: Tensor) -> None:
        """Set what is forbidden to `NEVER`: scores (N, V) in place, prefix (N, L) int64."""


@dataclass(frozen=True)
class Avoid:
    """Words that are never said."""

    words: Sequence[int]

    def __call__(self, scores: Tensor, prefix: Tensor) -> None:
        """See `Rule`."""
        scores[:, list(self.words)] = NEVER


@dataclass(frozen=True)
class AtLeast:
    """A sentence has this many words before `end` may end it."""

    length: int
    end: int

    def __call__(self, scores: Tensor, prefix: Tensor) -> None:
        """See `Rule`."""
        if prefix.shape[1] < self.length:
            scores[:, self.end] = NEVER


@dataclass(frozen=True)
class NoRepeat:
    """No run of `size` words stands twice in a sentence; 1 lets no word stand twice."""

    size: int

    def __call__(self, scores: Tensor, prefix: Tensor) -> None:
        """See `Rule`."""
        length = prefix.shape[1]
        if length < self.size:
            return
        runs = prefix.unfold(1, self.size, 1)  # (N, L - size + 1, size)
        tail = prefix[:, length - self.size + 1 :]  # (N, size - 1): what a next word would complete
        rows, places = (runs[:, :, :-1] == tail[:, None]).all(2).nonzero(as_tuple=True)
        scores[rows, runs[rows, places, -1]] = NEVER


class Require:
    """Every sentence says all of these words, in any order.

    As a rule it lets no sentence end before, nor go on so long that there is no room left for what it lacks; every
    unfinished sentence can therefore still be finished. To a search it also tells the bank of a sentence: the set
    of the words it has, as bits. Sentences compete within their bank only, since one that has not yet paid for an
    unlikely word would always beat one that has.
    """

    def __init__(self, words: Sequence[int], end: int, max_length: int, device: torch.device) -> None:
        self.words = torch.tensor(sorted(set(words)), device=device)
        self.bits = 1 << torch.arange(len(self.words), device=device)
        self.banks = 1 << len(self.words)
        self._end, self._max_length = end, max_length

    def held(self, prefix: Tensor) -> Tensor:
        """(N, C) whether each of the C words stands in each prefix, (N, L)."""
        return (prefix[:, :, None] == self.words).any(1)

    def __call__(self, scores: Tensor, prefix: Tensor) -> None:
        """See `Rule`."""
        held = self.held(prefix)
        lacking = len(self.words) - held.sum(1)
        scores[lacking > 0, self._end] = NEVER
        tight = (lacking > 0) & (lacking >= self._max_length - prefix.shape[1])
        if bool(tight.any()):
            wanted = scores[tight][:, self.words].masked_fill(held[tight], NEVER)
            scores[tight] = torch.full_like(scores[tight], NEVER).index_copy(1, self.words, wanted)


class Diversity:
    """What makes later groups of a diverse beam search choose other words than earlier ones, within one step.

    A word costs `strength` nats for each time that earlier groups of its image chose it at this step (Hamming
    diversity). The cost ranks, and is forgotten: it enters no log-probability. Ending costs nothing.
    """

    def __init__(self, strength: float, images: int, vocabulary: int, end: int, like: Tensor) -> None:
        self._strength, self._end = strength, end
        self._chosen = like.new_zeros(images, vocabulary)

    def rank(self, scores: Tensor, image: Tensor) -> Tensor:
        """(N, V) scores less what each word costs; image (N,) says whose each row is."""
        return scores - self._strength * self._chosen[image]

    def count(self, image: Tensor, words: Tensor) -> None:
        """A group has chosen these words, (M,), for these images, (M,)."""
        self._chosen.index_put_((image, words), self._chosen.new_ones(len(words)), accumulate=True)
        self._chosen[:, self._end] = 0
