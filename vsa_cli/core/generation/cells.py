"""Recurrent cells of the generator, behind one interface.

A cell's state is a tuple of (N, ·) tensors with one row per sentence, so that a search can reorder it, whatever the
cell. `run` takes packed sentences: the inputs of all first words, then of all second words, and so on, longest
sentence first, so that no time is spent on padding.
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
    """The interface of a cell of H units."""

    @abstractmethod
    def initial_state(self, image: Tensor) -> DecoderState:
        """The state before the first word, from the (N, H) contribution of the image."""

    @abstractmethod
    def step(self, inputs: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Process one word: from (N, W) inputs, the (N, H) outputs and the next state."""

    @abstractmethod
    def run(self, inputs: Tensor, batch_sizes: Sequence[int], state: DecoderState) -> Tensor:
        """Process whole sentences: from packed (sum of batch_sizes, W) inputs, the packed (the same, H) outputs."""


class PaperCell(RecurrentCell):
    """h_t = f(W_hx x_t + W_hh h_{t-1} + b_h + [t = 1] b_v), f = ReLU, h_0 = 0 (paper, section 3.2).

    The state is the term W_hh h_{t-1} of the next activation; before the first word, where h_0 is zero, it is b_v. So
    the image is added once, and all steps are alike.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.W_hx = nn.Linear(inputs, hidden)  # its bias is b_h
        self.W_hh = nn.Linear(hidden, hidden, bias=False)
        with torch.no_grad():
            # Half the identity: the ReLU network initially remembers the past and cannot explode.
            self.W_hh.weight.zero_().fill_diagonal_(0.5)

    def initial_state(self, image: Tensor) -> DecoderState:
        """W_hh h_0 + b_v, which is b_v."""
        return (image,)

    def step(self, inputs: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Process one word."""
        h = F.relu(self.W_hx(inputs) + state[0])
        return h, (self.W_hh(h),)

    def run(self, inputs: Tensor, batch_sizes: Sequence[int], state: DecoderState) -> Tensor:
        """Process whole sentences."""
        past = state[0]
        outputs = []
        for x in self.W_hx(inputs).split(list(batch_sizes)):
            h = F.relu(x + past[: len(x)])
            past = self.W_hh(h)
            outputs.append(h)
        return torch.cat(outputs)


class GatedCell(RecurrentCell):
    """A GRU or LSTM; the image is its first input, before START."""

    def __init__(self, kind: type[nn.GRU] | type[nn.LSTM], inputs: int, hidden: int) -> None:
        super().__init__()
        self.rnn = kind(inputs, hidden)
        self.image = nn.Linear(hidden, inputs)  # from the size of a hidden state to that of an input

    def initial_state(self, image: Tensor) -> DecoderState:
        """The state after the image as input, from a state of zeros."""
        zeros = image.new_zeros(len(image), self.rnn.hidden_size)
        _, state = self.step(self.image(image), (zeros, zeros) if isinstance(self.rnn, nn.LSTM) else (zeros,))
        return state

    def step(self, inputs: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Process one word."""
        outputs, after = self.rnn(inputs[None], self._join(state))
        return outputs[0], self._split(after)

    def run(self, inputs: Tensor, batch_sizes: Sequence[int], state: DecoderState) -> Tensor:
        """Process whole sentences."""
        packed = PackedSequence(inputs, torch.tensor(batch_sizes))
        outputs, _ = self.rnn(packed, self._join(state))
        result: Tensor = outputs.data
        return result

    @staticmethod
    def _join(state: DecoderState) -> Tensor | DecoderState:
        # torch takes (1, N, H), for a GRU as one tensor
        layered = tuple(part[None].contiguous() for part in state)
        return layered if len(layered) > 1 else layered[0]

    @staticmethod
    def _split(state: Tensor | DecoderState) -> DecoderState:
        return (state[0],) if isinstance(state, Tensor) else tuple(part[0] for part in state)


def build_cell(kind: Cell, inputs: int, hidden: int) -> RecurrentCell:
    """A new cell of the kind that the configuration names."""
    if kind == "rnn":
        return PaperCell(inputs, hidden)
    return GatedCell(nn.LSTM if kind == "lstm" else nn.GRU, inputs, hidden)
