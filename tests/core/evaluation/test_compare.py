from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vsa_cli.core.errors import ConfigError, DataError, MissingError
from vsa_cli.core.evaluation.compare import (
    baseline_changes,
    baseline_mismatches,
    compare,
    missed_thresholds,
    parse_thresholds,
    read_baseline,
)
from vsa_cli.core.evaluation.results import Evaluation, Mode, Sample

SCORES = {"CIDEr": 0.4, "BLEU-4": 0.2}


def evaluation(values: list[float], units: str | None = None, mode: Mode = "captions") -> Evaluation:
    table = np.array(values)
    sample = Sample(
        tuple(units if units is not None else map(str, range(len(values)))),
        (len(values),),
        lambda weights: {"score": weights @ table / len(values)},
    )
    return Evaluation(mode, {"split": "val"}, {"score": float(table.mean())}, sample)


def test_variation_between_images_cancels_out() -> None:
    """Images differ widely, but the change is the same for each: the interval is that change, not their spread."""
    values = list(np.random.default_rng(0).normal(scale=100, size=50))
    found = compare(evaluation(values), evaluation([value + 1 for value in values]), samples=300)
    assert found["score_change"] == pytest.approx(1)
    assert (found["score_change_low"], found["score_change_high"]) == pytest.approx((1, 1))
    assert found["score_p"] == pytest.approx(2 / 301)


def test_equal_files_have_no_change_and_p_1() -> None:
    values = [0.0, 1.0, 0.5]
    found = compare(evaluation(values), evaluation(values), samples=100)
    assert [found[f"score_{what}"] for what in ("change", "change_low", "change_high", "p")] == [0, 0, 0, 1]


def test_interval_of_unrelated_scores_contains_zero() -> None:
    random = np.random.default_rng(1)
    one, two = random.normal(size=(2, 40))
    found = compare(evaluation(list(one)), evaluation(list(two)), samples=500)
    assert found["score_change_low"] < 0 < found["score_change_high"]


def test_files_with_different_units_are_rejected() -> None:
    with pytest.raises(DataError, match="same images"):
        compare(evaluation([1, 2], "ab"), evaluation([1, 2], "ba"))
    with pytest.raises(DataError, match="2 old, 3 new, 2 in both"):
        compare(evaluation([1, 2], "ab"), evaluation([1, 2, 3], "abc"))
    with pytest.raises(DataError, match="contains rankings"):
        compare(evaluation([1, 2], mode="rankings"), evaluation([1, 2]))


def test_baseline_is_read_from_saved_json(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text('{"split": "val", "CIDEr": 0.5, "METEOR": null, "n_images": 3, "x": true, "ci": [1, 2]}')
    assert read_baseline(path) == {"CIDEr": 0.5, "n_images": 3}
    assert baseline_changes({"CIDEr": 0.75, "BLEU-1": 1}, read_baseline(path), "old.json") == {
        "CIDEr_baseline": 0.5, "CIDEr_change": 0.25,
    }  # fmt: skip
    with pytest.raises(DataError, match="none of the metrics"):
        baseline_changes({"BLEU-1": 1}, read_baseline(path), "old.json")


def test_baseline_of_other_data_is_reported() -> None:
    head = {"split": "val", "n_images": 3, "n_references": 15}
    assert baseline_mismatches({"n_images": 3, "CIDEr": 1}, head, "old.json") == []
    assert baseline_mismatches({"n_images": 4}, head, "old.json") == [
        "old.json: the baseline was computed on 4 images, these scores on 3"
    ]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"CIDEr": "x"}', '{"CIDEr": NaN}', '{"CIDEr": 1e999}'])
def test_files_without_scores_are_rejected_as_baseline(tmp_path: Path, text: str) -> None:
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(DataError):
        read_baseline(tmp_path / "b.json")


def test_missed_threshold_is_reported_with_the_difference() -> None:
    found = missed_thresholds(parse_thresholds(["CIDEr=0.5", "BLEU-4=0.2"]), SCORES, {}, None)
    assert found == ["CIDEr is 0.4, under 0.5 by 0.1"]


def test_threshold_relative_to_the_baseline() -> None:
    arguments = parse_thresholds(["CIDEr=baseline-0.2", "BLEU-4=baseline"])
    assert missed_thresholds(arguments, SCORES, {}, {"CIDEr": 0.5, "BLEU-4": 0.25}) == [
        "BLEU-4 is 0.2, under 0.25 by 0.05"
    ]


@pytest.mark.parametrize("text", ["CIDEr", "=1", "CIDEr=", "CIDEr=x", "CIDEr=1.2.3", "i2t_medr=3", "CIDEr=1e999"])
def test_malformed_threshold_is_rejected(text: str) -> None:
    with pytest.raises(ConfigError, match="`fail_under`"):
        parse_thresholds([text])


def test_metric_that_was_not_computed_is_rejected() -> None:
    with pytest.raises(ConfigError, match="CIDEr, BLEU-4"):
        missed_thresholds(parse_thresholds(["SPICE=0.1"]), SCORES, {}, None)
    with pytest.raises(MissingError, match="no java"):
        missed_thresholds(parse_thresholds(["METEOR=0.1"]), SCORES, {"METEOR": "no java"}, None)
    for baseline in (None, {"BLEU-4": 0.1}):
        with pytest.raises(ConfigError, match="`baseline`"):
            missed_thresholds(parse_thresholds(["CIDEr=baseline"]), SCORES, {}, baseline)
