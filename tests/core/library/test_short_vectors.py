"""Short vectors: products that they keep, and vectors for which there are no good axes."""

from __future__ import annotations

import pytest
import torch

from vsa_cli.core.library.short_vectors import SHORT, principal_axes, shorten, stored


@pytest.mark.parametrize(("size", "rank"), [(7, 7), (SHORT, SHORT), (200, 9), (200, SHORT)])
def test_products_of_vectors_of_few_directions_are_kept(size: int, rank: int) -> None:
    generator = torch.Generator().manual_seed(1)
    directions = torch.randn(rank, size, generator=generator)
    vectors = torch.nn.functional.normalize(torch.randn(3000, rank, generator=generator) @ directions, dim=-1).half()
    axes = principal_axes(vectors[:2000], vectors[2000:])
    assert axes.shape == (size, min(SHORT, size))
    assert torch.allclose(axes.float().T @ axes.float(), torch.eye(axes.shape[1]), atol=2e-3)
    query = torch.randn(size, generator=generator)
    product = stored(vectors, axes).float() @ shorten(query, axes)
    assert torch.allclose(product, vectors.float() @ query, atol=2e-2 * float(query.norm()))
    assert torch.equal(principal_axes(vectors[:2000], vectors[2000:]), axes)


def test_longest_directions_are_chosen() -> None:
    lengths = torch.cat([torch.full((SHORT,), 3.0), torch.full((100,), 0.1)])
    vectors = torch.randn(1000, len(lengths), generator=torch.Generator().manual_seed(2)) * lengths
    axes = principal_axes(vectors).float()
    assert float(axes[:SHORT].square().sum() / axes.square().sum()) > 0.999


@pytest.mark.parametrize("vectors", [torch.zeros(3, 90), torch.ones(1, 90), torch.full((500, 90), 65504.0)])
def test_axes_of_any_finite_vectors_are_orthonormal(vectors: torch.Tensor) -> None:
    axes = principal_axes(torch.empty(0, 90), vectors.half())
    assert torch.allclose(axes.float().T @ axes.float(), torch.eye(SHORT), atol=2e-3)
    assert bool(torch.isfinite(stored(vectors.half(), axes)).all())
