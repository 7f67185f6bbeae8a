"""What a search needs of a model, whatever is inside: a state, and a step from a word to the next."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

State = tuple[Tensor, ...]
"""Tensors of N rows, one a sentence, so that a search can reorder it blindly."""

Step = Callable[[Tensor, State], tuple[Tensor, State]]
"""(N,) last words and a state of N rows to (N, V) log-probabilities of the next, in nats, and the state after."""
