"""Average precision, and precision and recall, against counting by hand."""

from __future__ import annotations

import pytest
import torch

from vsa_cli.core.labels.scores import agreement, average_precision, mean_average_precision


def test_average_precision_by_hand() -> None:
    scores, shown = torch.tensor([0.1, 0.9, 0.5, 0.7]), torch.tensor([0.0, 1.0, 1.0, 0.0])
    assert average_precision(scores, shown) == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert average_precision(-scores, shown) == pytest.approx((1 / 2 + 2 / 4) / 2)


def test_mean_leaves_out_names_that_nothing_shows_and_what_is_unknown() -> None:
    scores = torch.tensor([[0.9, 0.5, 0.9], [0.8, 0.4, 0.1], [0.7, 0.3, 0.2]])
    shown = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    known = torch.tensor([[True, True, False], [True, True, True], [True, True, False]])
    assert mean_average_precision(scores, shown, known) == pytest.approx((0.5 + 1.0) / 2)
    assert mean_average_precision(scores, torch.zeros(3, 3), known) == 0


def test_agreement_counts_and_does_not_divide_by_zero() -> None:
    counts = agreement(torch.tensor([[0.5, 0.1], [0.6, 0.7]]), torch.tensor([[1, 1], [0, 1]]), 0.5)
    assert (counts.found, counts.right, counts.shown) == (3, 2, 3)
    assert counts.precision == counts.recall == pytest.approx(2 / 3)
    nothing = agreement(torch.zeros(2, 2), torch.zeros(2, 2), 0.5)
    assert (nothing.precision, nothing.recall) == (0, 0)
