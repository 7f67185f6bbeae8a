"""The caption generator: its interface, and the paper's multimodal RNN (paper, section 3.2).

    b_v = W_hi CNN(I)
    h_t = f(W_hx x_t + W_hh h_{t-1} + b_h + [t = 1] b_v)
    y_t = softmax(W_oh h_t + b_o)

Words are ids of a vocabulary: END is 0; START is V, an input only, so it is never generated. A model of several styles
has a START for each, V + 0, V + 1, and so on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsa_cli.core.config import GeneratorConfig
from vsa_cli.core.device import to_device
from vsa_cli.core.generation.cells import build_cell
from vsa_cli.core.generation.constraints import DecoderState, StepFunction
from vsa_cli.core.learning.shares import Rows, dropped

Layer = Callable[[Tensor], Tensor]
"""Maps (N, K) to (N, M)."""

Weights = tuple[Tensor, Tensor | None]
"""The weight, (M, K), and the bias, (M,), of a layer."""


@dataclass(frozen=True)
class BatchRows:
    """Which part of a batch of several processes this one has.

    Attributes:
        photographs: rows of `Batch.descriptors`.
        images: rows of `Batch.tags`.
        sentences: rows of `Batch.image`.
        words: rows of `Batch.inputs` and `Batch.targets`.
        idle: whether there are fewer sentences than processes, and this process's part must not be counted.
    """

    photographs: Rows
    images: Rows
    sentences: Rows
    words: Rows
    idle: bool

    def to(self, device: torch.device) -> BatchRows:
        """The same on a device."""
        photographs, images = self.photographs.to(device), self.images.to(device)
        return BatchRows(photographs, images, self.sentences.to(device), self.words.to(device), self.idle)


@dataclass(frozen=True)
class Batch:
    """B sentences of T_1 >= T_2 >= ... steps, packed by step, with N steps in all.

    Attributes:
        descriptors: (P, D) float32 descriptors of P whole images; for a model that uses regions (P, R, D), region 0
            the whole image.
        tags: (K, G) int64 tags of K >= P images, padded with M, the number of names; G may be 0. The images from P on
            are known by their tags alone: they have no photograph.
        image: (B,) int64 index of each sentence's image, below K.
        inputs: (N,) int64 ids: START, then the words.
        targets: (N,) int64 ids: the words, then END.
        batch_sizes: the number of sentences that have a first step, a second step, and so on.
        rows: which part of a batch of several processes this is; None if it is the whole batch.
    """

    descriptors: Tensor
    tags: Tensor
    image: Tensor
    inputs: Tensor
    targets: Tensor
    batch_sizes: tuple[int, ...]
    rows: BatchRows | None = None

    @property
    def sentences(self) -> int:
        """The number of sentences; of a part, those of the whole batch."""
        return self.batch_sizes[0] if self.rows is None else self.rows.sentences.count

    @property
    def words(self) -> int:
        """The number of targets; of a part, those of the whole batch."""
        return len(self.targets) if self.rows is None else self.rows.words.count

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        parts = (self.descriptors, self.tags, self.image, self.inputs, self.targets)
        descriptors, tags, image, inputs, targets = (to_device(part, device) for part in parts)
        rows = None if self.rows is None else self.rows.to(device)
        return Batch(descriptors, tags, image, inputs, targets, self.batch_sizes, rows)


def plain_layers(weights: Mapping[str, Weights]) -> dict[str, Layer]:
    """Layers with these weights and biases, by name, by PyTorch's ordinary product."""
    return {name: partial(F.linear, weight=weight, bias=bias) for name, (weight, bias) in weights.items()}


class SentenceModel(nn.Module, ABC):
    """The interface that training and search need from a generator."""

    words: nn.Embedding

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config

    @property
    def uses_regions(self) -> bool:
        """Whether it takes (B, R, D) descriptors of all regions rather than (B, D) of the whole image."""
        return self.config.attention > 0

    @property
    def device(self) -> torch.device:
        """The device of its weights."""
        return self.words.weight.device

    @abstractmethod
    def initialise(self, counts: Sequence[int], descriptors: Tensor) -> None:
        """Set initial weights such that training starts at the loss of a unigram model, for descriptors of any scale.

        Args:
            counts: (V,) how often each id is a target in training.
            descriptors: (S, D) descriptors of training images.
        """

    @abstractmethod
    def standardise(self, descriptors: Tensor) -> None:
        """Adjust the model to the scale of (S, D) descriptors of training images."""

    @property
    @abstractmethod
    def step_weights(self) -> dict[str, Weights]:
        """The weights of the layers of a step of a search, by name."""

    @abstractmethod
    def start_decoding(
        self, descriptors: Tensor, tags: Tensor, layers: Mapping[str, Layer] | None = None
    ) -> tuple[StepFunction, DecoderState]:
        """The step function of a search, and the state before START.

        Args:
            descriptors: (B, D) or (B, R, D) float32 descriptors of images.
            tags: (B, G) int64 tags of the images, padded with M; a model without tags ignores them.
            layers: compute what the layers of `step_weights` do, by name, such as `onednn.packed`; None prepares none.
        """

    @abstractmethod
    def logits(self, batch: Batch) -> Tensor:
        """(N, V) unnormalised log-probabilities of the word at each step, given the previous words and the image."""

    def forward(self, batch: Batch) -> Tensor:
        """(N,) log-probability of each target given the previous words and the image, in nats."""
        return -F.cross_entropy(self.logits(batch), batch.targets, reduction="none")


def no_tags(images: int) -> Tensor:
    """(K, 0) int64: the tags of images for a model without tags."""
    return torch.zeros(images, 0, dtype=torch.int64)


def log_frequencies(counts: Sequence[int]) -> Tensor:
    """(V,) log of each id's share of the targets; an id that is never a target counts as half an occurrence."""
    frequencies = torch.tensor(counts, dtype=torch.float64).clamp(min=0.5)
    return torch.log(frequencies / frequencies.sum())


class Generator(SentenceModel):
    """The multimodal RNN, which sees the whole image once."""

    def __init__(self, config: GeneratorConfig, descriptor_size: int, vocabulary_size: int) -> None:
        super().__init__(config)
        if config.tags:
            raise ValueError("only a model with attention takes tags")
        self.scale: Tensor
        self.W_hi = nn.Linear(descriptor_size, config.hidden_size)
        # the last rows are START's, one for each style
        self.words = nn.Embedding(vocabulary_size + max(1, len(config.styles)), config.word_size)
        self.cell = build_cell(config.cell, config.word_size, config.hidden_size)
        self.W_oh = nn.Linear(config.hidden_size, vocabulary_size)  # its bias is b_o
        self.dropout = nn.Dropout(config.dropout)
        self.register_buffer("scale", torch.ones(()))
        nn.init.normal_(self.words.weight, std=config.word_size**-0.5)

    def initialise(self, counts: Sequence[int], descriptors: Tensor) -> None:
        """Start at the loss of a unigram model."""
        with torch.no_grad():
            self.W_oh.bias.copy_(log_frequencies(counts))
            self.W_oh.weight.mul_(0.1)
        self.standardise(descriptors)

    def standardise(self, descriptors: Tensor) -> None:
        """Divide descriptors by their root mean square over training images.

        W_hi could absorb this number, but with the number kept apart, one learning rate suits every CNN.
        """
        # In double precision the sum is bit-identical for any number of threads.
        self.scale.copy_(descriptors.double().square().mean().clamp(min=1e-12).rsqrt())

    def initial_state(self, descriptors: Tensor, rows: Rows | None = None) -> DecoderState:
        """The state before START, from (B, D) descriptors; `rows` are those of the images in a whole batch."""
        return self.cell.initial_state(self.W_hi(dropped(self.dropout, descriptors * self.scale, rows)))

    @property
    def step_weights(self) -> dict[str, Weights]:
        """Those of W_oh, most of the work of a step."""
        return {"W_oh": (self.W_oh.weight, self.W_oh.bias)}

    def start_decoding(
        self, descriptors: Tensor, tags: Tensor, layers: Mapping[str, Layer] | None = None
    ) -> tuple[StepFunction, DecoderState]:
        """The step function, and the state before START; `tags` are ignored."""
        return partial(self.step, output=(layers or {}).get("W_oh")), self.initial_state(descriptors)

    def step(self, words: Tensor, state: DecoderState, output: Layer | None = None) -> tuple[Tensor, DecoderState]:
        """One step of a search.

        Args:
            words: (N,) int64 id of the last word of each sentence; V is START.
            state: the state before these words, of N rows.
            output: computes what W_oh does; None uses W_oh.

        Returns:
            (N, V) log-probabilities of the next word, in nats, and the state after `words`.
        """
        h, after = self.cell.step(self.words(words), state)
        return F.log_softmax((output or self.W_oh)(h), -1), after

    def logits(self, batch: Batch) -> Tensor:
        """(N, V) unnormalised log-probabilities of the word at each step."""
        images, words = (None, None) if batch.rows is None else (batch.rows.photographs, batch.rows.words)
        x = dropped(self.dropout, self.words(batch.inputs), words)
        of_images = self.initial_state(batch.descriptors, images)
        state = tuple(part.index_select(0, batch.image) for part in of_images)
        h = dropped(self.dropout, self.cell.run(x, batch.batch_sizes, state), words)
        scores: Tensor = self.W_oh(h)
        return scores
