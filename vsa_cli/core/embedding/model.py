"""The alignment model: regions and words as vectors in one space (paper, sections 3.1.1 and 3.1.2).

    v_i   = W_m CNN(I_i) + b_m
    x_t   = W_w 1_t
    e_t   = f(W_e x_t + b_e)
    h_t^f = f(e_t + W_f h_{t-1}^f + b_f)
    h_t^b = f(e_t + W_b h_{t+1}^b + b_b)
    s_t   = f(W_d (h_t^f + h_t^b) + b_d),  f = ReLU

Words are ids of a vocabulary. The scores and losses are in `score`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsa_cli.core.config import EmbedConfig
from vsa_cli.core.embedding.batches import Packed
from vsa_cli.core.embedding.hubness import BANK, Bank, read_bank
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.io.envelope import EMBEDDING
from vsa_cli.core.labels.labeller import TrainedLabeller, read_labeller
from vsa_cli.core.learning.model_dir import Trained, read_trained
from vsa_cli.core.learning.recurrent import gru_recurrence, relu_recurrence
from vsa_cli.core.learning.shares import Rows, dropped
from vsa_cli.core.regions.efficientnet_lite import LiteTail
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.features import mean_and_scale

_FLAT = 1e-6  # a smaller spread is treated as this
# Initial root mean square lengths for training on raw inner products: of x_t, of e_t and s_t (before their ReLUs
# halve them), and of v_i.
_VECTOR_LENGTH, _ENTRY_LENGTH, _WORD_LENGTH, _REGION_LENGTH = 0.1, 2.0, 2.0, 1.4


@dataclass(frozen=True)
class Encoded:
    """The output of a sentence encoder.

    Attributes:
        words: (N, H) s_t of every word.
        context: (N, hidden) h_t^f + h_t^b, from which whole sentences are encoded.
        magnitude: (N,) length of s_t before any normalisation: a word's visual importance.
    """

    words: Tensor
    context: Tensor
    magnitude: Tensor


class Brnn(nn.Module):
    """The paper's bidirectional recurrent network. The recurrences have no input matrix: e_t is added as it is."""

    def __init__(self, config: EmbedConfig) -> None:
        super().__init__()
        hidden = config.hidden_size
        self.W_e = nn.Linear(config.word_size, hidden)
        # W_f and W_b; half the identity remembers the past and cannot explode
        half = torch.zeros(hidden, hidden).fill_diagonal_(0.5)
        self.W_fb = nn.Parameter(half.expand(2, -1, -1).clone())
        self.b_fb = nn.Parameter(torch.zeros(2, 1, hidden))
        self.W_d = nn.Linear(hidden, config.size)
        self.dropout = nn.Dropout(config.dropout)

    def initialise(self, W_w: nn.Embedding, packed: Packed) -> None:
        """Shorten the word vectors and enlarge W_e (reason in `Embedding.initialise`)."""
        W_w.weight.mul_(_VECTOR_LENGTH / W_w.weight.square().sum(1).mean().sqrt().clamp(min=_FLAT))
        _standardise(self.W_e, W_w(packed.words), _ENTRY_LENGTH)

    def forward(self, x: Tensor, packed: Packed) -> Encoded:
        """Encode (N, W) word vectors x_t in the context of their sentences."""
        e = dropped(self.dropout, F.relu(self.W_e(x)), packed.word_rows)
        h = relu_recurrence(torch.stack([e, e[packed.mirror]]), self.W_fb, self.b_fb, packed.batch_sizes)
        context = h[0] + h[1, packed.mirror]
        return _encoded(F.relu(self.W_d(dropped(self.dropout, context, packed.word_rows))), context)


class GatedEncoder(nn.Module):
    """A bidirectional GRU with a skip connection that preserves each word's own vector.

    s_t = W_d (h_t^f + h_t^b) + W_o x_t + b_d. The recurrence alone mixes the vectors of all words of a sentence; with
    the skip connection W_o x_t, each word can still match its own region.
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

    def initialise(self, W_w: nn.Embedding, packed: Packed) -> None:
        """Keep the usual initial weights: the gates bound the activations."""

    def forward(self, x: Tensor, packed: Packed) -> Encoded:
        """Encode (N, W) word vectors x_t in the context of their sentences."""
        forward, backward = self.W_x(x).chunk(2, dim=-1)
        gates = torch.stack([forward, backward[packed.mirror]])
        h = gru_recurrence(gates, self.W_h, self.b_h, packed.batch_sizes)
        context = h[0] + h[1, packed.mirror]
        return _encoded(self.W_d(dropped(self.dropout, context, packed.word_rows)) + self.W_o(x), context)


def _standardise(layer: Tensor | nn.Module, inputs: Tensor, length: float) -> None:
    """Scale a layer so that its outputs for (N, ·) inputs have mean 0, equal spread and root mean square `length`."""
    assert isinstance(layer, nn.Linear)
    outputs = inputs @ layer.weight.T
    spread = outputs.std(0).clamp(min=_FLAT)
    layer.weight.mul_((length / len(spread) ** 0.5 / spread)[:, None])
    layer.bias.copy_(-outputs.mean(0) * length / len(spread) ** 0.5 / spread)


def _encoded(s: Tensor, context: Tensor) -> Encoded:
    return Encoded(s, context, s.detach().norm(dim=-1))


class Embedding(nn.Module):
    """The encoders of regions and of sentences."""

    def __init__(self, config: EmbedConfig, descriptor_size: int, vocabulary_size: int) -> None:
        super().__init__()
        self.config = config
        self.W_m = nn.Linear(descriptor_size, config.size)
        self.W_w = nn.Embedding(vocabulary_size, config.word_size)
        self.encoder: Brnn | GatedEncoder = Brnn(config) if config.encoder == "brnn" else GatedEncoder(config)
        self.dropout = nn.Dropout(config.dropout)
        self.scale: Tensor
        self.shift: Tensor
        self.cnn: LiteTail | None
        self.register_module("cnn", None)  # while the tail of the CNN learns with the model
        self.bank: Bank | None = None  # of a trained model
        self.register_buffer("scale", torch.ones(descriptor_size))
        self.register_buffer("shift", torch.zeros(descriptor_size))
        nn.init.normal_(self.W_w.weight, std=config.word_size**-0.5)
        if config.whole_weight > 0:
            self.W_g = nn.Linear(descriptor_size, config.size)
            self.W_q = nn.Linear(config.hidden_size, config.size)

    @torch.no_grad()
    def initialise(self, descriptors: Tensor, packed: Packed) -> None:
        """Scale descriptors and initial weights by training data, so that raw scores start near the margin.

        With a naive initialisation raw scores start in the hundreds, the first steps push all s_t towards zero, and
        ReLUs that become inactive there never recover. So each dimension of the descriptors is standardised over
        training regions (shift and scale are stored with the model; W_m and b_m could hold both). For raw inner
        products, descriptors are also scaled to length 1, and each row of W_e, W_d and W_m and its bias are set such
        that every dimension of e_t and s_t (before their ReLUs) and of v_i starts with mean 0 and equal spread: all
        units are active, and none dominates.

        The lengths of the layers' inputs decide how fast each layer learns. SGD has one learning rate for all, and a
        gradient that is clipped elementwise moves each weight about equally far, so a layer learns faster the smaller
        its weights are. With the usual initial weights, W_e and W_f, whose gradients sum over all words, change much
        while W_w, of which a batch uses a few rows, hardly changes. So the vectors x_t start short and W_e large: the
        same function, but an epoch of SGD then learns more than one of Adam from the usual start.

        Args:
            descriptors: (S, D) descriptors of training regions.
            packed: training sentences.
        """
        self.eval()
        mean, scale = mean_and_scale(descriptors)
        self.shift.copy_(mean)
        self.scale.copy_(scale)
        if self.config.similarity == "dot":
            self.scale.div_(len(scale) ** 0.5)
            _standardise(self.W_m, (descriptors - self.shift) * self.scale, _REGION_LENGTH)
            self.encoder.initialise(self.W_w, packed)
            context = self.encode_words(packed).context
            _standardise(self.encoder.W_d, context, _WORD_LENGTH * 2**0.5)  # the ReLU removes half

    def encode_regions(self, descriptors: Tensor, rows: Rows | None = None) -> Tensor:
        """Encode (..., D) descriptors as (..., H) vectors v_i, of length 1 if the model compares by cosine.

        Args:
            descriptors: the descriptors; (K, R, D) if `rows` are given.
            rows: which images of a batch of several processes these are; None if they are all.
        """
        return self._normalised(self.W_m(self._standard(descriptors, rows)))

    def encode_words(self, packed: Packed) -> Encoded:
        """Encode every word as s_t, of length 1 if the model compares by cosine."""
        x = self.W_w(packed.words)
        if self.training and self.config.word_dropout > 0:
            rows = packed.word_rows
            drawn = torch.rand(len(x) if rows is None else rows.count, 1, device=x.device)
            x = x * ((drawn if rows is None else rows.take(drawn)) >= self.config.word_dropout)
        encoded: Encoded = self.encoder(dropped(self.dropout, x, packed.word_rows), packed)
        return replace(encoded, words=self._normalised(encoded.words))

    def encode_whole_images(self, descriptors: Tensor, rows: Rows | None = None) -> Tensor:
        """Encode (K, D) descriptors of whole images as (K, H) vectors of length 1, to compare with whole sentences."""
        return F.normalize(self.W_g(self._standard(descriptors[:, None], rows)[:, 0]), dim=-1)

    def encode_sentences(self, context: Tensor, packed: Packed) -> Tensor:
        """Encode whole sentences as (L, H) vectors of length 1, from the mean (N, hidden) context of their words."""
        total = context.new_zeros(packed.count, context.shape[1]).index_add(0, packed.sentence, context)
        mean = total / torch.bincount(packed.sentence, minlength=packed.count)[:, None]
        return F.normalize(self.W_q(dropped(self.dropout, mean, packed.sentence_rows)), dim=-1)

    def _standard(self, descriptors: Tensor, rows: Rows | None = None) -> Tensor:
        """Standardised descriptors with dropout. The regions of an image share one mask, which is cheaper."""
        factor = dropped(self.dropout, self.scale.expand_as(descriptors[..., :1, :]), rows)
        return torch.addcmul(-self.shift * factor, descriptors, factor)

    def _normalised(self, vectors: Tensor) -> Tensor:
        return F.normalize(vectors, dim=-1) if self.config.similarity == "cosine" else vectors


LABELS = "labels"
"""The folder, in that of an alignment model, of a labeller that names what its regions show."""


@dataclass(frozen=True)
class TrainedEmbedding(Trained[Embedding]):
    """A trained alignment model.

    Attributes:
        labeller: names what regions show, for grounding words; None without one.
    """

    labeller: TrainedLabeller | None = None


def read_embedding(folder: Path, device: torch.device) -> TrainedEmbedding:
    """Read a trained alignment model from its directory, `embed/`, with its labeller and its bank, if it has them.

    Raises:
        DataError: the folder is not a model directory.
        ArtifactError: it is damaged, of another format, or inconsistent.
    """
    trained = read_trained(folder, device, EMBEDDING, EmbedConfig, Embedding)
    labeller = read_labeller(folder / LABELS, device) if (folder / LABELS).exists() else None
    if labeller is not None:
        check_labeller(labeller, trained.feature_spec, folder / LABELS)
    if (folder / BANK).exists():
        bank, sha256 = read_bank(folder / BANK, trained.model.config, trained.sha256, device)
        trained.model.bank, trained = bank, replace(trained, sha256=sha256)  # its scores are others
    return TrainedEmbedding(**vars(trained), labeller=labeller)


def check_labeller(labeller: TrainedLabeller, spec: FeatureSpec, where: Path) -> None:
    """Check that a labeller is for the descriptors of an alignment model.

    Raises:
        ArtifactError: it is for others.
    """
    if not spec.same_descriptors(labeller.feature_spec):
        raise ArtifactError(
            f"{where}: the labeller was not trained on descriptors by the model's CNN; `cnn_of` of `vsa "
            "extract-regions` makes a regions file for it"
        )
