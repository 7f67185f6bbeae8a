"""Sentences packed step by step: the words that a recurrence needs together lie together, and no padding exists.

Of L sentences, longest first, with N words in all: first the first words of all sentences, then the second words
of those that have one, and so on. Knows no vocabulary and no network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Packed:
    """L sentences of N words.

    Attributes:
        words: (N,) int64 ids.
        sentence: (N,) int64, which sentence each word is of, from 0 to L - 1 in the order given to `pack`.
        position: (N,) int64, which word of it each is, from 0.
        mirror: (N,) int64, a permutation that is its own inverse: the place of word T - 1 - t of the same sentence.
        batch_sizes: how many sentences have a first word, a second, ...
        order: (L,) int64, the sentence in each row of a step.
    """

    words: Tensor
    sentence: Tensor
    position: Tensor
    mirror: Tensor
    batch_sizes: tuple[int, ...]
    order: Tensor

    @property
    def count(self) -> int:
        """L."""
        return len(self.order)

    def to(self, device: torch.device) -> Packed:
        """The same on a device."""
        moved = (t.to(device) for t in (self.words, self.sentence, self.position, self.mirror))
        words, sentence, position, mirror = moved
        return Packed(words, sentence, position, mirror, self.batch_sizes, self.order.to(device))


def pack(sentences: Sequence[Sequence[int]]) -> Packed:
    """Pack sentences of one word or more each.

    Raises:
        ValueError: a sentence is empty: it has no vector and no score, and must be dropped before.
    """
    lengths = np.array([len(sentence) for sentence in sentences], np.int64)
    if not lengths.all():
        raise ValueError("a sentence without a word cannot be packed")
    order = np.argsort(-lengths, kind="stable")
    table = np.zeros((len(sentences), int(lengths[order[0]])), np.int64)
    for place, index in enumerate(order):
        table[place, : lengths[index]] = sentences[index]
    steps = np.arange(table.shape[1])
    present = steps[:, None] < lengths[order][None, :]  # (T, L): each step is a prefix of the rows
    where = np.cumsum(present).reshape(present.shape) - 1  # at which of N word (t, row) lies
    step, row = (np.asarray(found) for found in np.nonzero(present))
    mirror = where[lengths[order][row] - 1 - step, row]
    return Packed(
        words=torch.from_numpy(table.T[present]),
        sentence=torch.from_numpy(order[row]),
        position=torch.from_numpy(step),
        mirror=torch.from_numpy(mirror),
        batch_sizes=tuple(int(n) for n in present.sum(1)),
        order=torch.from_numpy(order),
    )
