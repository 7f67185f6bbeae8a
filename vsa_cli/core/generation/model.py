"""The sentence generator: an image's descriptor in, word after word out (paper, section 3.2).

    b_v = W_hi CNN(I)
    h_t = f(W_hx x_t + W_hh h_{t-1} + b_h + [t = 1] b_v)
    y_t = softmax(W_oh h_t + b_o)

Words are ids of a vocabulary: END is 0, START (an input only, hence never emitted) is V. Knows no text, no
files and no search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsa_cli.core.config import GeneratorConfig
from vsa_cli.core.generation.cells import State, build_cell


@dataclass(frozen=True)
class Batch:
    """B sentences of T_1 >= T_2 >= ... steps, packed step by step, N steps in all.

    Attributes:
        descriptors: (B, D) float32, the image of each sentence.
        inputs: (N,) int64: START, then the words.
        targets: (N,) int64: the words, then END.
        batch_sizes: how many sentences have a first step, a second, ...
    """

    descriptors: Tensor
    inputs: Tensor
    targets: Tensor
    batch_sizes: tuple[int, ...]

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        descriptors, inputs, targets = (part.to(device) for part in (self.descriptors, self.inputs, self.targets))
        return Batch(descriptors, inputs, targets, self.batch_sizes)


class Generator(nn.Module):
    """The multimodal RNN."""

    def __init__(self, config: GeneratorConfig, descriptor_size: int, vocabulary_size: int) -> None:
        super().__init__()
        self.config = config
        self.scale: Tensor
        self.W_hi = nn.Linear(descriptor_size, config.hidden_size)
        self.words = nn.Embedding(vocabulary_size + 1, config.word_size)  # the last row is START's
        self.cell = build_cell(config.cell, config.word_size, config.hidden_size)
        self.W_oh = nn.Linear(config.hidden_size, vocabulary_size)  # its bias is b_o
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("scale", torch.ones(()))
        nn.init.normal_(self.words.weight, std=config.word_size**-0.5)

    def start_from_data(self, counts: Sequence[int], descriptors: Tensor) -> None:
        """Start training at the unigram model's loss, with inputs of one size whatever the CNN.

        b_o becomes the log frequency of each word. Descriptors are divided by their root mean square over the
        training images: one number, which W_hi could hold as well, but which lets one learning rate suit all.

        Args:
            counts: (V,) how often each id is a target in training.
            descriptors: (N, D) of the training images.
        """
        frequencies = torch.tensor(counts, dtype=torch.float64).clamp(min=0.5)
        with torch.no_grad():
            self.W_oh.bias.copy_(torch.log(frequencies / frequencies.sum()))
            self.W_oh.weight.mul_(0.1)
            self.scale.copy_(descriptors.square().mean().clamp(min=1e-12).rsqrt())

    def start(self, descriptors: Tensor) -> State:
        """(B, D) descriptors to the state before START."""
        return self.cell.start(self.W_hi(self.dropout(descriptors * self.scale)))

    def step(self, words: Tensor, state: State) -> tuple[Tensor, State]:
        """One step of a search.

        Args:
            words: (N,) int64, the last word of each sentence; V is START.
            state: of N rows.

        Returns:
            (N, V) log-probabilities of the next word, in nats, and the state after `words`.
        """
        h, after = self.cell.step(self.words(words), state)
        return F.log_softmax(self.W_oh(h), -1), after

    def forward(self, batch: Batch) -> Tensor:
        """(N,) log-probability of each target given the words before it and the image, in nats."""
        x = self.dropout(self.words(batch.inputs))
        h = self.dropout(self.cell.run(x, batch.batch_sizes, self.start(batch.descriptors)))
        return -F.cross_entropy(self.W_oh(h), batch.targets, reduction="none")
