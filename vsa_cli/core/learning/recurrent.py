"""Recurrences over packed sentences, with hand-written gradients; one matrix product computes both directions.

Automatic differentiation would accumulate the weights' gradient at every step, which costs more than all products
together. Here each step keeps what the backward pass needs, and the weights' gradient is one product at the end.

Shapes: G directions (1 or 2), N words in all, H hidden units, B sentences. Sentences are packed as in torch's
`PackedSequence`: sorted by length, longest first; the first words of all, then the second words of those that have one,
and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def relu_recurrence(e: Tensor, weight: Tensor, bias: Tensor, batch_sizes: Sequence[int]) -> Tensor:
    """h_t = f(e_t + W h_{t-1} + b), f = ReLU, h_0 = 0 (paper, section 3.1.2).

    Args:
        e: (G, N, H) inputs.
        weight: (G, H, H) W, used as h W.
        bias: (G, 1, H) b.
        batch_sizes: the number of words in each step.

    Returns:
        (G, N, H) states, of the dtype of `e`.
    """
    result: Tensor = _Relu.apply(e + bias.to(e.dtype), weight.to(e.dtype), tuple(batch_sizes))
    return result


def gru_recurrence(
    gates: Tensor, weight: Tensor, bias: Tensor, batch_sizes: Sequence[int], start: Tensor | None = None
) -> Tensor:
    """A gated recurrent unit (Cho et al. 2014, in the form of torch.nn.GRU).

        r = sigma(g_r + u_r), z = sigma(g_z + u_z), n = tanh(g_n + r u_n), u = W h_{t-1} + b
        h_t = (1 - z) n + z h_{t-1}

    Args:
        gates: (G, N, 3H) g_r, g_z and g_n: what the inputs contribute to each gate.
        weight: (G, H, 3H) W, used as h W.
        bias: (G, 1, 3H) b.
        batch_sizes: the number of words in each step.
        start: (G, B, H) h_0; zero by default.

    Returns:
        (G, N, H) states, of the dtype of `gates`.
    """
    if start is None:
        start = gates.new_zeros(gates.shape[0], batch_sizes[0], gates.shape[2] // 3)
    typed = (weight.to(gates.dtype), bias.to(gates.dtype), start.to(gates.dtype))
    result: Tensor = _Gru.apply(gates, *typed, tuple(batch_sizes))
    return result


def gru_step(gates: Tensor, recurrent: Tensor, h: Tensor) -> Tensor:
    """One word of `gru_recurrence`, without gradients.

    Args:
        gates: (N, 3H) g_r, g_z and g_n.
        recurrent: (N, 3H) u = W h_{t-1} + b.
        h: (N, H) h_{t-1}.

    Returns:
        (N, H) h_t.
    """
    hidden = h.shape[1]
    r, z = torch.sigmoid(gates[:, : 2 * hidden] + recurrent[:, : 2 * hidden]).chunk(2, 1)
    n = torch.tanh(torch.addcmul(gates[:, 2 * hidden :], r, recurrent[:, 2 * hidden :]))
    return torch.lerp(n, h, z)


def _steps(batch_sizes: Sequence[int]) -> list[tuple[int, int, int]]:
    """(first row, end row, first row of the previous step) of every step."""
    ends = list(accumulate(batch_sizes))
    starts = [0, *ends[:-1]]
    return list(zip(starts, ends, [0, *starts[:-1]], strict=True))


class _Relu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, e: Tensor, weight: Tensor, batch_sizes: tuple[int, ...]) -> Tensor:
        h = torch.empty_like(e)
        for start, end, before in _steps(batch_sizes):
            if start == 0:
                h[:, :end] = e[:, :end].clamp(min=0)
            else:
                past = h[:, before : before + end - start]
                h[:, start:end] = torch.baddbmm(e[:, start:end], past, weight).clamp_(min=0)
        ctx.save_for_backward(h, weight)
        ctx.batch_sizes = batch_sizes
        return h

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        h, weight = ctx.saved_tensors
        d = grads[0].to(h.dtype).clone()
        back = weight.mT.contiguous()
        past = torch.zeros_like(h)
        for start, end, before in reversed(_steps(ctx.batch_sizes)):
            d[:, start:end] *= h[:, start:end] > 0
            if start:
                rows = slice(before, before + end - start)
                past[:, start:end] = h[:, rows]
                d[:, rows] += d[:, start:end] @ back
        return d, past.mT @ d, None


class _Gru(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, gates: Tensor, weight: Tensor, bias: Tensor, h_0: Tensor, batch_sizes: tuple[int, ...]
    ) -> Tensor:
        directions, words, hidden = gates.shape[0], gates.shape[1], gates.shape[2] // 3
        h = gates.new_empty(directions, words, hidden)
        past = gates.new_empty(directions, words, hidden)
        rz = gates.new_empty(directions, words, 2 * hidden)
        n, u_n = torch.empty_like(h), torch.empty_like(h)
        for start, end, before in _steps(batch_sizes):
            rows = slice(start, end)
            past[:, rows] = h[:, before : before + end - start] if start else h_0
            u = torch.baddbmm(bias, past[:, rows], weight)
            rz[:, rows] = torch.sigmoid_(gates[:, rows, : 2 * hidden] + u[..., : 2 * hidden])
            u_n[:, rows] = u[..., 2 * hidden :]
            r, z = rz[:, rows].chunk(2, -1)
            n[:, rows] = torch.addcmul(gates[:, rows, 2 * hidden :], r, u_n[:, rows]).tanh_()
            h[:, rows] = torch.lerp(n[:, rows], past[:, rows], z)
        ctx.save_for_backward(past, rz, n, u_n, weight)
        ctx.batch_sizes = batch_sizes
        return h

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, None]:
        past, rz, n, u_n, weight = ctx.saved_tensors
        r, z = rz.chunk(2, -1)
        # The slope of each pre-activation per unit of dL/dh_t: all steps together, before the loop.
        slope_n = (1 - z) * (1 - n * n)
        slopes = torch.cat([slope_n * u_n * r * (1 - r), (past - n) * z * (1 - z), slope_n * r], -1)  # of u
        d = grads[0].to(n.dtype).clone()
        back = weight.mT.contiguous()
        hidden = n.shape[-1]
        d_u = torch.empty_like(slopes)
        for start, end, before in reversed(_steps(ctx.batch_sizes)):
            rows = slice(start, end)
            for k in range(3):
                part = slice(k * hidden, (k + 1) * hidden)
                torch.mul(slopes[:, rows, part], d[:, rows], out=d_u[:, rows, part])
            d_past = torch.baddbmm(d[:, rows] * z[:, rows], d_u[:, rows], back)
            if start:
                d[:, before : before + end - start] += d_past
        d_gates = d_u.clone()
        torch.mul(slope_n, d, out=d_gates[..., 2 * hidden :])
        return d_gates, past.mT @ d_u, d_u.sum(1, keepdim=True), d_past, None
