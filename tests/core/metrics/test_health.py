from __future__ import annotations

import pytest

from vsa_cli.core.metrics.health import caption_health


def test_by_hand() -> None:
    captions = [("a", "dog", "runs"), ("a", "dog", "runs"), ("a", "cat")]
    found = caption_health(captions, {("a", "cat"), ("x",)})
    assert found == {
        "copied": pytest.approx(1 / 3), "distinct": pytest.approx(2 / 3), "distinct_1": 4 / 8, "distinct_2": 3 / 5,
        "vocabulary": 4, "mean_length": pytest.approx(8 / 3),
    }  # fmt: skip


def test_without_training_sentences_nothing_is_said_of_copies() -> None:
    assert "copied" not in caption_health([("a",)])


def test_empty_captions_divide_by_nothing() -> None:
    assert caption_health([(), ()], set())["distinct_2"] == 0
