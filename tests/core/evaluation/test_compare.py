from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vsa_cli.core.errors import DataError
from vsa_cli.core.evaluation.compare import against_baseline, compare, doubts_about, read_baseline
from vsa_cli.core.evaluation.results import Evaluation, Mode, Sample


def evaluation(values: list[float], units: str | None = None, mode: Mode = "captions") -> Evaluation:
    table = np.array(values)
    sample = Sample(
        tuple(units if units is not None else map(str, range(len(values)))),
        (len(values),),
        lambda weights: {"score": weights @ table / len(values)},
    )
    return Evaluation(mode, {"split": "val"}, {"score": float(table.mean())}, sample)


def test_what_both_share_falls_out_of_the_difference() -> None:
    """Images differ wildly, the change is the same for each: the interval is that change, not the images' spread."""
    values = list(np.random.default_rng(0).normal(scale=100, size=50))
    found = compare(evaluation(values), evaluation([value + 1 for value in values]), samples=300)
    assert found["score_change"] == pytest.approx(1)
    assert (found["score_change_low"], found["score_change_high"]) == pytest.approx((1, 1))
    assert found["score_p"] == pytest.approx(2 / 301)


def test_nothing_changed() -> None:
    values = [0.0, 1.0, 0.5]
    found = compare(evaluation(values), evaluation(values), samples=100)
    assert [found[f"score_{what}"] for what in ("change", "change_low", "change_high", "p")] == [0, 0, 0, 1]


def test_chance_is_not_taken_for_change() -> None:
    random = np.random.default_rng(1)
    one, two = random.normal(size=(2, 40))
    found = compare(evaluation(list(one)), evaluation(list(two)), samples=500)
    assert found["score_change_low"] < 0 < found["score_change_high"]


def test_only_equals_are_compared() -> None:
    with pytest.raises(DataError, match="same images"):
        compare(evaluation([1, 2], "ab"), evaluation([1, 2], "ba"))
    with pytest.raises(DataError, match="2 old, 3 new, 2 in both"):
        compare(evaluation([1, 2], "ab"), evaluation([1, 2, 3], "abc"))
    with pytest.raises(DataError, match="holds rankings"):
        compare(evaluation([1, 2], mode="rankings"), evaluation([1, 2]))


def test_a_baseline_is_a_saved_result(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text('{"split": "val", "CIDEr": 0.5, "METEOR": null, "n_images": 3, "x": true, "ci": [1, 2]}')
    assert read_baseline(path) == {"CIDEr": 0.5, "n_images": 3}
    assert against_baseline({"CIDEr": 0.75, "BLEU-1": 1}, read_baseline(path), "old.json") == {
        "CIDEr_baseline": 0.5, "CIDEr_change": 0.25,
    }  # fmt: skip
    with pytest.raises(DataError, match="none of the metrics"):
        against_baseline({"BLEU-1": 1}, read_baseline(path), "old.json")


def test_a_baseline_of_other_data_is_doubted() -> None:
    head = {"split": "val", "n_images": 3, "n_references": 15}
    assert doubts_about({"n_images": 3, "CIDEr": 1}, head, "old.json") == []
    assert doubts_about({"n_images": 4}, head, "old.json") == ["old.json: is of 4 images, these scores of 3"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"CIDEr": "x"}', '{"CIDEr": NaN}', '{"CIDEr": 1e999}'])
def test_other_files_are_no_baseline(tmp_path: Path, text: str) -> None:
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(DataError):
        read_baseline(tmp_path / "b.json")
