"""Recurrences over packed sentences against torch.nn.GRU, the equations, and finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from vsa_cli.core.embedding.batches import pack
from vsa_cli.core.learning.recurrent import gru_recurrence, gru_step, relu_recurrence

SIZES = (3, 2, 2, 1)
N = sum(SIZES)


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("sizes", [SIZES, (4,), (1, 1, 1)])
def test_gradients_agree_with_finite_differences(sizes: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    n = sum(sizes)
    inputs = (draw(2, n, 12), draw(2, 4, 12), draw(2, 1, 12), draw(2, sizes[0], 4))
    torch.autograd.gradcheck(lambda g, w, b, h: gru_recurrence(g, w, b, sizes, h), inputs)
    torch.autograd.gradcheck(
        lambda e, w, b: relu_recurrence(e, w, b, sizes), (draw(2, n, 4), draw(2, 4, 4), draw(2, 1, 4))
    )


def test_gru_recurrence_equals_torch_gru() -> None:
    torch.manual_seed(1)
    packed = pack([[1, 2, 3], [4], [5, 6, 7, 8], [1, 2]])
    x, reference = draw(len(packed.words), 5), nn.GRU(5, 6, bidirectional=True).double()
    expected, _ = reference(PackedSequence(x, torch.tensor(packed.batch_sizes)))
    suffixes = ("", "_reverse")
    ways = (x, x[packed.mirror])
    weights = dict(reference.named_parameters())
    gates = torch.stack(
        [way @ weights[f"weight_ih_l0{s}"].T + weights[f"bias_ih_l0{s}"] for way, s in zip(ways, suffixes, strict=True)]
    )
    recurrent = torch.stack([weights[f"weight_hh_l0{s}"].T for s in suffixes])
    bias = torch.stack([weights[f"bias_hh_l0{s}"] for s in suffixes])[:, None]
    h = gru_recurrence(gates, recurrent, bias, packed.batch_sizes)
    torch.testing.assert_close(torch.cat([h[0], h[1, packed.mirror]], -1), expected.data)


def test_gru_step_equals_a_recurrence_of_one_word() -> None:
    torch.manual_seed(3)
    gates, weight, bias, h = draw(1, 4, 12), draw(1, 4, 12), draw(1, 1, 12), draw(1, 4, 4)
    found = gru_step(gates[0], h[0] @ weight[0] + bias[0], h[0])
    torch.testing.assert_close(found, gru_recurrence(gates, weight, bias, (4,), h)[0])


def test_relu_recurrence_equals_its_equation_word_by_word() -> None:
    torch.manual_seed(2)
    e, weight, bias = draw(2, N, 4), draw(2, 4, 4), draw(2, 1, 4)
    h = relu_recurrence(e, weight, bias, SIZES)
    first = 0
    for step, rows in enumerate(SIZES):
        for row in range(rows):
            past = h[:, first - SIZES[step - 1] + row] if step else torch.zeros(2, 4, dtype=torch.float64)
            expected = (e[:, first + row] + torch.einsum("dh,dhk->dk", past, weight) + bias[:, 0]).clamp(min=0)
            torch.testing.assert_close(h[:, first + row], expected)
        first += rows
