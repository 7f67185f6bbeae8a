"""Sentences of several corpora in random order: how often each occurs, and those of an image together."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

import pytest
import torch

from vsa_cli.core.learning.corpora import drawn_of, shuffled, shuffled_by_image

IMAGES = [torch.tensor([0, 0, 0, 1, 2, 2]), torch.tensor([0, 1, 1, 1])]


def epoch(weights: list[float], size: int, seed: int = 0) -> list[list[tuple[int, int]]]:
    return list(shuffled_by_image(IMAGES, weights, size, torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("weights", [[1.0, 1.0], [2.0, 1.0], [1.5, 0.5], [0.3, 3.25]])
@pytest.mark.parametrize("size", [1, 4, 100])
def test_sentences_occur_as_often_as_without_grouping(weights: list[float], size: int) -> None:
    batches = epoch(weights, size)
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    found = Counter(chosen for batch in batches for chosen in batch)
    for source, (image, weight) in enumerate(zip(IMAGES, weights, strict=True)):
        counts = [found[source, sentence] for sentence in range(len(image))]
        assert sum(counts) == drawn_of(len(image), weight)
        assert set(counts) <= {int(weight), int(weight) + 1}
    alike = shuffled([len(image) for image in IMAGES], weights, size, torch.Generator().manual_seed(0))
    assert Counter(chosen for batch in alike for chosen in batch).total() == found.total()


def test_the_sentences_of_an_image_follow_each_other_once_for_each_copy() -> None:
    chosen = [one for batch in epoch([2.0, 1.0], 3) for one in batch]
    runs = [list(run) for _, run in groupby(chosen, key=lambda one: (one[0], int(IMAGES[one[0]][one[1]])))]
    assert len(runs) <= 2 * 3 + 2
    for run in runs:
        copies = Counter(run)
        assert set(copies.values()) in ({1}, {2})  # two visits of an image may follow each other


def test_the_order_depends_on_the_generator_alone() -> None:
    assert epoch([1.5, 1.0], 4) == epoch([1.5, 1.0], 4)
    orders = {tuple(one for batch in epoch([1.0, 1.0], 4, seed) for one in batch) for seed in range(8)}
    assert len(orders) > 4
