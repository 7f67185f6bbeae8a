"""Sentences of several corpora in random order: how often each occurs, and those of an image together."""

from __future__ import annotations

from collections import Counter
from itertools import groupby, pairwise

import pytest
import torch

from vsa_cli.core.learning import corpora
from vsa_cli.core.learning.corpora import drawn_of, shuffled, shuffled_by_image, shuffled_in_blocks

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


PHOTOGRAPHS = torch.arange(300).repeat_interleave(3)  # three sentences each, in blocks of six images
TEXT = torch.arange(150)


def in_blocks(weight: float = 1.0, size: int = 10, seed: int = 0) -> list[list[tuple[int, int]]]:
    sources = [PHOTOGRAPHS, TEXT], [torch.arange(300) // 6, None]
    return list(shuffled_in_blocks(*sources, [weight, 1.0], size, torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("weight", [1.0, 0.4, 2.5])
def test_blocks_have_every_sentence_as_often_as_without_them(weight: float) -> None:
    batches = in_blocks(weight)
    assert [len(batch) for batch in batches[:-1]] == [10] * (len(batches) - 1)
    counts = Counter(chosen for batch in batches for chosen in batch)
    assert sum(counts[0, i] for i in range(900)) == drawn_of(900, weight)
    assert {counts[0, i] for i in range(900)} <= {int(weight), int(weight) + 1}
    assert [counts[1, i] for i in range(150)] == [1] * 150


def test_blocks_and_the_sentences_within_are_shuffled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpora, "POOL", 5)
    chosen = [one for batch in in_blocks() for one in batch]
    photographs = [(place, int(PHOTOGRAPHS[i]) // 6) for place, (source, i) in enumerate(chosen) if source == 0]
    pool = len(chosen) / (50 / 5)
    first: dict[int, int] = {}
    for place, block in photographs:
        assert place - first.setdefault(block, place) <= 2 * pool  # a block is in one pool, or in two successive ones
    assert sorted(first, key=first.__getitem__) != sorted(first), "the blocks are shuffled"
    images = [int(PHOTOGRAPHS[i]) for source, i in chosen if source == 0]
    together = sum(one == other for one, other in pairwise(images))
    assert together < 0.1 * len(images), "the sentences of an image are apart"
    halves = [sum(source for source, _ in part) for part in (chosen[: len(chosen) // 2], chosen[len(chosen) // 2 :])]
    assert min(halves) > 50, "sentences without blocks are spread"


def test_the_order_of_blocks_depends_on_the_generator_alone() -> None:
    assert in_blocks() == in_blocks()
    assert in_blocks(seed=1) != in_blocks()
