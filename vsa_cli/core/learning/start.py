"""The weights with which a training starts from a trained model, when its descriptors have become longer.

Descriptors can have details after the numbers of the CNN (`regions.details`). A model that was trained without them can
be trained further with them: what it computes is the same at first, for the new numbers have the weight 0.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


def widened(trained: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """The weights of a trained model, in the shapes of a model with longer descriptors; equal shapes stay as they are.

    Args:
        trained: the state of the trained model.
        model: the same model for descriptors that may have further numbers at the end, standardised by training data.

    Returns:
        Its state: the new columns of matrices are 0; the mean and the scale of the new numbers are those of `model`.

    Raises:
        ValueError: a shape differs in another way.
    """
    parameters = dict(model.named_parameters())
    return {name: _fitted(trained[name], own, name in parameters) for name, own in model.state_dict().items()}


def _fitted(weights: Tensor, own: Tensor, is_parameter: bool) -> Tensor:
    if weights.shape == own.shape:
        return weights
    if weights.shape[:-1] != own.shape[:-1] or weights.shape[-1] > own.shape[-1]:
        raise ValueError(f"weights of the shape {tuple(weights.shape)} cannot start those of {tuple(own.shape)}")
    wide = own.new_zeros(own.shape) if is_parameter else own.clone()
    wide[..., : weights.shape[-1]] = weights
    return wide
