"""Recurrent cells behind one interface. Knows no words and no images.

A cell's state is a tuple of (N, ·) tensors, one row a sentence, so that a search can reorder it blindly.
`run` consumes packed sentences: the inputs of all first words, then of all second words, and so on, longest
sentence first, so that no arithmetic is spent on padding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from vsa_cli.core.config import Cell
from vsa_cli.core.generation.constraints import DecoderState


class RecurrentCell(nn.Module, ABC):
    """What the generator needs of a cell of H units."""

    @abstractmethod
    def start(self, image: Tensor) -> DecoderState:
        """The state before the first word, from what the image adds: (N, H)."""

    @abstractmethod
    def step(self, inputs: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """One word: (N, W) inputs to (N, H) outputs, and the state after it."""

    @abstractmethod
    def run(self, inputs: Tensor, batch_sizes: Sequence[int], state: DecoderState) -> Tensor:
        """Whole sentences: packed inputs (sum of batch_sizes, W) to packed outputs (the same, H)."""


class PaperCell(RecurrentCell):
    """h_t = f(W_hx x_t + W_hh h_{t-1} + b_h + [t = 1] b_v), f = ReLU, h_0 = 0 (paper, section 3.2).

    The state is what the past adds to the next activation, W_hh h_{t-1}; before the first word, where h_0 is
    zero, that is b_v alone. So the image enters once, and no step needs to know whether it is the first.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.W_hx = nn.Linear(inputs, hidden)  # its bias is b_h
        self.W_hh = nn.Linear(hidden, hidden, bias=False)
        with torch.no_grad():
            # Half the identity: a ReLU network that starts by remembering, and cannot explode.
            self.W_hh.weight.zero_().fill_diagonal_(0.5)

    def start(self, image: Tensor) -> DecoderState:
        """See `RecurrentCell`."""
        return (image,)

    def step(self, inputs: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """See `RecurrentCell`."""
        h = F.relu(self.W_hx(inputs) + state[0])
        return h, (self.W_hh(h),)

    def run(self, inputs: Tensor, batch_sizes: Sequence[int], state: DecoderState) -> Tensor:
        """See `RecurrentCell`."""
        past = state[0]
        outputs = []
        for x in self.W_hx(inputs).split(list(batch_sizes)):
            h = F.relu(x + past[: len(x)])
            past = self.W_hh(h)
            outputs.append(h)
        return torch.cat(outputs)


class GatedCell(RecurrentCell):
    """GRU or LSTM; the image is its first input, before START."""

    def __init__(self, kind: type[nn.GRU] | type[nn.LSTM], inputs: int, hidden: int) -> None:
        super().__init__()
        self.rnn = kind(inputs, hidden)
        self.image = nn.Linear(hidden, inputs)  # from what the image adds to a hidden state, to an input

    def start(self, image: Tensor) -> DecoderState:
        """See `RecurrentCell`."""
        zeros = image.new_zeros(len(image), self.rnn.hidden_size)
        _, state = self.step(self.image(image), (zeros, zeros) if isinstance(self.rnn, nn.LSTM) else (zeros,))
        return state

    def step(self, inputs: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """See `RecurrentCell`."""
        outputs, after = self.rnn(inputs[None], self._join(state))
        return outputs[0], self._split(after)

    def run(self, inputs: Tensor, batch_sizes: Sequence[int], state: DecoderState) -> Tensor:
        """See `RecurrentCell`."""
        packed = PackedSequence(inputs, torch.tensor(batch_sizes))
        outputs, _ = self.rnn(packed, self._join(state))
        result: Tensor = outputs.data
        return result

    @staticmethod
    def _join(state: DecoderState) -> Tensor | DecoderState:
        # torch wants (1, N, H), and for a GRU the tensor itself
        layered = tuple(part[None].contiguous() for part in state)
        return layered if len(layered) > 1 else layered[0]

    @staticmethod
    def _split(state: Tensor | DecoderState) -> DecoderState:
        return (state[0],) if isinstance(state, Tensor) else tuple(part[0] for part in state)


def build_cell(kind: Cell, inputs: int, hidden: int) -> RecurrentCell:
    """A fresh cell by its name in the configuration."""
    if kind == "rnn":
        return PaperCell(inputs, hidden)
    return GatedCell(nn.LSTM if kind == "lstm" else nn.GRU, inputs, hidden)
