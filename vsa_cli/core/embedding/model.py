"""Regions and words in one space (paper, sections 3.1.1 and 3.1.2).

    v_i   = W_m CNN(I_i) + b_m
    x_t   = W_w 1_t
    e_t   = f(W_e x_t + b_e)
    h_t^f = f(e_t + W_f h_{t-1}^f + b_f)
    h_t^b = f(e_t + W_b h_{t+1}^b + b_b)
    s_t   = f(W_d (h_t^f + h_t^b) + b_d),  f = ReLU

Knows no text, no files and no loss. Words are ids of a vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from vsa_cli.core.config import EmbedConfig
from vsa_cli.core.embedding.sentences import Packed


@dataclass(frozen=True)
class Encoded:
    """What a sentence encoder gives.

    Attributes:
        words: (N, H), s_t of every word.
        context: (N, hidden), h_t^f + h_t^b, from which a sentence as such is read.
        magnitude: (N,), the length of s_t before any normalisation: a word's visual importance.
    """

    words: Tensor
    context: Tensor
    magnitude: Tensor


class Brnn(nn.Module):
    """The paper's bidirectional network. No input matrix stands in the recurrences: e_t enters as it is."""

    def __init__(self, config: EmbedConfig) -> None:
        super().__init__()
        hidden = config.hidden_size
        self.W_e = nn.Linear(config.word_size, hidden)
        self.W_f = nn.Linear(hidden, hidden)  # its bias is b_f
        self.W_b = nn.Linear(hidden, hidden)
        self.W_d = nn.Linear(hidden, config.size)
        self.dropout = nn.Dropout(config.dropout)
        with torch.no_grad():
            for recurrent in (self.W_f, self.W_b):
                recurrent.weight.copy_(torch.eye(hidden) * 0.5)  # remembers, and cannot explode
                recurrent.bias.zero_()

    def forward(self, x: Tensor, packed: Packed) -> Encoded:
        """(N, W) word vectors to vectors of words in their sentences."""
        e = self.dropout(F.relu(self.W_e(x)))
        forward = recur(e, self.W_f, packed.batch_sizes)
        backward = recur(e[packed.mirror], self.W_b, packed.batch_sizes)[packed.mirror]
        context = forward + backward
        return _encoded(F.relu(self.W_d(self.dropout(context))), context)


def recur(e: Tensor, weights: nn.Linear, batch_sizes: Sequence[int]) -> Tensor:
    """h_t = f(e_t + W h_{t-1} + b) over packed sentences, h_0 = 0: (N, hidden) to (N, hidden)."""
    h = e.new_zeros(batch_sizes[0], e.shape[1])
    outputs = []
    for step in torch.split(e, list(batch_sizes)):
        h = F.relu(step + weights(h[: len(step)]))
        outputs.append(h)
    return torch.cat(outputs)


class GatedEncoder(nn.Module):
    """A bidirectional GRU beside a path that keeps each word's own meaning.

    s_t = W_d (h_t^f + h_t^b) + W_o x_t + b_d: the recurrence alone smears one meaning over the sentence; a word
    that also speaks for itself finds its place.
    """

    def __init__(self, config: EmbedConfig) -> None:
        super().__init__()
        self.rnn = nn.GRU(config.word_size, config.hidden_size, bidirectional=True)
        self.W_d = nn.Linear(config.hidden_size, config.size)
        self.W_o = nn.Linear(config.word_size, config.size, bias=False)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, packed: Packed) -> Encoded:
        """(N, W) word vectors to vectors of words in their sentences."""
        outputs, _ = self.rnn(PackedSequence(x, torch.tensor(packed.batch_sizes)))
        forward, backward = outputs.data.chunk(2, dim=-1)
        context = forward + backward
        return _encoded(self.W_d(self.dropout(context)) + self.W_o(x), context)


def _encoded(s: Tensor, context: Tensor) -> Encoded:
    return Encoded(s, context, s.detach().norm(dim=-1))


class Embedding(nn.Module):
    """Both encoders."""

    def __init__(self, config: EmbedConfig, descriptor_size: int, vocabulary_size: int) -> None:
        super().__init__()
        self.config = config
        self.W_m = nn.Linear(descriptor_size, config.size)
        self.W_w = nn.Embedding(vocabulary_size, config.word_size)
        self.encoder: nn.Module = Brnn(config) if config.encoder == "brnn" else GatedEncoder(config)
        self.dropout = nn.Dropout(config.dropout)
        self.scale: Tensor
        self.register_buffer("scale", torch.ones(()))
        nn.init.normal_(self.W_w.weight, std=config.word_size**-0.5)
        if config.whole_weight > 0:
            self.W_g = nn.Linear(descriptor_size, config.size)
            self.W_q = nn.Linear(config.hidden_size, config.size)

    @torch.no_grad()
    def start_from_data(self, descriptors: Tensor, packed: Packed) -> None:
        """Scale descriptors and first weights so that vectors start at length one, and scores near the margin.

        At a naive initialisation raw scores start in the hundreds and the hinges do not train. Descriptors are
        divided by their root mean square over the training regions (one number, kept with the model); W_m and W_d
        are divided by the root mean square length that their vectors have then.

        Args:
            descriptors: (S, D) of training regions.
            packed: training sentences.
        """
        self.eval()
        self.scale.copy_(descriptors.square().mean().clamp(min=1e-12).rsqrt())
        v = self.W_m(descriptors * self.scale)
        s = self.encode_words(packed).words
        for layer, vectors in ((self.W_m, v), (self.encoder.W_d, s)):
            assert isinstance(layer, nn.Linear)
            length = vectors.square().sum(-1).mean().sqrt().clamp(min=1e-6)
            layer.weight.div_(length)
            layer.bias.div_(length)

    def encode_regions(self, descriptors: Tensor) -> Tensor:
        """(..., D) descriptors to (..., H): v_i of each region."""
        return self._comparable(self.W_m(self.dropout(descriptors * self.scale)))

    def encode_words(self, packed: Packed) -> Encoded:
        """s_t of every word; of length one where the model compares by cosine."""
        x = self.W_w(packed.words)
        if self.training and self.config.word_dropout > 0:
            x = x * (torch.rand(len(x), 1, device=x.device) >= self.config.word_dropout)
        encoded: Encoded = self.encoder(self.dropout(x), packed)
        return replace(encoded, words=self._comparable(encoded.words))

    def encode_whole_images(self, descriptors: Tensor) -> Tensor:
        """(K, D) descriptors of whole images to (K, H) of length one, for the score of sentences as such."""
        return F.normalize(self.W_g(self.dropout(descriptors * self.scale)), dim=-1)

    def encode_sentences(self, context: Tensor, packed: Packed) -> Tensor:
        """(N, hidden) contexts to (L, H) of length one: the mean over each sentence's words, mapped."""
        total = context.new_zeros(packed.count, context.shape[1]).index_add(0, packed.sentence, context)
        mean = total / torch.bincount(packed.sentence, minlength=packed.count)[:, None]
        return F.normalize(self.W_q(self.dropout(mean)), dim=-1)

    def _comparable(self, vectors: Tensor) -> Tensor:
        return F.normalize(vectors, dim=-1) if self.config.similarity == "cosine" else vectors
