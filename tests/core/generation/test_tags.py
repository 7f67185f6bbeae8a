"""Tags of photographs, and tags drawn for sentences without photographs."""

from __future__ import annotations

import pytest
import torch

from vsa_cli.core.generation.tags import AT_LEAST, DrawnTags, PhotographTags, Rates, choose, with_labels
from vsa_cli.core.regions.image_regions import Label

NAMES = ("dog", "cat", "ball", "tree")
NONE = len(NAMES)


def test_tags_are_the_surest_names() -> None:
    probabilities = torch.tensor([[0.5, 0.9, 0.1, 0.4], [0.1, 0.2, 0.3, AT_LEAST]])
    assert choose(probabilities, 2).tolist() == [[1, 0], [3, NONE]]
    assert choose(probabilities, 6).tolist() == [[1, 0, 3, *[NONE] * 3], [3, *[NONE] * 5]]


def test_labels_of_a_detector_raise_probabilities() -> None:
    labels = [[Label(0, "cat", 0.8), Label(1, "cat", 0.6), Label(2, "unicorn", 0.9)], [Label(0, "dog", 0.05)]]
    raised = with_labels(torch.full((2, 4), 0.1), labels, NAMES)
    torch.testing.assert_close(raised, torch.tensor([[0.1, 0.8, 0.1, 0.1], [0.1] * 4]))


def test_photographs_show_tags_with_and_without_the_detector() -> None:
    tags = PhotographTags(torch.tensor([[0, NONE]] * 200), torch.tensor([[0, 1]] * 200), torch.zeros(200, 4))
    everything = torch.arange(200)
    assert tags.draw(everything, None).tolist() == [[0, 1]] * 200
    drawn = tags.draw(everything, torch.Generator().manual_seed(0))
    assert 60 < int((drawn[:, 1] == 1).sum()) < 140


def test_rates_are_shares_of_photographs() -> None:
    generator = torch.Generator().manual_seed(0)
    mentioned = torch.rand(20_000, 4, generator=generator) < 0.3
    chance = torch.where(mentioned, torch.tensor([0.9, 0.5, 0.7, 0.2]), torch.tensor([0.05, 0.01, 0.1, 0.02]))
    rates = Rates.measure(torch.rand(mentioned.shape, generator=generator) < chance, mentioned)
    torch.testing.assert_close(rates.found, torch.tensor([0.9, 0.5, 0.7, 0.2]), atol=0.02, rtol=0)
    torch.testing.assert_close(rates.invented, torch.tensor([0.05, 0.01, 0.1, 0.02]), atol=0.01, rtol=0)


def test_rates_of_names_that_never_occur_are_the_average() -> None:
    mentioned = torch.tensor([[True, False], [True, False]])
    rates = Rates.measure(torch.tensor([[True, False], [False, False]]), mentioned)
    assert rates.found[1] == pytest.approx(0.5)
    assert torch.isfinite(rates.invented).all()


def test_tags_are_drawn_with_omissions_and_errors_at_the_given_rates() -> None:
    rates = Rates(torch.tensor([0.9, 0.5, 1.0, 0.7]), torch.tensor([0.2, 0.1, 0.0, 0.05]))
    tags = DrawnTags(((0, 1), (2,)) * 10_000, rates, limit=4)
    drawn = tags.draw(torch.arange(20_000), torch.Generator().manual_seed(0))
    shares = torch.stack([(drawn == name).any(1).float() for name in range(NONE)], 1)
    torch.testing.assert_close(shares[::2].mean(0), torch.tensor([0.9, 0.5, 0.0, 0.05]), atol=0.02, rtol=0)
    torch.testing.assert_close(shares[1::2].mean(0), torch.tensor([0.2, 0.1, 1.0, 0.05]), atol=0.02, rtol=0)
    assert tags.draw(torch.tensor([1, 0]), None).tolist() == [[2, NONE, NONE, NONE], [0, 1, NONE, NONE]]


def test_too_many_drawn_tags_are_shortened_at_random() -> None:
    tags = DrawnTags(((0, 1, 2, 3),), Rates(torch.ones(4), torch.zeros(4)), limit=1)
    generator = torch.Generator().manual_seed(0)
    assert {int(tags.draw(torch.tensor([0]), generator)) for _ in range(100)} == {0, 1, 2, 3}
