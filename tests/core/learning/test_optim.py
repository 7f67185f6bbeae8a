"""Optimisers made from a training configuration, and the learning rate."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from vsa_cli.core.config import EMBED_PRESETS, GENERATOR_PRESETS, EmbedTraining, GeneratorTraining
from vsa_cli.core.learning.optim import cosine_rate, make_optimizer


@pytest.mark.parametrize(
    ("training", "kind", "settings"),
    [
        (EMBED_PRESETS["paper"][1], torch.optim.SGD, {"lr": 2e-5, "momentum": 0.9, "weight_decay": 1e-5}),
        (EMBED_PRESETS["best"][1], torch.optim.AdamW, {"lr": 1e-3, "weight_decay": 1e-2, "betas": (0.9, 0.999)}),
        (GENERATOR_PRESETS["paper"][1], torch.optim.RMSprop, {"lr": 5e-4, "alpha": 0.99, "weight_decay": 0}),
        (GENERATOR_PRESETS["best"][1], torch.optim.AdamW, {"lr": 1e-3, "weight_decay": 1e-4}),
    ],
)
def test_optimizer_has_the_configured_kind_and_settings(
    training: EmbedTraining | GeneratorTraining, kind: type[torch.optim.Optimizer], settings: dict[str, Any]
) -> None:
    model = nn.Linear(2, 3)
    optimizer = make_optimizer(model, training)
    assert type(optimizer) is kind
    (group,) = optimizer.param_groups
    assert {name: group[name] for name in settings} == settings
    assert [id(parameter) for parameter in group["params"]] == [id(parameter) for parameter in model.parameters()]


def test_learning_rate_follows_half_a_cosine() -> None:
    rates = [cosine_rate(1.0, step, 40) for step in range(41)]
    assert rates[0] == 1.0
    assert rates[20] == pytest.approx(0.5)
    assert rates[40] == pytest.approx(0.0, abs=1e-12)
    assert rates == sorted(rates, reverse=True)
