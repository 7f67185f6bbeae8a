"""The confidence of captions: its features, its stored form, and what is withheld."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vsa_cli.core.config import DecodingConfig
from vsa_cli.core.errors import ArtifactError, ConfigError
from vsa_cli.core.generation.confidence import (
    Calibration,
    Scores,
    Weights,
    calibration_of,
    features,
    shown_in,
    sigmoid,
    usable,
    withhold,
)
from vsa_cli.core.generation.results import Candidate, CaptionResult, RegionCaption
from vsa_cli.core.io.sources import Photo
from vsa_cli.core.labels.names import Names

NAMES = Names({"person": ["man", "boy"], "boy": ["boy"], "hot dog": ["hot dog"], "dog": ["dog", "dogs"]})
SCORES = Scores(captions=300, right=0.5, brier=0.2, ece=0.02, split="val", model_sha256="0" * 64)
CALIBRATION = Calibration(Weights(1.0, 2.0, -0.1, -0.5, 0.3), SCORES, NAMES)


def result(confidence: float | None, **more: Any) -> CaptionResult:
    candidates = (Candidate("a dog", -1.0, confidence), Candidate("the dog", -2.0, 0.9))
    return CaptionResult(Photo("a.jpg", "a.jpg", Path("a.jpg")), candidates, None, **more)


def test_features_are_the_length_the_likelihood_and_how_surely_each_thing_is_seen() -> None:
    shown = {"person": 0.5, "boy": 0.001, "cat": 1.0}
    assert features(Candidate("a boy eats a hot dog", -7.0), shown, NAMES) == (
        -1.0, 6.0, 3.0, pytest.approx(math.log(0.5) + math.log(0.02)),
    )  # fmt: skip
    assert features(Candidate("", -1.0), {}, NAMES) == (-1.0, 0.0, 0.0, 0.0)
    assert features(Candidate("a dog", None), {}, NAMES) is None


def test_confidence_is_that_of_the_formula() -> None:
    shown, unsure, _ = shown_in(("dog", "person"), torch.tensor([[0.8, 0.5], [0.01, 0.5], [0.05, 0.5]]))
    expected = 1 / (1 + math.exp(-(1 + 2 * -2 / 4 - 0.1 * 3 - 0.5 * 1 + 0.3 * math.log(0.8))))
    assert CALIBRATION.confidence(Candidate("two dogs run", -2.0), shown) == pytest.approx(expected, abs=1e-4)
    sure, less = (CALIBRATION.confidence(Candidate("a dog", -1.0), one) for one in (shown, unsure))
    assert sure is not None
    assert less is not None
    assert sure > less
    assert CALIBRATION.confidence(Candidate("red", -2.0), shown) == 0.0, "it mentions nothing"
    assert CALIBRATION.confidence(Candidate("a dog", None), shown) is None
    rated = CALIBRATION.rate([(Candidate("two dogs run", -2.0), Candidate("red", -2.0)), ()], [shown, unsure])
    assert [one.confidence for one in rated[0]] == [pytest.approx(expected, abs=1e-4), 0.0]
    assert rated[1] == ()


@given(st.floats(-1e9, 1e9))
def test_sigmoid_does_not_overflow(x: float) -> None:
    assert 0 <= sigmoid(x) <= 1
    assert sigmoid(x) + sigmoid(-x) == pytest.approx(1)


def test_stored_form_is_read_back() -> None:
    stored = CALIBRATION.to_dict()
    read = Calibration.from_dict(stored, "gen")
    assert (read.weights, read.scores, read.names.to_dict()) == (CALIBRATION.weights, SCORES, NAMES.to_dict())
    assert calibration_of({"calibration": stored}, "gen") is not None
    assert calibration_of({"scores": {}}, "gen") is None


@pytest.mark.parametrize(
    "change",
    [
        {"weights": None}, {"weights": {"bias": 1.0}}, {"weights": []}, {"scores": {}}, {"names": {}}, {"names": None},
        {"weights": {**CALIBRATION.to_dict()["weights"], "bias": 1e300}},
        {"weights": {**CALIBRATION.to_dict()["weights"], "bias": math.nan}},
        {"weights": {**CALIBRATION.to_dict()["weights"], "bias": "1"}},
        {"weights": {**CALIBRATION.to_dict()["weights"], "more": 1.0}},
        {"scores": {**CALIBRATION.to_dict()["scores"], "ece": 1.5}},
        {"scores": {**CALIBRATION.to_dict()["scores"], "captions": -1}},
        {"scores": {**CALIBRATION.to_dict()["scores"], "sibling": "yes"}},
    ],
)  # fmt: skip
def test_damaged_calibration_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ArtifactError, match="gen"):
        Calibration.from_dict({**CALIBRATION.to_dict(), **change}, "gen")
    with pytest.raises(ArtifactError, match="gen"):
        calibration_of({"calibration": 3}, "gen")


def test_captions_below_the_minimum_are_withheld_with_a_reason() -> None:
    region = RegionCaption((0, 0, 1, 1), "a dog", -1.0)
    low, high, none = result(0.31, regions=(region,)), result(0.5), result(None)
    failed = replace(none, candidates=(), error="broken")
    kept = list(withhold([low, high, none, failed], 0.5))
    assert kept[0] == replace(low, candidates=(), confidence=0.31, withheld="confidence 0.31 is below 0.5")
    assert (kept[0].caption, kept[0].logprob, kept[0].error, kept[0].regions) == (None, None, None, (region,))
    assert kept[1:] == [replace(high, confidence=0.5), none, failed]
    assert list(withhold([low], None)) == [replace(low, confidence=0.31)]


def test_samples_and_models_without_calibration_have_no_confidence() -> None:
    search, sampling = DecodingConfig(), DecodingConfig(sample=True)
    assert usable(CALIBRATION, search, 0.5) is CALIBRATION
    assert usable(CALIBRATION, sampling, None) is usable(None, search, None) is None
    with pytest.raises(ConfigError, match="sampled captions have no confidence"):
        usable(CALIBRATION, sampling, 0.5)
    with pytest.raises(ConfigError, match="`vsa calibrate` makes one"):
        usable(None, search, 0.5)
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(ConfigError, match="from 0 to 1"):
            usable(CALIBRATION, search, wrong)
