"""How descriptors are standardised: one mean and one scale for each of their numbers, found on training regions."""

from __future__ import annotations

from torch import Tensor


def mean_and_scale(descriptors: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the reciprocal spread of each number: (D,) float64 each.

    A number that hardly varies is not blown up: no spread counts as less than a hundredth of the mean one. In
    double precision, so that neither depends on how many threads share a sum.

    Args:
        descriptors: (S, D), S at least 1, of which nothing varies.
    """
    exact = descriptors.double()
    spread = exact.std(0, correction=min(1, len(exact) - 1))
    least = max(1e-6, 0.01 * float(spread.mean()))
    return exact.mean(0), spread.clamp(min=least).reciprocal()
