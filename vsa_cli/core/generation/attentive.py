"""A generator that attends to the regions, and to the tags, at every word.

    v_i = ReLU(W_v CNN(I_i)),  g = ReLU(W_g CNN(I_0)) + sum_j e_j
    h_t = GRU(W_x x_t + W_i g, h_{t-1}),  h_0 = tanh(W_0 g)
    c_t = sum_i softmax_i(q(h_t) . k(v_i) / sqrt(C)) u(v_i),  for each of several heads of size C
    y_t = softmax(W_o (h_t + tanh(W_c [h_t, c_t])) + b_o)

The attention feeds the output and not the recurrence (as in Lu et al. 2017), so that all steps of all sentences attend
together, in a few large products. Each tag j, the name of a thing in the image, has a vector e_j, which is attended to
as a further v_i. An image without a photograph has one learnt vector a in place of ReLU(W_g CNN(I_0)) and of its v_i.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from vsa_cli.core.config import GeneratorConfig, LabellerConfig
from vsa_cli.core.generation.constraints import DecoderState, StepFunction
from vsa_cli.core.generation.model import (
    Batch,
    BatchRows,
    Layer,
    SentenceModel,
    Weights,
    log_frequencies,
    plain_layers,
)
from vsa_cli.core.labels.labeller import Labeller
from vsa_cli.core.learning.recurrent import gru_recurrence, gru_step
from vsa_cli.core.learning.shares import Rows, dropped
from vsa_cli.core.regions.features import mean_and_scale


@dataclass(frozen=True)
class _EncodedImages:
    """K encoded images, the first P of which have photographs.

    An image with fewer than R regions repeats its whole image. The mask is minus infinity at the repeats, and at the
    places of missing tags, so that the caption of an image does not depend on the other images of its batch.

    Attributes:
        whole: (K, H) g.
        regions: (P + 1, heads, R, C) keys and contents of the regions, and their (P + 1, 1, 1, R) mask; the last row
            is that of an image without a photograph.
        tags: the same of the G tags of K images.
    """

    whole: Tensor
    regions: tuple[Tensor, Tensor, Tensor]
    tags: tuple[Tensor, Tensor, Tensor] | None

    def of(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, heads, R + G, C) keys and contents, and (B, 1, 1, R + G) mask, of the images with these (B,) indices."""
        # unlike [image], index_select sums gradients in a fixed order
        row = image.clamp(max=len(self.regions[0]) - 1)
        found = [part.index_select(0, row) for part in self.regions]
        if self.tags is not None:
            found = [
                torch.cat([of_regions, of_tags.index_select(0, image)], -1 if of_tags is self.tags[2] else -2)
                for of_regions, of_tags in zip(found, self.tags, strict=True)
            ]
        return found[0], found[1], found[2]


class AttentiveGenerator(SentenceModel):
    """A GRU with attention over regions and tags.

    Attributes:
        labeller: finds the tags of images; None if the model has no tags, or receives them.
    """

    def __init__(self, config: GeneratorConfig, descriptor_size: int, vocabulary_size: int) -> None:
        super().__init__(config)
        hidden = config.hidden_size
        if hidden % config.attention:
            raise ValueError(f"{hidden} hidden units are not a multiple of {config.attention} heads")
        starts = max(1, len(config.styles))
        # the last rows are START's, one for each style
        self.words = nn.Embedding(vocabulary_size + starts, config.word_size)
        self.names: nn.Embedding | None = None
        self.labeller: Labeller | None = None
        if config.tags:
            self.names = nn.Embedding(len(config.names) + 1, hidden, padding_idx=len(config.names))
            self.absent = nn.Parameter(torch.zeros(hidden))
            self.labeller = _build_labeller(config, descriptor_size)
            self.style_weight: Tensor  # of `styles.likeliest`
            self.register_buffer("style_weight", torch.zeros(starts, len(config.names) + 1))
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

        if self.names is not None:
            nn.init.normal_(self.names.weight, std=hidden**-0.5)
            nn.init.zeros_(self.names.weight[-1])
            nn.init.normal_(self.absent, std=hidden**-0.5)

    @torch.no_grad()
    def initialise(self, counts: Sequence[int], descriptors: Tensor) -> None:
        """Start near the loss of a unigram model."""
        self.W_o.bias.copy_(log_frequencies(counts))
        self.standardise(descriptors)

    def standardise(self, descriptors: Tensor) -> None:
        """Standardise each descriptor dimension over training regions."""
        mean, scale = mean_and_scale(descriptors)
        self.shift.copy_(mean)
        self.scale.copy_(scale)

    @property
    def step_weights(self) -> dict[str, Weights]:
        """Those of all layers of a step."""
        modules = {"W_x": self.W_x, "query": self.query, "W_c": self.W_c, "W_o": self.W_o}
        weights: dict[str, Weights] = {name: (module.weight, module.bias) for name, module in modules.items()}
        return {"W_h": (self.W_h[0].mT, self.b_h[0, 0]), **weights}

    def start_decoding(
        self, descriptors: Tensor, tags: Tensor, layers: Mapping[str, Layer] | None = None
    ) -> tuple[StepFunction, DecoderState]:
        """The step function for (B, R, D) images with (B, G) tags, and the state before START.

        The state is h, image indices, and the row of the previous step that each sentence extends.
        """
        images = self._encode(descriptors, tags)
        rows = torch.arange(len(descriptors), device=descriptors.device)
        items = images.of(rows)
        image_gates = self.W_i(images.whole)
        use = plain_layers(self.step_weights) if layers is None else layers

        def step(words: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
            h, image, parent = state
            # sentences with the same last word, or the same words before it, share products
            word, of_word = _one_of_each(words)
            row, of_row = _one_of_each(parent)
            gates = use["W_x"](self.words(words[word])).index_select(0, of_word) + image_gates.index_select(0, image)
            h = gru_step(gates, use["W_h"](h.index_select(0, row)).index_select(0, of_row), h)
            attended = self._attend_together(use["query"](h), image, items)
            logits = use["W_o"](h + torch.tanh(use["W_c"](torch.cat([h, attended], 1))))
            return F.log_softmax(logits, -1), (h, image, torch.arange(len(h), device=h.device))

        return step, (torch.tanh(self.W_0(images.whole)), rows, rows)

    def logits(self, batch: Batch) -> Tensor:
        """(N, V) unnormalised log-probabilities of the word at each step."""
        rows = batch.rows
        of_images, of_words = (None, None) if rows is None else (rows.images, rows.words)
        images = self._encode(batch.descriptors, batch.tags, rows)
        image = torch.cat([batch.image[:rows] for rows in batch.batch_sizes])  # (N,)
        image_gates = self.W_i(dropped(self.dropout, images.whole, of_images)).index_select(0, image)
        gates = self.W_x(dropped(self.dropout, self.words(batch.inputs), of_words)) + image_gates
        start = torch.tanh(self.W_0(images.whole)).index_select(0, batch.image)
        h = gru_recurrence(gates[None], self.W_h, self.b_h, batch.batch_sizes, start[None])[0]
        # The steps of a sentence share its image: attending sentence by sentence gathers each image's keys once.
        padded, lengths = pad_packed_sequence(PackedSequence(h, torch.tensor(batch.batch_sizes)), batch_first=True)
        attended = self._attend(self.query(padded), *images.of(batch.image))
        return self._output(h, pack_padded_sequence(attended, lengths, batch_first=True).data, of_words)

    def _encode(self, descriptors: Tensor, tags: Tensor, rows: BatchRows | None = None) -> _EncodedImages:
        of_photographs, of_images = (None, None) if rows is None else (rows.photographs, rows.images)
        standard = (descriptors - self.shift) * self.scale
        kept = dropped(self.image_dropout, torch.ones_like(standard[:, :1]), of_photographs)  # one mask per image
        standard = standard * kept
        whole, v = F.relu(self.W_g(standard[:, 0])), F.relu(self.W_v(standard))
        repeats = (descriptors == descriptors[:, :1]).all(-1)
        repeats[:, 0] = False
        mask = torch.zeros(repeats.shape, device=repeats.device).masked_fill(repeats, -torch.inf)
        if self.names is None:
            return _EncodedImages(whole, self._items(v, mask), None)
        photographs, regions = mask.shape
        absent = self.absent.to(v.dtype)
        none = torch.full((1, regions), -torch.inf, device=mask.device)
        none[0, 0] = 0.0
        v = torch.cat([v, absent.expand(1, regions, -1)])
        without = absent.expand(len(tags) - photographs, -1)
        of_tags = self.names(tags)
        missing = torch.zeros(tags.shape, device=tags.device).masked_fill(tags.eq(len(self.config.names)), -torch.inf)
        return _EncodedImages(
            torch.cat([whole, without]) + dropped(self.dropout, of_tags, of_images).sum(1),
            self._items(v, torch.cat([mask, none])),
            self._items(of_tags, missing),
        )

    def _items(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Keys and contents of the (K, R, H) items of images, and the mask of their scores."""
        return self._heads(self.key(x)), self._heads(self.content(x)), mask[:, None, None]

    def _heads(self, x: Tensor) -> Tensor:
        images, regions, hidden = x.shape
        return x.view(images, regions, self.config.attention, hidden // self.config.attention).transpose(1, 2)

    def _attend(self, query: Tensor, keys: Tensor, contents: Tensor, mask: Tensor) -> Tensor:
        """(B, T, H) c of B sentences, from q(h), (B, T, H)."""
        query = self._heads(query)  # (B, heads, T, C)
        affinity = (query @ keys.mT) / query.shape[-1] ** 0.5 + mask  # (B, heads, T, R)
        return (torch.softmax(affinity, -1).to(query.dtype) @ contents).transpose(1, 2).flatten(2)

    def _attend_together(self, query: Tensor, image: Tensor, items: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """(N, H) c of (N, H) queries of images (N,), whose items are read once for all queries of an image.

        Gathering the items for every state would move 7 times as much memory for a beam of 7 as for one of 1.
        """
        present = torch.zeros(len(items[0]), dtype=torch.bool, device=image.device)
        present[image] = True
        images, slot = present.nonzero()[:, 0], (present.cumsum(0) - 1)[image]
        counts, order = slot.bincount(), slot.argsort(stable=True)
        first = counts.cumsum(0) - counts
        place = torch.empty_like(slot)
        place[order] = torch.arange(len(slot), device=slot.device) - first[slot[order]]
        queries = query.new_zeros(len(images), int(counts.max()), query.shape[1])
        queries[slot, place] = query
        mine = items if len(images) == len(items[0]) else tuple(part.index_select(0, images) for part in items)
        return self._attend(queries, *mine)[slot, place]

    def _output(self, h: Tensor, attended: Tensor, rows: Rows | None = None) -> Tensor:
        """(N, V) logits of (N, H) states and what each attends to; `rows` are those of the words in a whole batch."""
        mixed = h + torch.tanh(self.W_c(dropped(self.dropout, torch.cat([h, attended], -1), rows)))
        scores: Tensor = self.W_o(dropped(self.dropout, mixed, rows))
        return scores


def _one_of_each(values: Tensor) -> tuple[Tensor, Tensor]:
    """The places in (N,) values of one of each distinct value, and the index among them of each value, (N,)."""
    distinct, of_value = values.unique(return_inverse=True)  # type: ignore[no-untyped-call]
    places = torch.empty_like(distinct)
    places[of_value] = torch.arange(len(values), device=values.device)
    return places, of_value


def _build_labeller(config: GeneratorConfig, descriptor_size: int) -> Labeller | None:
    if not config.labeller_size:
        return None
    found = Labeller(LabellerConfig(config.names, config.labeller_size), descriptor_size)
    return found.requires_grad_(requires_grad=False)
