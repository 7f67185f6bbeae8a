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

from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsa_cli.core.config import EmbedConfig
from vsa_cli.core.embedding.batches import Packed
from vsa_cli.core.io.envelope import EMBEDDING
from vsa_cli.core.learning.model_dir import Trained, read_trained
from vsa_cli.core.learning.recurrent import gru_recurrence, relu_recurrence
from vsa_cli.core.regions.features import mean_and_scale

_FLAT = 1e-6  # a number that varies less says nothing
# Lengths, root mean square, with which raw products begin to be trained: of x_t, of e_t and s_t before their ReLUs
# would halve them, and of v_i.
_VECTOR_LENGTH, _ENTRY_LENGTH, _WORD_LENGTH, _REGION_LENGTH = 0.1, 2.0, 2.0, 1.4


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
        # W_f and W_b, of the two directions; half the identity remembers, and cannot explode
        half = torch.zeros(hidden, hidden).fill_diagonal_(0.5)
        self.W_fb = nn.Parameter(half.expand(2, -1, -1).clone())
        self.b_fb = nn.Parameter(torch.zeros(2, 1, hidden))
        self.W_d = nn.Linear(hidden, config.size)
        self.dropout = nn.Dropout(config.dropout)

    def start(self, W_w: nn.Embedding, packed: Packed) -> None:
        """Make word vectors short and W_e large, such that e_t starts at one length (see `start_from_data`)."""
        W_w.weight.mul_(_VECTOR_LENGTH / W_w.weight.square().sum(1).mean().sqrt().clamp(min=_FLAT))
        _level(self.W_e, W_w(packed.words), _ENTRY_LENGTH)

    def forward(self, x: Tensor, packed: Packed) -> Encoded:
        """(N, W) word vectors to vectors of words in their sentences."""
        e = self.dropout(F.relu(self.W_e(x)))
        h = relu_recurrence(torch.stack([e, e[packed.mirror]]), self.W_fb, self.b_fb, packed.batch_sizes)
        context = h[0] + h[1, packed.mirror]
        return _encoded(F.relu(self.W_d(self.dropout(context))), context)


class GatedEncoder(nn.Module):
    """A bidirectional GRU beside a path that keeps each word's own meaning.

    s_t = W_d (h_t^f + h_t^b) + W_o x_t + b_d: the recurrence alone smears one meaning over the sentence; a word
    that also speaks for itself finds its place.
    """

    def __init__(self, config: EmbedConfig) -> None:
        super().__init__()
        hidden = config.hidden_size
        self.W_x = nn.Linear(config.word_size, 6 * hidden)  # the gates of both directions
        self.W_h = nn.Parameter(torch.empty(2, hidden, 3 * hidden).uniform_(-(hidden**-0.5), hidden**-0.5))
        self.b_h = nn.Parameter(torch.zeros(2, 1, 3 * hidden))
        self.W_d = nn.Linear(hidden, config.size)
        self.W_o = nn.Linear(config.word_size, config.size, bias=False)
        self.dropout = nn.Dropout(config.dropout)

    def start(self, W_w: nn.Embedding, packed: Packed) -> None:
        """Leave all as it was drawn: gates bound what they pass on."""

    def forward(self, x: Tensor, packed: Packed) -> Encoded:
        """(N, W) word vectors to vectors of words in their sentences."""
        forward, backward = self.W_x(x).chunk(2, dim=-1)
        gates = torch.stack([forward, backward[packed.mirror]])
        h = gru_recurrence(gates, self.W_h, self.b_h, packed.batch_sizes)
        context = h[0] + h[1, packed.mirror]
        return _encoded(self.W_d(self.dropout(context)) + self.W_o(x), context)


def _level(layer: Tensor | nn.Module, inputs: Tensor, length: float) -> None:
    """Give each output of a layer mean 0 and one spread over (N, ·) inputs, and vectors a root mean square length."""
    assert isinstance(layer, nn.Linear)
    outputs = inputs @ layer.weight.T
    spread = outputs.std(0).clamp(min=_FLAT)
    layer.weight.mul_((length / len(spread) ** 0.5 / spread)[:, None])
    layer.bias.copy_(-outputs.mean(0) * length / len(spread) ** 0.5 / spread)


def _encoded(s: Tensor, context: Tensor) -> Encoded:
    return Encoded(s, context, s.detach().norm(dim=-1))


class Embedding(nn.Module):
    """Both encoders."""

    def __init__(self, config: EmbedConfig, descriptor_size: int, vocabulary_size: int) -> None:
        super().__init__()
        self.config = config
        self.W_m = nn.Linear(descriptor_size, config.size)
        self.W_w = nn.Embedding(vocabulary_size, config.word_size)
        self.encoder: Brnn | GatedEncoder = Brnn(config) if config.encoder == "brnn" else GatedEncoder(config)
        self.dropout = nn.Dropout(config.dropout)
        self.scale: Tensor
        self.shift: Tensor
        self.register_buffer("scale", torch.ones(descriptor_size))
        self.register_buffer("shift", torch.zeros(descriptor_size))
        nn.init.normal_(self.W_w.weight, std=config.word_size**-0.5)
        if config.whole_weight > 0:
            self.W_g = nn.Linear(descriptor_size, config.size)
            self.W_q = nn.Linear(config.hidden_size, config.size)

    @torch.no_grad()
    def start_from_data(self, descriptors: Tensor, packed: Packed) -> None:
        """Scale descriptors and first weights so that raw scores start near the margin, and training can begin.

        At a naive initialisation raw scores start in the hundreds, the first steps push all s_t towards zero, and
        the ReLUs that fall silent there never speak again. So descriptors are standardised by the mean and the
        spread of each number over training regions (kept with the model; W_m and b_m could hold both). Where raw
        products are compared, they are brought to length 1 as well, and every row of W_e, W_d and W_m is scaled, and
        its bias set, such that each number of e_t and s_t before their ReLUs, and of v_i, starts with mean 0 and one
        spread. All units then speak, and none dominates.

        How the lengths are shared out between the layers decides how fast each learns. SGD has one rate for all,
        and a gradient clipped element by element moves each weight about as far, large or small: a layer learns as
        fast as its weights are small. Left as usually drawn, W_e and W_f, whose gradients sum over all words, are
        thrown about while W_w, of which a batch sees a few rows, stands still. So the vectors x_t are made short and
        W_e large: the same function, of which an epoch learns more than one of Adam does from the usual start.

        Args:
            descriptors: (S, D) of training regions.
            packed: training sentences.
        """
        self.eval()
        mean, scale = mean_and_scale(descriptors)
        self.shift.copy_(mean)
        self.scale.copy_(scale)
        if self.config.similarity == "dot":
            self.scale.div_(len(scale) ** 0.5)
            _level(self.W_m, (descriptors - self.shift) * self.scale, _REGION_LENGTH)
            self.encoder.start(self.W_w, packed)
            context = self.encode_words(packed).context
            _level(self.encoder.W_d, context, _WORD_LENGTH * 2**0.5)  # half of it falls to the ReLU

    def encode_regions(self, descriptors: Tensor) -> Tensor:
        """(..., D) descriptors to (..., H): v_i of each region."""
        return self._comparable(self.W_m(self._standard(descriptors)))

    def encode_words(self, packed: Packed) -> Encoded:
        """s_t of every word; of length one where the model compares by cosine."""
        x = self.W_w(packed.words)
        if self.training and self.config.word_dropout > 0:
            x = x * (torch.rand(len(x), 1, device=x.device) >= self.config.word_dropout)
        encoded: Encoded = self.encoder(self.dropout(x), packed)
        return replace(encoded, words=self._comparable(encoded.words))

    def encode_whole_images(self, descriptors: Tensor) -> Tensor:
        """(K, D) descriptors of whole images to (K, H) of length one, for the score of sentences as such."""
        return F.normalize(self.W_g(self._standard(descriptors[:, None])[:, 0]), dim=-1)

    def encode_sentences(self, context: Tensor, packed: Packed) -> Tensor:
        """(N, hidden) contexts to (L, H) of length one: the mean over each sentence's words, mapped."""
        total = context.new_zeros(packed.count, context.shape[1]).index_add(0, packed.sentence, context)
        mean = total / torch.bincount(packed.sentence, minlength=packed.count)[:, None]
        return F.normalize(self.W_q(self.dropout(mean)), dim=-1)

    def _standard(self, descriptors: Tensor) -> Tensor:
        """Standardised descriptors under dropout; an image's regions lose the same numbers: one mask is cheaper."""
        factor: Tensor = self.dropout(self.scale.expand_as(descriptors[..., :1, :]))
        return torch.addcmul(-self.shift * factor, descriptors, factor)

    def _comparable(self, vectors: Tensor) -> Tensor:
        return F.normalize(vectors, dim=-1) if self.config.similarity == "cosine" else vectors


def read_embedding(folder: Path, device: torch.device) -> Trained[Embedding]:
    """Read `embed/`. Raises what `read_trained` does."""
    return read_trained(folder, device, EMBEDDING, EmbedConfig, Embedding)
