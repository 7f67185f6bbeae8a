"""`vsa pack`: half the size, the same captions and scores."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import Result

from tests.conftest import Drawn
from vsa_cli.core.io.files import file_sha256

Run = Callable[..., Result]


def test_packed_generator_has_half_the_size_and_the_same_captions(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    result = vsa("pack", drawn.model, "-o", packed)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in packed.iterdir()) == ["config.json", "model.safetensors"]
    before, after = ((folder / "model.safetensors").stat().st_size for folder in (drawn.model, packed))
    assert after < 0.55 * before
    captions, captions_packed = (
        [json.loads(line) for line in vsa("caption", drawn.photos, "-m", m, "--format", "jsonl").stdout.splitlines()]
        for m in (drawn.model, packed)
    )
    assert [one["caption"] for one in captions] == [one["caption"] for one in captions_packed]
    assert [one["logprob"] for one in captions] == pytest.approx([one["logprob"] for one in captions_packed], abs=0.02)


def test_packed_alignment_model_has_the_same_scores(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path) -> None:
    packed = tmp_path / "packed"
    assert vsa("pack", embed, "-o", packed).exit_code == 0
    found, found_packed = (
        json.loads(vsa("retrieve", "a red circle", drawn.photos, "-m", m, "--json").stdout) for m in (embed, packed)
    )
    assert [one["score"] for one in found] == pytest.approx([one["score"] for one in found_packed], abs=0.01)
    tensors = load_file(packed / "model.safetensors")
    assert {t.dtype for t in tensors.values() if t.ndim > 1} == {torch.float16}
    assert {t.dtype for t in tensors.values() if t.ndim < 2} == {torch.float32}


def test_weights_beyond_float16_are_refused(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_bytes((drawn.model / "config.json").read_bytes())
    tensors = load_file(drawn.model / "model.safetensors")
    tensors["words.weight"][0, 0] = 1e6
    save_file(tensors, model / "model.safetensors", {"config_sha256": file_sha256(model / "config.json")})
    result = vsa("pack", model, "-o", tmp_path / "packed")
    assert result.exit_code == 1
    assert "words.weight" in result.stderr
    assert "float16" in result.stderr
    assert not (tmp_path / "packed").exists()


def test_pack_refuses_other_folders_and_existing_outputs(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    assert vsa("pack", drawn.photos, "-o", tmp_path / "packed").exit_code == 1
    (tmp_path / "there").mkdir()
    assert vsa("pack", drawn.model, "-o", tmp_path / "there").exit_code == 2
