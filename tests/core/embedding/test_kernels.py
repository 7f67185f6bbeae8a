"""The fast maximum over regions against its definition: values and gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vsa_cli.core.embedding import kernels
from vsa_cli.core.embedding.score import word_scores

H, D, V = 5, 6, 9


def definition(s: Tensor, v: Tensor) -> Tensor:
    """As in the docstring of `word_scores`, except that of equal maxima the first has the gradient."""
    return (s @ v.flatten(0, 1).T).unflatten(1, v.shape[:2]).max(2).values


def drawn(words: int, images: int, regions: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Small whole numbers: their products are exact, and many are equal."""
    generator = torch.Generator().manual_seed(seed)
    s = torch.randint(-2, 3, (words, H), generator=generator).double()
    v = torch.randint(-2, 3, (images, regions, H), generator=generator).double()
    return s.requires_grad_(), v.requires_grad_()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 7), st.integers(0, 10**6))
def test_best_region_and_its_gradient_equal_the_definition(words: int, images: int, regions: int, seed: int) -> None:
    s, v = drawn(words, images, regions, seed)
    weight = torch.randn(words, images, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found, expected = word_scores(s, v), definition(s, v)
    assert found.equal(expected)
    mine = torch.autograd.grad((found * weight).sum(), (s, v))
    for gradient, torchs in zip(mine, torch.autograd.grad((expected * weight).sum(), (s, v)), strict=True):
        torch.testing.assert_close(gradient, torchs)


def test_more_than_256_regions() -> None:
    s, v = drawn(4, 2, 700)
    with torch.no_grad():
        v[:, -1] = 9 * s[0].sign()  # the first word finds the last region
    for gradient, torchs in zip(
        torch.autograd.grad(word_scores(s, v).sum(), (s, v)),
        torch.autograd.grad(definition(s, v).sum(), (s, v)),
        strict=True,
    ):
        torch.testing.assert_close(gradient, torchs)


@pytest.mark.parametrize("edge", [1, 3, 7])
def test_tiles_do_not_change_scores(monkeypatch: pytest.MonkeyPatch, edge: int) -> None:
    s, v = drawn(11, 8, 3)
    monkeypatch.setattr(kernels, "_CACHE_EDGE", edge)
    with torch.no_grad():
        assert word_scores(s, v).equal(definition(s, v))


def test_autocast_multiplies_in_bfloat16_and_gradients_keep_their_dtype() -> None:
    s, v = (tensor.detach().float().requires_grad_() for tensor in drawn(6, 3, 4))
    with torch.autocast("cpu", torch.bfloat16):
        found = word_scores(s, v)
    assert found.dtype == torch.bfloat16
    expected = definition(s, v)
    assert found.float().equal(expected)  # whole numbers below 256 are exact
    mine = torch.autograd.grad(found.float().sum(), (s, v))
    for gradient, torchs in zip(mine, torch.autograd.grad(expected.sum(), (s, v)), strict=True):
        assert gradient.dtype == torch.float32
        assert gradient.equal(torchs)
