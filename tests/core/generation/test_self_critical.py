"""The policy gradient of self-critical training, against its definition."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import pytest
import torch

from tests.core.generation.test_model import D, V, packed, pairs
from vsa_cli.core.config import SELF_CRITICAL, GeneratorConfig
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.generation.model import Generator, no_tags
from vsa_cli.core.generation.self_critical import MetricBatch, ReferencedImages, SelfCriticalTask

WORDS = Vocabulary(("a", "dog", "cat", "runs", "red", "ball"), (6, 5, 4, 3, 2, 1), "drop")
CAPTIONS = ("a dog runs", "a cat", "a red ball runs")


@pytest.fixture
def task() -> SelfCriticalTask:
    torch.manual_seed(0)
    model = Generator(GeneratorConfig("rnn", 4, 6, 0.0), D, WORDS.size)
    assert WORDS.size == V
    described = ReferencedImages(torch.randn(3, D), tuple((text, text) for text in CAPTIONS), WORDS.start)
    return SelfCriticalTask(model, WORDS, [described], [], replace(SELF_CRITICAL, samples=2))


def first_image(task: SelfCriticalTask) -> MetricBatch:
    draws = torch.zeros(2, 20, dtype=torch.float64)
    return task._train[0].batch(torch.tensor([0]), no_tags(1), draws)


def test_log_probabilities_are_in_the_order_of_the_captions(task: SelfCriticalTask) -> None:
    data = replace(pairs(), descriptors=torch.randn(3, D))
    found = task._log_probability(
        replace(first_image(task), descriptors=data.descriptors), data.image, list(data.sentences)
    )
    for i, sentence in enumerate(data.sentences):
        alone = task.model(packed(data, [i])).sum() / (len(sentence) + 1)
        assert float(found[i].detach()) == pytest.approx(float(alone.detach()), rel=2e-2)  # bfloat16 where it is fast


def test_caption_with_the_higher_reward_becomes_likelier(task: SelfCriticalTask) -> None:
    good, bad = tuple(WORDS.encode(CAPTIONS[0].split())), tuple(WORDS.encode(["cat", "cat"]))
    batch = first_image(task)

    def likelihoods() -> list[float]:
        with torch.no_grad():
            image = torch.tensor([0, 0])
            return task._log_probability(batch, image, [good, bad]).tolist()

    before = likelihoods()
    optimizer = torch.optim.SGD(task.model.parameters(), lr=0.005)
    with patch.object(task, "_sample", return_value=[good, bad]):
        for _ in range(5):
            objective, loss, count = task.loss(batch)
            optimizer.zero_grad()
            objective.backward()
            optimizer.step()
    after = likelihoods()
    assert count == 2
    assert loss < 0
    assert after[0] > before[0]
    assert after[1] < before[1]


def test_equal_rewards_give_no_gradient(task: SelfCriticalTask) -> None:
    same = tuple(WORDS.encode(["a", "dog"]))
    with patch.object(task, "_sample", return_value=[same, same]):
        objective, _, _ = task.loss(first_image(task))
    objective.backward()
    assert all(p.grad is None or float(p.grad.abs().max()) == 0 for p in task.model.parameters())
