from __future__ import annotations

import pytest

from vsa_cli.core.errors import ConfigError, MissingError
from vsa_cli.core.evaluation.compare import missed, read_thresholds

SCORES = {"CIDEr": 0.4, "BLEU-4": 0.2}


def test_what_is_missed_says_by_how_much() -> None:
    found = missed(read_thresholds(["CIDEr=0.5", "BLEU-4=0.2"]), SCORES, {}, None)
    assert found == ["CIDEr is 0.4, under 0.5 by 0.1"]


def test_thresholds_may_hang_on_the_baseline() -> None:
    arguments = read_thresholds(["CIDEr=baseline-0.2", "BLEU-4=baseline"])
    assert missed(arguments, SCORES, {}, {"CIDEr": 0.5, "BLEU-4": 0.25}) == ["BLEU-4 is 0.2, under 0.25 by 0.05"]


@pytest.mark.parametrize("text", ["CIDEr", "=1", "CIDEr=", "CIDEr=x", "CIDEr=1.2.3", "i2t_medr=3", "CIDEr=1e999"])
def test_other_shapes_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--fail-under"):
        read_thresholds([text])


def test_unmeasured_metrics_are_refused() -> None:
    with pytest.raises(ConfigError, match="CIDEr, BLEU-4"):
        missed(read_thresholds(["SPICE=0.1"]), SCORES, {}, None)
    with pytest.raises(MissingError, match="no java"):
        missed(read_thresholds(["METEOR=0.1"]), SCORES, {"METEOR": "no java"}, None)
    for baseline in (None, {"BLEU-4": 0.1}):
        with pytest.raises(ConfigError, match="--baseline"):
            missed(read_thresholds(["CIDEr=baseline"]), SCORES, {}, baseline)
