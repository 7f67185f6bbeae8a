"""`dev` is accepted wherever a split is, and recorded as `val`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.conftest import Drawn

Run = Callable[..., Result]


@pytest.mark.parametrize("command", ["train-embed", "train-gen"])
@pytest.mark.parametrize("name", ["dev", "validation", "val"])
def test_training_plans_name_val(vsa: Run, drawn: Drawn, tmp_path: Path, command: str, name: str) -> None:
    options = ("-o", tmp_path / "model", "--split", name, "--validate", name, "--dry-run", "--json", "--quiet")
    result = vsa(command, drawn.corpus, drawn.regions, *options)
    assert result.exit_code == 0, result.output
    plan = json.loads(result.stdout)
    assert (plan["split"], plan["validate"]) == ("val", "val")


def test_model_trained_on_dev_records_val(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    options = ("--split", "dev", "--validate", "dev", "--epochs", 1, "--size", 16, "--hidden-size", 8, "--quiet")
    assert vsa("train-embed", drawn.corpus, drawn.regions, "-o", tmp_path / "embed", *options).exit_code == 0
    text = (tmp_path / "embed" / "config.json").read_text()
    assert '"val"' in text
    assert '"dev"' not in text


def test_rankings_of_dev_record_val(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path) -> None:
    stored = ("--corpus", drawn.corpus, "--regions-file", drawn.regions, "--model", embed)
    assert vsa("retrieve", *stored, "--split", "dev", "-o", tmp_path / "r.jsonl").exit_code == 0
    head = json.loads((tmp_path / "r.jsonl").read_text().splitlines()[0])
    assert head["config"]["split"] == "val"


@pytest.mark.parametrize("command", ["caption", "extract-regions"])
def test_unknown_split_exits_with_2_and_lists_the_names(vsa: Run, drawn: Drawn, tmp_path: Path, command: str) -> None:
    if command == "caption":
        result = vsa(
            command, "--corpus", drawn.corpus, "--regions-file", drawn.regions, "--model", drawn.model, "--split", "x"
        )
    else:
        result = vsa(command, drawn.corpus, "-o", tmp_path / "r.h5", "--detector", "grid", "--split", "x")
    assert result.exit_code == 2
    assert "x: not a split; choose from train, tune, val (or dev), test, all" in result.stderr


def test_captions_scored_on_dev_are_reported_as_val(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    stored = ("--corpus", drawn.corpus, "--regions-file", drawn.regions, "--model", drawn.model)
    assert vsa("caption", *stored, "--split", "dev", "--format", "jsonl", "-o", tmp_path / "c.jsonl").exit_code == 0
    options = ("--references", drawn.corpus, "--split", "dev", "--metric", "BLEU", "--json", "--quiet")
    result = vsa("evaluate", tmp_path / "c.jsonl", *options)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["split"] == "val"
