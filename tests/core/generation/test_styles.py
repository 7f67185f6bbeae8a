"""The style that suits a photograph."""

from __future__ import annotations

import torch

from vsa_cli.core.generation.styles import fit_styles, likeliest


def test_style_follows_what_is_seen() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(300, 3, generator=generator) * 0.2
    dogs, zebras = noise[:200] + torch.tensor([0.7, 0.0, 0.0]), noise[200:] + torch.tensor([0.0, 0.7, 0.0])
    weight = fit_styles([dogs, zebras, torch.zeros(0, 3)])
    assert weight.shape == (3, 4)
    assert likeliest(weight, dogs).tolist() == [0] * 200
    assert likeliest(weight, zebras).tolist() == [1] * 100
    assert 2 not in likeliest(weight, torch.rand(500, 3, generator=generator)).tolist()


def test_styles_of_many_and_of_few_photographs_weigh_the_same() -> None:
    nothing = torch.zeros(1, 2)
    weight = fit_styles([nothing.repeat(1000, 1), nothing.repeat(10, 1)])
    torch.testing.assert_close(weight[0], weight[1])
