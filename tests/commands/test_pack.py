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
from vsa_cli.core.config import LabellerConfig
from vsa_cli.core.embedding.model import read_embedding
from vsa_cli.core.io.envelope import LABELLER, VERSIONS, Envelope, to_dict
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.labels.labeller import Labeller, write_labeller
from vsa_cli.core.labels.names import Names
from vsa_cli.core.regions.feature_spec import FeatureSpec

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


def labeller_for(spec: FeatureSpec, folder: Path) -> Path:
    """Write a labeller that sees a circle in every region with a large first number."""
    names = Names({"circle": ["circle"]})
    config = LabellerConfig(names.names, 1)
    model = Labeller(config, spec.descriptor_size)
    envelope = Envelope(LABELLER, VERSIONS[LABELLER], {"model": to_dict(config)}, {}, 0)
    write_labeller(folder, envelope, names, spec, {}, model.state_dict())
    return folder


def test_labeller_goes_with_an_alignment_model(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path) -> None:
    spec = read_embedding(embed, torch.device("cpu")).feature_spec
    labels, packed, again = labeller_for(spec, tmp_path / "labels"), tmp_path / "packed", tmp_path / "again"
    assert vsa("pack", embed, "--labels", labels, "-o", packed).exit_code == 0
    assert vsa("pack", packed, "-o", again).exit_code == 0
    assert read_embedding(again, torch.device("cpu")).labeller is not None
    assert "labeller: names 1" in vsa("info", again).stdout
    photo = sorted(drawn.photos.iterdir())[0]
    result = vsa("align", photo, "a red circle", "-m", again, "--json")
    assert result.exit_code == 0, result.output
    assert [word for snippet in json.loads(result.stdout) for word in snippet["words"]] == ["a", "red", "circle"]

    over = vsa("pack", embed, "-o", packed, "--force")  # the labeller there belongs to another model
    assert over.exit_code == 1
    assert "remove it, or name one as --labels" in over.stderr
    (again / "labels" / "config.json").write_text("{}")
    damaged = vsa("align", photo, "a red circle", "-m", again)
    assert damaged.exit_code == 1
    assert damaged.stderr.count("\n") == 1


def test_labeller_of_other_descriptors_and_of_other_models_is_refused(
    vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path
) -> None:
    spec = read_embedding(embed, torch.device("cpu")).feature_spec
    tuned = FeatureSpec(spec.config, spec.cnn_sha256, spec.descriptor_size, "f" * 64)
    labels = labeller_for(tuned, tmp_path / "labels")
    other = vsa("pack", embed, "--labels", labels, "-o", tmp_path / "packed")
    assert other.exit_code == 1
    assert "was not trained on descriptors by the model's CNN" in other.stderr
    generator = vsa("pack", drawn.model, "--labels", labels, "-o", tmp_path / "packed")
    assert generator.exit_code == 2
    assert "--labels goes with an alignment model" in generator.stderr


def test_bank_of_an_alignment_model_corrects_the_scores_of_all_commands(
    vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path
) -> None:
    packed, again, index = tmp_path / "packed", tmp_path / "again", tmp_path / "index"
    done = vsa("pack", embed, "--bank", f"{drawn.corpus},{drawn.regions}", "-o", packed)
    assert done.exit_code == 0, done.output
    assert vsa("pack", packed, "-o", again).exit_code == 0
    plain, model = (read_embedding(folder, torch.device("cpu")) for folder in (embed, again))
    assert plain.model.bank is None
    assert model.model.bank is not None
    assert json.loads(vsa("info", again, "--json").stdout)["bank"]["images"] == len(model.model.bank.images.regions)

    query = ("retrieve", "a red circle")
    without, corrected = (
        {one["path"]: one["score"] for one in json.loads(vsa(*query, drawn.photos, "-m", m, "--json").stdout)}
        for m in (embed, again)
    )
    assert set(without) & set(corrected)
    assert any(abs(without[path] - corrected[path]) > 1e-3 for path in set(without) & set(corrected))
    assert vsa("index", drawn.photos, "-m", again, "-o", index).exit_code == 0
    found = json.loads(vsa(*query, "--index", index, "-m", again, "--json").stdout)
    assert [Path(one["path"]).name for one in found] == [Path(path).name for path in corrected]
    assert [one["score"] for one in found] == pytest.approx(list(corrected.values()), abs=2e-3)
    other = vsa(*query, "--index", index, "-m", packed)
    assert (other.exit_code, other.stderr.count("\n")) == (0, 0)  # the same weights and bank
    refused = vsa(*query, "--index", index, "-m", embed)
    assert (refused.exit_code, "another model" in refused.stderr) == (1, True)

    over = vsa("pack", embed, "-o", packed, "--force")
    assert (over.exit_code, "make one with --bank" in over.stderr) == (1, True)
    (packed / "bank.safetensors").write_bytes((packed / "bank.safetensors").read_bytes()[:-9])
    damaged = vsa(*query, drawn.photos, "-m", packed)
    assert (damaged.exit_code, damaged.stderr.count("\n")) == (1, 1)


def test_bank_of_other_models_is_refused(vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path) -> None:
    given = f"{drawn.corpus},{drawn.regions}"
    generator = vsa("pack", drawn.model, "--bank", given, "-o", tmp_path / "packed")
    assert (generator.exit_code, "--bank goes with an alignment model" in generator.stderr) == (2, True)
    for value in (drawn.corpus, f"{given},2", ",", ""):
        wrong = vsa("pack", embed, "--bank", value, "-o", tmp_path / "packed")
        assert (wrong.exit_code, "--bank takes CORPUS,REGIONS" in wrong.stderr) == (2, True)
    packed = tmp_path / "packed"
    assert vsa("pack", embed, "--bank", given, "-o", packed).exit_code == 0
    weights = load_file(packed / "model.safetensors")
    weights["W_m.bias"] += 1
    save_file(weights, packed / "model.safetensors", {"config_sha256": file_sha256(packed / "config.json")})
    changed = vsa("retrieve", "a red circle", drawn.photos, "-m", packed)
    assert (changed.exit_code, "the bank of another model" in changed.stderr) == (1, True)
