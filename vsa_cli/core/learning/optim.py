"""Optimisers and their learning rate, as a training configuration asks for them (paper, section 3.4)."""

from __future__ import annotations

import math

import torch
from torch import nn

from vsa_cli.core.config import EmbedTraining, GeneratorTraining


def make_optimizer(model: nn.Module, training: EmbedTraining | GeneratorTraining) -> torch.optim.Optimizer:
    """The optimiser of a model's parameters: SGD with momentum, RMSprop, or Adam with decoupled weight decay.

    Args:
        model: the model, on the device where it is trained.
        training: the configuration; `sgd` belongs to the alignment model, `rmsprop` to the generator.
    """
    parameters, rate = model.parameters(), training.learning_rate
    if training.optimizer == "adam":
        return torch.optim.AdamW(parameters, lr=rate, weight_decay=training.weight_decay, fused=True)
    if isinstance(training, EmbedTraining):
        return torch.optim.SGD(
            parameters, lr=rate, momentum=training.momentum, weight_decay=training.weight_decay, fused=True
        )
    return torch.optim.RMSprop(parameters, lr=rate, alpha=training.decay)


def cosine_rate(initial: float, step: int, steps: int) -> float:
    """The learning rate at a step: half a cosine from `initial` down to zero.

    Args:
        initial: the rate of the first step.
        step: the step's number, from 0.
        steps: the number of steps in the whole training.
    """
    progress = min(1.0, step / steps)
    return initial * 0.5 * (1 + math.cos(math.pi * progress))
