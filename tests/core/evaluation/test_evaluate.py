"""The settings that apply to captions, rankings and word scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vsa_cli.core.errors import ConfigError
from vsa_cli.core.evaluation.evaluate import evaluate
from vsa_cli.core.io.envelope import Envelope


def write(path: Path, mode: str) -> Path:
    content: object = [{"image_id": 1, "caption": "a dog"}]
    path.write_text(json.dumps(content if mode == "captions" else Envelope(f"vsa-{mode}", 1).to_dict()) + "\n")
    return path


@pytest.mark.parametrize(
    ("mode", "settings", "message"),
    [
        ("captions", {"references": Path("r"), "folds": 2}, "contains captions, to which `folds` does not apply"),
        ("captions", {"boxes": Path("b"), "folds": 2}, "`boxes` and `folds` do not apply"),
        ("captions", {}, "give their references with `references`"),
        ("captions", {"metric": ["SPICE"]}, "`metric` SPICE: choose from BLEU, METEOR, ROUGE-L, CIDEr"),
        ("rankings", {"references": Path("r")}, "contains rankings, to which `references` does not apply"),
        ("rankings", {"boxes": Path("b")}, "`boxes`"),
        ("alignments", {}, "give the phrases' ground-truth boxes with `boxes`"),
        ("alignments", {"boxes": Path("b"), "split": "val"}, "`split`"),
    ],
)
def test_settings_that_do_not_apply_or_are_missing_are_rejected(
    tmp_path: Path, mode: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        evaluate(write(tmp_path / "file", mode), **settings)
    assert message in str(error.value)
