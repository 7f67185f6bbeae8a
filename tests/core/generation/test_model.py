"""The generator against its equations written out word by word."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vsa_cli.core.config import Cell, GeneratorConfig
from vsa_cli.core.generation.batches import Pairs, ordered_batches, pack, shuffled_batches
from vsa_cli.core.generation.cells import PaperCell
from vsa_cli.core.generation.model import Batch, Generator

V, D, END, START = 7, 5, 0, 7
CELLS: tuple[Cell, ...] = ("rnn", "gru", "lstm")


def small(cell: Cell, dropout: float = 0.0) -> Generator:
    torch.manual_seed(0)
    return Generator(GeneratorConfig(cell, 4, 6, dropout), D, V).double()


def pairs() -> Pairs:
    torch.manual_seed(1)
    sentences = ((3, 1), (2,), (5, 4, 6, 1), (1, 1, 2), (6,))
    return Pairs(torch.randn(3, D, dtype=torch.float64), torch.tensor([0, 1, 1, 2, 0]), sentences, START)


def packed(data: Pairs, chosen: Iterable[int]) -> Batch:
    return pack([data], [(0, i) for i in chosen])


@torch.no_grad()
def paper_log_probability(model: Generator, descriptor: Tensor, sentence: tuple[int, ...]) -> float:
    """b_v = W_hi CNN(I); h_t = ReLU(W_hx x_t + W_hh h_{t-1} + b_h + [t = 1] b_v); y_t = softmax(W_oh h_t + b_o)."""
    assert isinstance(model.cell, PaperCell)
    b_v = model.W_hi.weight @ descriptor + model.W_hi.bias
    h = torch.zeros(model.config.hidden_size, dtype=torch.float64)
    total = 0.0
    for t, (word, target) in enumerate(zip((START, *sentence), (*sentence, END), strict=True), start=1):
        x = model.words.weight[word]
        pre = model.cell.W_hx.weight @ x + model.cell.W_hh.weight @ h + model.cell.W_hx.bias
        h = F.relu(pre + (b_v if t == 1 else 0))
        y = torch.softmax(model.W_oh.weight @ h + model.W_oh.bias, 0)
        total += math.log(float(y[target]))
    return total


def test_paper_cell_equals_the_papers_equations() -> None:
    model, data = small("rnn"), pairs()
    for i, sentence in enumerate(data.sentences):
        computed = model(packed(data, [i])).sum()
        expected = paper_log_probability(model, data.descriptors[data.image[i]], sentence)
        assert float(computed.detach()) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("cell", CELLS)
def test_batch_equals_its_sentences_alone(cell: Cell) -> None:
    model, data = small(cell), pairs()
    everything = range(len(data.sentences))
    together = model(packed(data, list(everything))).sum()
    alone = sum(model(packed(data, [i])).sum() for i in everything)
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("cell", CELLS)
def test_steps_equal_the_whole_sentence(cell: Cell) -> None:
    model, data = small(cell).eval(), pairs()
    for i, sentence in enumerate(data.sentences):
        state = model.initial_state(data.descriptors[data.image[i : i + 1]])
        total = torch.zeros((), dtype=torch.float64)
        for word, target in zip((START, *sentence), (*sentence, END), strict=True):
            logprobs, state = model.step(torch.tensor([word]), state)
            total = total + logprobs[0, target]
        torch.testing.assert_close(total, model(packed(data, [i])).sum())


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_agree_with_finite_differences(cell: Cell) -> None:
    model, data = small(cell), pairs()
    batch = packed(data, [0, 2, 3])
    loss = -model(batch).sum()
    loss.backward()
    for name, parameter in model.named_parameters():
        flat, gradient = parameter.data.view(-1), parameter.grad
        assert gradient is not None, name
        for i in range(0, flat.numel(), max(1, flat.numel() // 5)):
            kept, epsilon = flat[i].item(), 1e-6
            flat[i] = kept + epsilon
            above = -model(batch).sum().item()
            flat[i] = kept - epsilon
            below = -model(batch).sum().item()
            flat[i] = kept
            assert gradient.view(-1)[i].item() == pytest.approx((above - below) / (2 * epsilon), abs=2e-5), name


@pytest.mark.parametrize("cell", CELLS)
def test_output_depends_on_the_image_but_not_on_the_scale_of_descriptors(cell: Cell) -> None:
    model, data = small(cell).eval(), pairs()
    batch = packed(data, [0, 1, 2])
    other = replace(data, descriptors=data.descriptors.flip(0))
    assert not torch.allclose(model(batch), model(packed(other, [0, 1, 2])))
    scaled = replace(data, descriptors=data.descriptors * 37)
    model.initialise([1] * V, data.descriptors)
    expected = model(batch)
    model.load_state_dict({**model.state_dict(), "scale": torch.ones(())})
    model.initialise([1] * V, scaled.descriptors)
    model.W_oh.weight.data.mul_(10)
    torch.testing.assert_close(model(packed(scaled, [0, 1, 2])), expected)


def test_training_starts_at_the_loss_of_the_unigram_model() -> None:
    torch.manual_seed(0)
    model = Generator(GeneratorConfig(), D, V)
    counts = [40, 1, 5, 9, 20, 3, 2]
    model.initialise(counts, torch.randn(9, D))
    torch.testing.assert_close(model.W_oh.bias.exp(), torch.tensor(counts) / sum(counts))
    batch = packed(replace(pairs(), descriptors=torch.randn(3, D)), [0, 1, 2, 3])
    unigram = -model.W_oh.bias[batch.targets].mean()
    assert float(-model(batch).mean().detach()) == pytest.approx(float(unigram.detach()), rel=0.1)


def test_start_is_never_an_output() -> None:
    model = small("rnn").eval()
    logprobs, _ = model.step(torch.tensor([START]), model.initial_state(torch.randn(1, D, dtype=torch.float64)))
    assert logprobs.shape == (1, V)


def test_recurrent_path_has_no_dropout() -> None:
    model = small("rnn", dropout=0.9).train()
    assert not any(isinstance(module, torch.nn.Dropout) for module in model.cell.modules())
    model.eval()
    data = pairs()
    torch.testing.assert_close(model(packed(data, [0])), model(packed(data, [0])))


def test_packing_keeps_every_word_once() -> None:
    data = pairs()
    batch = packed(data, [0, 1, 2, 3, 4])
    assert len(batch.inputs) == len(batch.targets) == data.steps == sum(batch.batch_sizes)
    assert list(batch.batch_sizes) == sorted(batch.batch_sizes, reverse=True)
    assert batch.inputs[: batch.batch_sizes[0]].eq(START).all()
    assert int((batch.targets == END).sum()) == len(data.sentences)


def test_epoch_has_every_sentence_once() -> None:
    data = pairs()
    for batches in (
        shuffled_batches([data], 2, torch.Generator().manual_seed(0)),
        ordered_batches([data], 2),
    ):
        targets = torch.cat([batch.targets for batch in batches])
        expected = torch.tensor([word for s in data.sentences for word in (*s, END)])
        assert targets.sort().values.equal(expected.sort().values)


def test_target_counts_include_end() -> None:
    assert pairs().target_counts(V) == [5, 4, 2, 1, 1, 1, 2]
