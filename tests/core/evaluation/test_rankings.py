from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vsa_cli.core.errors import ArtifactError, ConfigError, DataError
from vsa_cli.core.evaluation.inputs import open_input
from vsa_cli.core.evaluation.rankings import evaluate_rankings
from vsa_cli.core.evaluation.results import Evaluation
from vsa_cli.core.io.envelope import Envelope


def query(direction: str, name: object, rank: object, **more: object) -> dict[str, Any]:
    return {"direction": direction, "query_id": name, "best_rank": rank, "top": [["x", 0.5]], **more}


def write(path: Path, lines: list[Any], config: dict[str, Any] | None = None) -> Path:
    envelope = Envelope("vsa-rankings", 1, {"split": "val"} if config is None else config).to_dict()
    path.write_text("".join(json.dumps(line) + "\n" for line in [envelope, *lines]), encoding="utf-8")
    return path


def evaluate(path: Path, folds: int | None = None) -> Evaluation:
    return evaluate_rankings(open_input(path), folds=folds)


def test_metrics_of_known_ranks(tmp_path: Path) -> None:
    lines = [query("i2t", 1, 1), query("i2t", 2, 7), query("t2i", "a", 1), query("t2i", "b", 2), query("t2i", "c", 30)]
    found = evaluate(write(tmp_path / "r.jsonl", lines))
    assert found.to_dict() == {
        "split": "val", "n_images": 2, "n_sentences": 3, "i2t_R@1": 50, "i2t_R@5": 50, "i2t_R@10": 100, "i2t_medr": 4,
        "i2t_meanr": 4, "t2i_R@1": pytest.approx(100 / 3), "t2i_R@5": pytest.approx(200 / 3),
        "t2i_R@10": pytest.approx(200 / 3), "t2i_medr": 2, "t2i_meanr": 11, "rsum": pytest.approx(200 + 500 / 3),
    }  # fmt: skip


def test_metrics_are_averaged_over_folds(tmp_path: Path) -> None:
    lines = [query(way, f"{fold}{n}", fold + 1, fold=fold) for way in ("i2t", "t2i") for fold in (0, 1) for n in (1, 2)]
    lines.append(query("i2t", "more", 1, fold=0))
    path = write(tmp_path / "r.jsonl", lines)
    found = evaluate(path, folds=2)
    assert found.scores["i2t_R@1"] == 50  # the mean of 100 and 0, although 3 of 5 queries are right
    assert found.scores["i2t_medr"] == 1.5
    assert (found.head["folds"], found.head["n_images"]) == (2, 5)
    assert {row["fold"] for row in found.rows} == {0, 1}
    with pytest.raises(ConfigError, match="2 folds"):
        evaluate(path, folds=5)


def test_folds_are_rejected_for_a_file_without_folds(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="without folds"):
        evaluate(write(tmp_path / "r", [query("i2t", 1, 1), query("t2i", 1, 1)]), folds=5)


def test_directions_are_resampled_separately(tmp_path: Path) -> None:
    lines = [query("i2t", n, 1) for n in range(4)] + [query("t2i", n, n + 1) for n in range(6)]
    sample = evaluate(write(tmp_path / "r", lines)).sample
    assert sample.strata == (4, 6)
    found = sample.measure(np.ones((1, 10)))
    assert found["i2t_R@1"][0] == 100
    assert found["t2i_R@5"][0] == pytest.approx(500 / 6)


@pytest.mark.parametrize(
    "line",
    [
        query("up", 1, 1), query("i2t", None, 1), query("i2t", 1, 0), query("i2t", 1, True), query("i2t", 1, 1.5),
        query("i2t", 1, "1"), query("i2t", 1, 1, fold="x"), query("i2t", 1, 10**30), 3, None, {},
    ],
)  # fmt: skip
def test_damaged_line_is_reported_with_its_number(tmp_path: Path, line: object) -> None:
    path = write(tmp_path / "r", [query("t2i", 1, 1), query("i2t", 9, 1), line])
    with pytest.raises(ArtifactError, match="line 4"):
        evaluate(path)


def test_duplicate_queries_and_missing_directions_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="duplicate query"):
        evaluate(write(tmp_path / "r", [query("i2t", 1, 1), query("i2t", 1, 2)]))
    with pytest.raises(DataError, match="no t2i"):
        evaluate(write(tmp_path / "r", [query("i2t", 1, 1)]))
    with pytest.raises(DataError, match="no queries"):
        evaluate(write(tmp_path / "r", []))
