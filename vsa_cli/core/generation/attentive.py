"""A generator that attends to the regions at every word.

    v_i = ReLU(W_v CNN(I_i)),  g = ReLU(W_g CNN(I_0))
    h_t = GRU(W_x x_t + W_i g, h_{t-1}),  h_0 = tanh(W_0 g)
    c_t = sum_i softmax_i(q(h_t) . k(v_i) / sqrt(C)) u(v_i),  for each of several heads of size C
    y_t = softmax(W_o (h_t + tanh(W_c [h_t, c_t])) + b_o)

The attention feeds the output and not the recurrence (as in Lu et al. 2017), so that all steps of all sentences attend
together, in a few large products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsa_cli.core.config import GeneratorConfig
from vsa_cli.core.generation.constraints import DecoderState, StepFunction
from vsa_cli.core.generation.model import Batch, SentenceModel, log_frequencies
from vsa_cli.core.learning.recurrent import gru_recurrence
from vsa_cli.core.regions.features import mean_and_scale


@dataclass(frozen=True)
class _EncodedImages:
    """K encoded images: (K, H) g, (K, heads, R, C) keys and contents of their regions, and a (K, 1, 1, R) mask.

    An image with fewer than R regions repeats its whole image. The mask is minus infinity at the repeats, so that the
    caption of an image does not depend on the other images of its batch.
    """

    whole: Tensor
    keys: Tensor
    contents: Tensor
    mask: Tensor


class AttentiveGenerator(SentenceModel):
    """A GRU with attention over regions."""

    def __init__(self, config: GeneratorConfig, descriptor_size: int, vocabulary_size: int) -> None:
        super().__init__(config)
        hidden = config.hidden_size
        if hidden % config.attention:
            raise ValueError(f"{hidden} hidden units are not a multiple of {config.attention} heads")
        self.words = nn.Embedding(vocabulary_size + 1, config.word_size)  # the last row is START's
        self.W_g = nn.Linear(descriptor_size, hidden)
        self.W_v = nn.Linear(descriptor_size, hidden)
        self.W_0 = nn.Linear(hidden, hidden)
        self.W_x = nn.Linear(config.word_size, 3 * hidden)
        self.W_i = nn.Linear(hidden, 3 * hidden, bias=False)
        self.W_h = nn.Parameter(torch.empty(1, hidden, 3 * hidden).uniform_(-(hidden**-0.5), hidden**-0.5))
        self.b_h = nn.Parameter(torch.zeros(1, 1, 3 * hidden))
        self.key, self.content, self.query = (nn.Linear(hidden, hidden) for _ in range(3))
        self.W_c = nn.Linear(2 * hidden, hidden)
        self.W_o = nn.Linear(hidden, vocabulary_size)
        self.dropout = nn.Dropout(config.dropout)
        self.image_dropout = nn.Dropout(config.image_dropout)
        self.shift: Tensor
        self.scale: Tensor
        self.register_buffer("shift", torch.zeros(descriptor_size))
        self.register_buffer("scale", torch.ones(descriptor_size))
        nn.init.normal_(self.words.weight, std=config.word_size**-0.5)

    @torch.no_grad()
    def initialise(self, counts: Sequence[int], descriptors: Tensor) -> None:
        """Start near the loss of a unigram model; standardise each descriptor dimension over training regions."""
        self.W_o.bias.copy_(log_frequencies(counts))
        mean, scale = mean_and_scale(descriptors)
        self.shift.copy_(mean)
        self.scale.copy_(scale)

    def start_decoding(self, descriptors: Tensor) -> tuple[StepFunction, DecoderState]:
        """The step function for (B, R, D) images, and the state before START: h and the image index of each row."""
        images = self._encode(descriptors)
        image_gates = self.W_i(images.whole)

        def step(words: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
            h, image = state
            gates = self.W_x(self.words(words)) + image_gates.index_select(0, image)
            h = gru_recurrence(gates[None], self.W_h, self.b_h, (len(words),), h[None])[0]
            return F.log_softmax(self._output(h, images, image), -1), (h, image)

        return step, (torch.tanh(self.W_0(images.whole)), torch.arange(len(descriptors), device=descriptors.device))

    def logits(self, batch: Batch) -> Tensor:
        """(N, V) unnormalised log-probabilities of the word at each step."""
        images = self._encode(batch.descriptors)
        image = torch.cat([batch.image[:rows] for rows in batch.batch_sizes])  # (N,)
        # unlike [image], index_select sums gradients in a fixed order
        image_gates = self.W_i(self.dropout(images.whole)).index_select(0, image)
        gates = self.W_x(self.dropout(self.words(batch.inputs))) + image_gates
        start = torch.tanh(self.W_0(images.whole)).index_select(0, batch.image)
        h = gru_recurrence(gates[None], self.W_h, self.b_h, batch.batch_sizes, start[None])[0]
        return self._output(h, images, image)

    def _encode(self, descriptors: Tensor) -> _EncodedImages:
        standard = (descriptors - self.shift) * self.scale
        standard = standard * self.image_dropout(torch.ones_like(standard[:, :1]))  # one mask per image
        whole, v = F.relu(self.W_g(standard[:, 0])), F.relu(self.W_v(standard))
        repeats = (descriptors == descriptors[:, :1]).all(-1)
        repeats[:, 0] = False
        mask = torch.zeros(repeats.shape, device=repeats.device).masked_fill(repeats, -torch.inf)[:, None, None]
        return _EncodedImages(whole, self._heads(self.key(v)), self._heads(self.content(v)), mask)

    def _heads(self, x: Tensor) -> Tensor:
        images, regions, hidden = x.shape
        return x.view(images, regions, self.config.attention, hidden // self.config.attention).transpose(1, 2)

    def _output(self, h: Tensor, images: _EncodedImages, image: Tensor) -> Tensor:
        """(N, V) logits of (N, H) states; `image` is the (N,) image index of each row."""
        query = self.query(h).view(len(h), self.config.attention, 1, -1)
        keys, contents, mask = (part.index_select(0, image) for part in (images.keys, images.contents, images.mask))
        affinity = (query @ keys.mT) / query.shape[-1] ** 0.5 + mask  # (N, heads, 1, R)
        attended = (torch.softmax(affinity, -1).to(query.dtype) @ contents).flatten(1)
        mixed = h + torch.tanh(self.W_c(self.dropout(torch.cat([h, attended], -1))))
        scores: Tensor = self.W_o(self.dropout(mixed))
        return scores
