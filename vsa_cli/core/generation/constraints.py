"""What a search needs from a model (a state, and a step to the next word), and the constraints on words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

DecoderState = tuple[Tensor, ...]
"""Tensors of N rows, one per sentence, which a search reorders, whatever they contain."""

StepFunction = Callable[[Tensor, DecoderState], tuple[Tensor, DecoderState]]
"""Maps (N,) last words and a state of N rows to (N, V) log-probabilities of the next, in nats, and the next state."""

NEVER = -torch.inf
"""The log-probability of a forbidden word."""


class Rule(Protocol):
    """Forbids words, given the words before them."""

    def __call__(self, scores: Tensor, prefix: Tensor) -> None:
        """Set forbidden words to `NEVER`: scores (N, V) in place, given prefix (N, L) int64."""


@dataclass(frozen=True)
class Avoid:
    """Words that no sentence contains."""

    words: Sequence[int]

    def __call__(self, scores: Tensor, prefix: Tensor) -> None:
        """Forbid the words everywhere."""
        scores[:, list(self.words)] = NEVER


@dataclass(frozen=True)
class AtLeast:
    """The least number of words before `end` can end a sentence."""

    length: int
    end: int

    def __call__(self, scores: Tensor, prefix: Tensor) -> None:
        """Forbid `end` in short sentences."""
        if prefix.shape[1] < self.length:
            scores[:, self.end] = NEVER


@dataclass(frozen=True)
class NotLast:
    """Words that end no sentence, such as articles; a sentence of `max_length` words may end with any."""

    words: Sequence[int]
    end: int
    max_length: int

    def __call__(self, scores: Tensor, prefix: Tensor) -> None:
        """Forbid `end` after these words."""
        length = prefix.shape[1]
        if 0 < length < self.max_length:
            words = torch.tensor(self.words, device=prefix.device)
            scores[torch.isin(prefix[:, -1], words), self.end] = NEVER


@dataclass(frozen=True)
class NoRepeat:
    """No n-gram of `size` words occurs twice in a sentence; 1 allows no word twice."""

    size: int

    def __call__(self, scores: Tensor, prefix: Tensor) -> None:
        """Forbid every word that would complete an n-gram of the prefix again."""
        length = prefix.shape[1]
        if length < self.size:
            return
        grams = prefix.unfold(1, self.size, 1)  # (N, L - size + 1, size)
        tail = prefix[:, length - self.size + 1 :]  # (N, size - 1): what the next word would complete
        rows, places = (grams[:, :, :-1] == tail[:, None]).all(2).nonzero(as_tuple=True)
        scores[rows, grams[rows, places, -1]] = NEVER


class Require:
    """Every sentence contains all of these words, in any order.

    A sentence cannot end before it has them, and always keeps enough positions for those still missing, so that every
    unfinished sentence can be finished. The bank of a sentence is the set of required words that it has, as bits.
    Sentences compete only within their bank: one that still lacks an unlikely word would otherwise always outrank one
    that has it.
    """

    def __init__(self, words: Sequence[int], end: int, max_length: int, device: torch.device) -> None:
        self.words = torch.tensor(sorted(set(words)), device=device)
        self.bits = 1 << torch.arange(len(self.words), device=device)
        self.banks = 1 << len(self.words)
        self._end, self._max_length = end, max_length

    def held(self, prefix: Tensor) -> Tensor:
        """(N, C): whether each of the C words is in each prefix, (N, L)."""
        return (prefix[:, :, None] == self.words).any(1)

    def __call__(self, scores: Tensor, prefix: Tensor) -> None:
        """Forbid the end while words are missing, and all other words when only these still fit."""
        held = self.held(prefix)
        lacking = len(self.words) - held.sum(1)
        scores[lacking > 0, self._end] = NEVER
        tight = (lacking > 0) & (lacking >= self._max_length - prefix.shape[1])
        if bool(tight.any()):
            wanted = scores[tight][:, self.words].masked_fill(held[tight], NEVER)
            scores[tight] = torch.full_like(scores[tight], NEVER).index_copy(1, self.words, wanted)


class Diversity:
    """Penalties that make later groups of a diverse beam search choose other words than earlier ones in the same step.

    A word costs `strength` nats for each time that earlier groups of its image chose it at this step (Hamming
    diversity). The cost affects the ranking only, not the log-probabilities. Ending costs nothing.
    """

    def __init__(self, strength: float, images: int, vocabulary: int, end: int, like: Tensor) -> None:
        self._strength, self._end = strength, end
        self._chosen = like.new_zeros(images, vocabulary)

    def rank(self, scores: Tensor, image: Tensor) -> Tensor:
        """(N, V) scores minus the cost of each word; `image` (N,) is the image of each row."""
        return scores - self._strength * self._chosen[image]

    def count(self, image: Tensor, words: Tensor) -> None:
        """Record the words (M,) that a group has chosen for these images (M,)."""
        self._chosen.index_put_((image, words), self._chosen.new_ones(len(words)), accumulate=True)
        self._chosen[:, self._end] = 0
