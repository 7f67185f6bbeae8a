"""Scores of a labeller: average precision, and precision and recall at a threshold."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def average_precision(scores: Tensor, shown: Tensor) -> float:
    """The mean, over the relevant of K items, of the precision at the rank of each.

    Args:
        scores: (K,) scores; equal ones keep their order.
        shown: (K,) 1 for relevant items, of which there is at least one, else 0.
    """
    hits = shown[scores.argsort(descending=True, stable=True)].double()
    precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
    return float((precision * hits).sum() / hits.sum())


def mean_average_precision(scores: Tensor, shown: Tensor, known: Tensor) -> float:
    """The mean of `average_precision` over the names that at least one photograph shows; 0 if there is no such name.

    Args:
        scores: (K, M) scores of M names for K photographs.
        shown: (K, M) 1 if a photograph shows a name, else 0.
        known: (K, M) whether that is known; the others do not count.
    """
    names = (shown.bool() & known).any(0).nonzero()[:, 0].tolist()
    each = [average_precision(scores[known[:, n], n], shown[known[:, n], n]) for n in names]
    return sum(each) / max(1, len(each))


@dataclass(frozen=True)
class Agreement:
    """How names that were found agree with those that are right.

    Attributes:
        found: the number of names found, over all photographs.
        right: the number of those that are right.
        shown: the number of names that should have been found.
    """

    found: int
    right: int
    shown: int

    @property
    def precision(self) -> float:
        """The share of the names found that are right; 0 if none is found."""
        return self.right / max(1, self.found)

    @property
    def recall(self) -> float:
        """The share of the right names that are found; 0 if there is none."""
        return self.right / max(1, self.shown)


def agreement(scores: Tensor, shown: Tensor, at_least: float) -> Agreement:
    """Count the names whose score is at least `at_least`, and those that are right.

    Args:
        scores: (K, M) scores of M names for K photographs.
        shown: (K, M) 1 if a photograph shows a name, else 0.
        at_least: the lowest score at which a name counts as found.
    """
    found = scores >= at_least
    return Agreement(int(found.sum()), int((found & shown.bool()).sum()), int(shown.bool().sum()))
