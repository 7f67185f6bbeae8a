"""The generator with attention against its equations written out word by word."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.core.generation.test_model import END, START, D, V, packed, pairs
from vsa_cli.core.config import GeneratorConfig
from vsa_cli.core.generation.attentive import AttentiveGenerator
from vsa_cli.core.generation.batches import Pairs, pack
from vsa_cli.core.generation.model import no_tags
from vsa_cli.core.generation.tags import GivenTags

HEADS = 2


def attentive(dropout: float = 0.0, **settings: Any) -> AttentiveGenerator:
    torch.manual_seed(0)
    config = GeneratorConfig("gru", 4, 6, dropout, attention=HEADS, image_dropout=dropout, **settings)
    return AttentiveGenerator(config, D, V).double()


NAMES = ("dog", "cat", "ball")
TAGGED = {"tags": 3, "names": NAMES, "styles": ("long", "short")}
NONE = len(NAMES)


def region_pairs() -> Pairs:
    return replace(pairs(), descriptors=torch.randn(3, 4, D, dtype=torch.float64))


@torch.no_grad()
def attentive_log_probability(
    model: AttentiveGenerator,
    descriptors: Tensor | None,
    sentence: tuple[int, ...],
    tags: Sequence[int] = (),
    start: int = START,
) -> float:
    """The equations in the module docstring, one word and one head after the other."""
    hidden, size = model.config.hidden_size, model.config.hidden_size // HEADS
    if descriptors is None:
        g, v = model.absent, model.absent[None]
    else:
        g, v = F.relu(model.W_g(descriptors[0])), F.relu(model.W_v(descriptors))
    for tag in tags:
        assert model.names is not None
        e = model.names.weight[tag]
        g, v = g + e, torch.cat([v, e[None]])
    h, total = torch.tanh(model.W_0(g)), 0.0
    for word, target in zip((start, *sentence), (*sentence, END), strict=True):
        gates = model.W_x(model.words.weight[word]) + model.W_i(g)
        u = h @ model.W_h[0] + model.b_h[0, 0]
        r, z = (torch.sigmoid(gates[k * hidden : (k + 1) * hidden] + u[k * hidden : (k + 1) * hidden]) for k in (0, 1))
        h = (1 - z) * torch.tanh(gates[2 * hidden :] + r * u[2 * hidden :]) + z * h
        c = []
        for head in range(HEADS):
            mine = slice(head * size, (head + 1) * size)
            affinity = torch.stack([model.query(h)[mine] @ model.key(v_i)[mine] / size**0.5 for v_i in v])
            c.append(torch.softmax(affinity, 0) @ model.content(v)[:, mine])
        y = torch.softmax(model.W_o(h + torch.tanh(model.W_c(torch.cat([h, *c])))), 0)
        total += math.log(float(y[target]))
    return total


def test_attention_equals_its_equations() -> None:
    model, data = attentive(), region_pairs()
    for i, sentence in enumerate(data.sentences):
        computed = model(packed(data, [i])).sum()
        expected = attentive_log_probability(model, data.descriptors[data.image[i]], sentence)
        assert float(computed.detach()) == pytest.approx(expected, abs=1e-10)


@torch.no_grad()
def test_tags_and_styles_equal_their_equations() -> None:
    model, data = attentive(**TAGGED), region_pairs()
    tags = [[0, 2, NONE], [NONE, NONE, NONE], [1, NONE, 0]]
    for style in (0, 1):
        tagged = replace(data, tags=GivenTags(torch.tensor(tags)), start=START + style)
        for i, sentence in enumerate(data.sentences):
            image = int(data.image[i])
            own = [tag for tag in tags[image] if tag != NONE]
            expected = attentive_log_probability(model, data.descriptors[image], sentence, own, START + style)
            assert float(model(packed(tagged, [i])).sum()) == pytest.approx(expected, abs=1e-10)


@torch.no_grad()
def test_photographs_and_text_share_a_batch() -> None:
    model, data = attentive(**TAGGED), region_pairs()
    tags = torch.tensor([[0, 2, NONE], [NONE, NONE, NONE], [1, NONE, 0]])
    seen = replace(data, tags=GivenTags(tags))
    text = replace(data, descriptors=None, tags=GivenTags(tags.flip(0)), start=START + 1)
    chosen = [(source, i) for i in range(5) for source in (1, 0)]
    together = model(pack([seen, text], chosen)).sum()
    expected = sum(float(model(packed(seen, [i])).sum()) for i in range(5))
    for i, sentence in enumerate(data.sentences):
        own = [int(tag) for tag in tags.flip(0)[data.image[i]] if tag != NONE]
        expected += attentive_log_probability(model, None, sentence, own, START + 1)
    assert float(together) == pytest.approx(expected, abs=1e-9)
    alone = model(pack([seen, text], chosen[::2])).sum()  # text alone
    assert float(alone) == pytest.approx(expected - sum(float(model(packed(seen, [i])).sum()) for i in range(5)))


def test_tagged_steps_equal_the_whole_sentence() -> None:
    model, data = attentive(**TAGGED).eval(), region_pairs()
    tags = torch.tensor([[0, 2, NONE], [NONE, NONE, NONE], [1, NONE, 0]])
    tagged = replace(data, tags=GivenTags(tags))
    with torch.no_grad():
        step, state = model.start_decoding(data.descriptors, tags)
        for i, image in enumerate(data.image.tolist()):
            total, now = 0.0, tuple(part[image : image + 1] for part in state)
            for word, target in zip((START, *data.sentences[i]), (*data.sentences[i], END), strict=True):
                scores, now = step(torch.tensor([word]), now)
                total += float(scores[0, target])
            assert total == pytest.approx(float(model(packed(tagged, [i])).sum()), abs=1e-10)


@torch.no_grad()
def test_sources_with_fewer_regions_are_padded() -> None:
    model, data = attentive(), region_pairs()
    small = replace(data, descriptors=data.descriptors[:, :2])
    together = model(pack([data, small], [(0, 0), (1, 0)])).sum()
    assert float(together) == pytest.approx(float(model(packed(data, [0])).sum() + model(packed(small, [0])).sum()))


def test_steps_equal_the_whole_sentence() -> None:
    model, data = attentive().eval(), region_pairs()
    with torch.no_grad():
        step, state = model.start_decoding(data.descriptors, no_tags(3))
        image = 2
        for i in [i for i, row in enumerate(data.image.tolist()) if row == image]:
            total, now = 0.0, tuple(part[image : image + 1] for part in state)
            for word, target in zip((START, *data.sentences[i]), (*data.sentences[i], END), strict=True):
                scores, now = step(torch.tensor([word]), now)
                total += float(scores[0, target])
            assert total == pytest.approx(float(model(packed(data, [i])).sum()), abs=1e-10)


@torch.no_grad()
def test_step_of_reordered_sentences_equals_steps_one_by_one() -> None:
    model, data = attentive(**TAGGED).eval(), region_pairs()
    step, state = model.start_decoding(data.descriptors, torch.tensor([[0, 2, NONE], [NONE, NONE, NONE], [1, NONE, 0]]))
    _, state = step(torch.full((3,), START), state)
    rows, words = torch.tensor([2, 0, 2, 2, 0, 1]), torch.tensor([1, 2, 1, 3, 1, 1])
    together, after = step(words, tuple(part[rows] for part in state))
    again = torch.tensor([5, 3, 3, 0])
    later, _ = step(words[:4], tuple(part[again] for part in after))
    for place, (row, word) in enumerate(zip(rows, words, strict=True)):
        alone, now = step(word[None], tuple(part[row : row + 1] for part in state))
        torch.testing.assert_close(together[place : place + 1], alone)
        for follower in (again == place).nonzero()[:, 0]:
            torch.testing.assert_close(later[follower : follower + 1], step(words[follower : follower + 1], now)[0])


def test_order_of_regions_does_not_matter() -> None:
    model, data = attentive().eval(), region_pairs()
    shuffled = replace(data, descriptors=data.descriptors[:, [0, 3, 1, 2]])
    with torch.no_grad():
        torch.testing.assert_close(model(packed(data, [0, 1])), model(packed(shuffled, [0, 1])))


def test_padding_regions_do_not_matter() -> None:
    model, data = attentive().eval(), region_pairs()
    padded = replace(data, descriptors=torch.cat([data.descriptors, data.descriptors[:, :1].expand(-1, 3, -1)], 1))
    with torch.no_grad():
        torch.testing.assert_close(model(packed(data, [0, 1])), model(packed(padded, [0, 1])))


@pytest.mark.parametrize("tagged", [False, True])
def test_gradients_agree_with_finite_differences(tagged: bool) -> None:
    model, data = attentive(**TAGGED) if tagged else attentive(), region_pairs()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    batch = packed(data, range(5))
    if tagged:
        seen = replace(data, tags=GivenTags(torch.tensor([[0, 2], [NONE, NONE], [1, NONE]])))
        batch = pack(
            [seen, replace(seen, descriptors=None, start=START + 1)], [(s, i) for s in (0, 1) for i in range(5)]
        )
    model(batch).sum().backward()
    for name, parameter in model.named_parameters():
        flat, gradient = parameter.data.view(-1), parameter.grad
        assert gradient is not None, name
        k = int(gradient.abs().argmax())
        values = []
        for sign in (1, -1):
            kept = float(flat[k])
            flat[k] = kept + sign * 1e-6
            values.append(float(model(batch).sum().detach()))
            flat[k] = kept
        assert float(gradient.view(-1)[k]) == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-4, abs=1e-6), name


def test_hidden_size_must_be_a_multiple_of_heads() -> None:
    with pytest.raises(ValueError, match="7 hidden units"):
        AttentiveGenerator(GeneratorConfig("gru", 4, 7, attention=2), D, V)
