"""Calibration: which captions are right, the logistic regression, held-out scores, and the file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.generation.calibration import (
    Judged,
    calibrate,
    fit_logistic,
    is_right,
    predict,
    read_calibration,
    read_for,
    reliability,
    write_calibration,
)
from vsa_cli.core.labels.names import Names

NAMES = Names(
    {"person": ["man", "men", "boy"], "boy": ["boy"], "dog": ["dog", "dogs"], "hot dog": ["hot dog"]}, ["dog house"]
)
REFERENCES = [("a", "man", "and", "his", "dogs"), ("two", "red", "things")]


@pytest.mark.parametrize(
    ("caption", "right"),
    [
        ("a man with a dog", True),
        ("A man, and two black dogs.", True),
        ("men", True),
        ("a boy with a dog", False),  # no reference has a boy
        ("a man eats a hot dog", False),
        ("two red things", False),  # it mentions nothing
        ("a dog house", False),
        ("", False),
    ],
)
def test_right_captions_mention_something_and_nothing_that_no_reference_mentions(caption: str, right: bool) -> None:
    assert is_right(caption, REFERENCES, NAMES) is right
    assert not is_right(caption, [], NAMES)


def drawn_outcomes(seed: int, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, 2)) * (3.0, 0.2) + (10.0, -1.0)
    truth = 1 / (1 + np.exp(-(0.4 * (x[:, 0] - 10) + 3 * (x[:, 1] + 1))))
    return x, (random.random(count) < truth).astype(float)


def log_likelihood(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    """Penalised as `fit_logistic` is, written out anew."""
    logits = weights[0] + x @ weights[1:]
    plain = sum(-np.log1p(np.exp(-z)) if right else -np.log1p(np.exp(z)) for z, right in zip(logits, y, strict=True))
    return float(plain - 0.5 * np.square(weights[1:] * x.std(0)).sum())


@pytest.mark.parametrize("seed", range(3))
def test_regression_is_at_the_maximum_of_the_likelihood(seed: int) -> None:
    x, y = drawn_outcomes(seed)
    weights = fit_logistic(x, y)
    best = log_likelihood(weights, x, y)
    for index in range(3):
        for size in (1e-4, 1e-2):
            up, down = (weights + sign * size * np.eye(3)[index] for sign in (1, -1))
            above, below = log_likelihood(up, x, y), log_likelihood(down, x, y)
            assert max(above, below) < best
        assert abs(above - below) / (2 * size) < 0.5, "the central difference vanishes up to the third derivative"
    assert weights[1:] == pytest.approx([0.4, 3.0], rel=0.5)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-5, 5), st.integers(0, 9), st.booleans()), min_size=2, max_size=30).filter(
        lambda rows: len({right for *_, right in rows}) == 2
    )
)
def test_mean_prediction_is_the_share_of_ones(rows: list[tuple[float, int, bool]]) -> None:
    x, y = np.array([row[:2] for row in rows], float), np.array([row[2] for row in rows], float)
    predicted = predict(fit_logistic(x, y), x)
    assert predicted.mean() == pytest.approx(y.mean(), abs=1e-6)


def test_regression_without_information_is_the_logit_of_the_share() -> None:
    weights = fit_logistic(np.full((8, 2), 7.0), np.array([1.0, 0, 0, 0] * 2))
    assert weights == pytest.approx([np.log(1 / 3), 0, 0])


def test_separable_outcomes_have_finite_weights() -> None:
    x = np.arange(20.0)[:, None]
    weights = fit_logistic(x, (x[:, 0] > 9).astype(float))
    assert np.isfinite(weights).all()
    assert predict(weights, np.array([[0.0], [19.0]])) == pytest.approx([0, 1], abs=0.2)


def test_captions_are_sorted_into_intervals_of_confidence() -> None:
    bins = reliability(np.array([0.0, 0.05, 0.31, 0.39, 1.0]), np.array([0.0, 1, 1, 1, 0]))
    assert [(one.low, one.high, one.captions, one.right) for one in bins] == [
        (0.0, 0.1, 2, 0.5), (0.3, 0.4, 2, 1.0), (0.9, 1.0, 1, 0.0),
    ]  # fmt: skip
    assert bins[1].confidence == pytest.approx(0.35)


def judged(count: int, seed: int = 0) -> list[Judged]:
    """Captions that are right with the probability that the first feature gives."""
    random = np.random.default_rng(seed)
    rows = [(float(m), 5.0, float(k), -1.0) for m, k in zip(random.normal(size=count), range(count), strict=True)]
    return [Judged(row, bool(row[2] and random.random() < 1 / (1 + np.exp(-2 * row[0])))) for row in rows]


def test_scores_are_those_of_captions_held_out() -> None:
    captions = [Judged((*one.features[:2], 1.0, -1.0), one.right) for one in judged(2000)]
    calibration, bins = calibrate(captions, NAMES, "val", "ab")
    scores, share = calibration.scores, np.mean([one.right for one in captions])
    assert scores.right == pytest.approx(share)
    assert (scores.captions, scores.split, scores.model_sha256, scores.sibling) == (2000, "val", "ab", False)
    assert sum(one.captions for one in bins) == 2000
    assert calibration.weights.mean_logprob == pytest.approx(2, rel=0.2)
    assert scores.brier < 0.8 * share * (1 - share)
    assert scores.ece < 0.05
    random = np.random.default_rng(1)
    noise = [Judged((float(random.normal()), 5.0, 1.0, -1.0), one.right) for one in captions]
    assert calibrate(noise, NAMES, "val", "")[0].scores.brier == pytest.approx(share * (1 - share), abs=0.01)


def test_captions_that_mention_nothing_count_as_wrong_but_do_not_bend_the_regression() -> None:
    captions = [Judged((*one.features[:2], 1.0, -1.0), one.right) for one in judged(100)]
    nothing = [Judged((5.0, 5.0, 0.0, 0.0), False)] * 100
    alone, mixed = (calibrate(some, NAMES, "val", "")[0] for some in (captions, nothing + captions))
    assert alone.weights == mixed.weights
    assert mixed.scores.right == pytest.approx(alone.scores.right / 2)
    assert mixed.scores.brier == pytest.approx(alone.scores.brier / 2)


@pytest.mark.parametrize("right", [0, 1, 9, 10])
def test_captions_that_are_all_alike_cannot_be_calibrated(right: int) -> None:
    captions = [Judged((-1.0, 5.0, 1.0, 0.0), number < right) for number in range(10)]
    with pytest.raises(DataError, match=f"10 of 10 captions mention something .* {right} of these are right"):
        calibrate(captions, NAMES, "val", "")
    with pytest.raises(DataError, match="0 of 0 captions"):
        calibrate([], NAMES, "val", "")


def test_file_is_read_back_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    calibration, _ = calibrate(judged(50), NAMES, "val", "ab")
    write_calibration(path, calibration, [])
    envelope, read = read_calibration(path)
    assert envelope.parents == {"model": {"format": "vsa-generator", "sha256": "ab"}}
    assert read.to_dict() == calibration.to_dict()
    for change in ({"format": "vsa-corpus"}, {"version": 99}, {"calibration": None}):
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
        with pytest.raises(ArtifactError, match=r"calibration\.json"):
            read_for(tmp_path, path)
        write_calibration(path, calibration, [])
    for text in ("", "[]", "{"):
        path.write_text(text)
        with pytest.raises((DataError, ArtifactError), match=r"calibration\.json"):
            read_calibration(path)
