from __future__ import annotations

import pytest

from vsa_cli.core.metrics.diversity import caption_diversity


def test_measures_equal_hand_counts() -> None:
    captions = [("a", "dog", "runs"), ("a", "dog", "runs"), ("a", "cat")]
    found = caption_diversity(captions, {("a", "cat"), ("x",)})
    assert found == {
        "copied": pytest.approx(1 / 3), "distinct": pytest.approx(2 / 3), "distinct_1": 4 / 8, "distinct_2": 3 / 5,
        "vocabulary": 4, "mean_length": pytest.approx(8 / 3),
    }  # fmt: skip


def test_without_training_sentences_copied_is_absent() -> None:
    assert "copied" not in caption_diversity([("a",)])


def test_empty_captions_do_not_divide_by_zero() -> None:
    assert caption_diversity([(), ()], set())["distinct_2"] == 0
