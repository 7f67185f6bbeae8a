"""Trained models made small enough to travel, and those that travel inside this package.

A packed model is a model directory as any other, half the size: matrices in float16, vectors (biases, and the scales
of descriptors, whose range float16 lacks) as they were, and no training state.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from vsa_cli.core.errors import ArtifactError, MissingError
from vsa_cli.core.training.checkpoint import model_format, read_model, write_model

_NEWEST = 1 << 30  # whatever version it has, packing keeps it

Bundled = Literal["embed", "gen"]

BUNDLE = Path(__file__).parents[2] / "bundled"
"""Where the models lie that are installed with this package, beside their model card."""


def pack_model(source: Path, target: Path) -> tuple[int, int]:
    """Write a model directory again with its matrices in float16.

    Returns:
        Bytes of the weights before and after.

    Raises:
        DataError: the source is no model directory, or the target cannot be written.
        ArtifactError: the source is damaged, or holds a number that float16 cannot.
    """
    envelope, contents, weights = read_model(source, model_format(source), _NEWEST)
    packed = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in weights.items()}
    for name, tensor in packed.items():
        if not torch.isfinite(tensor).all():
            raise ArtifactError(f"{source}: {name} holds numbers beyond float16")
    write_model(target, envelope, contents, packed)
    before, after = (sum(t.nbytes for t in tensors.values()) for tensors in (weights, packed))
    return before, after


def bundled_model(name: Bundled) -> Path:
    """The folder of a model that is installed with this package.

    Raises:
        MissingError: this installation lacks it.
    """
    folder = BUNDLE / name
    if not folder.is_dir():
        raise MissingError(f"{folder}: the bundled model is missing; reinstall vsa, or name one with --model DIR")
    return folder
