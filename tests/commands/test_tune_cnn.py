"""`vsa train-embed --tune-cnn`: what learns, resuming, packing, photographs and stored maps, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import Result

from tests.conftest import SMALL_EMBED, Drawn
from tests.processes import kill_when
from tests.survival.fork_server import ForkServer
from vsa_cli.core.embedding.model import read_embedding
from vsa_cli.core.learning.model_dir import read_tail
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.tail import stored_tail, tail_sha256

Run = Callable[..., Result]
CHEAP = ("--detector", "grid", "--top", 2, "--side", 64, "--cnn", "efficientnet_lite0")


@pytest.fixture(scope="module")
def mapped(vsa: Run, drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn photographs' regions with maps."""
    path = tmp_path_factory.mktemp("mapped") / "r.h5"
    done = vsa("extract-regions", drawn.corpus, "-o", path, *CHEAP, "--keep-maps")
    assert done.exit_code == 0, done.output
    return path


@pytest.fixture(scope="module")
def tuned(vsa: Run, drawn: Drawn, mapped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An alignment model whose CNN was tuned."""
    folder = tmp_path_factory.mktemp("tuned") / "embed"
    result = train(vsa, drawn, mapped, folder, "--epochs", 2, "--keep-last")
    assert result.exit_code == 0, result.output
    return folder


def train(vsa: Run, drawn: Drawn, regions: Path, out: Path, *options: object) -> Result:
    return vsa("train-embed", drawn.corpus, regions, "-o", out, *SMALL_EMBED, "--tune-cnn", *options)


def test_all_weights_of_the_tail_learn_at_their_own_rate(mapped: Path, tuned: Path) -> None:
    store = RegionStore(mapped)
    before = stored_tail(store)
    spec, after = read_tail(tuned)
    moved = [float((old - new).abs().max()) for old, new in zip(before.parameters(), after.parameters(), strict=True)]
    assert min(moved) > 0
    assert max(moved) < 0.01  # a few steps of 2e-4; the other weights learn at 3e-3
    assert spec.tail_sha256 == tail_sha256(after) != tail_sha256(before)
    training = json.loads((tuned / "config.json").read_text())["envelope"]["config"]["training"]
    assert training["cnn_rate"] == 2e-4


def test_a_killed_and_resumed_run_ends_at_the_same_weights(
    vsa: Run, server: ForkServer, drawn: Drawn, mapped: Path, tmp_path: Path
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert train(vsa, drawn, mapped, whole, "--epochs", 3).exit_code == 0
    command = ("train-embed", drawn.corpus, mapped, "-o", broken, *SMALL_EMBED, "--tune-cnn", "--epochs", 3, "-q")
    kill_when((broken / "training.safetensors").exists, server, *command)
    other = train(vsa, drawn, mapped, broken, "--epochs", 3, "--resume", "--cnn-rate", 1e-3)
    assert (other.exit_code, "differs in cnn_rate" in other.stderr) == (1, True)
    assert train(vsa, drawn, mapped, broken, "--epochs", 3, "--resume").exit_code == 0
    assert (whole / "model.safetensors").read_bytes() == (broken / "model.safetensors").read_bytes()
    ended, resumed = (load_file(folder / "training.safetensors") for folder in (whole, broken))
    assert all(torch.equal(value, resumed[name]) for name, value in ended.items())


def test_a_packed_model_has_the_same_cnn_and_finds_the_same_photographs(
    vsa: Run, drawn: Drawn, tuned: Path, tmp_path: Path
) -> None:
    packed = tmp_path / "packed"
    assert vsa("pack", tuned, "-o", packed).exit_code == 0
    assert read_tail(packed)[0] == read_tail(tuned)[0]
    found = []
    for model in (tuned, packed):
        query = ("retrieve", "a red circle", drawn.photos, "--model", model, "--format", "jsonl")
        result = vsa(*query, "--top", 5)
        assert result.exit_code == 0, result.output
        found.append([json.loads(line)["score"] for line in result.stdout.splitlines()])
    np.testing.assert_allclose(found[0], found[1], atol=5e-3)


def test_validation_measures_what_retrieve_measures_from_the_stored_maps(
    vsa: Run, drawn: Drawn, mapped: Path, tuned: Path, tmp_path: Path
) -> None:
    ranked = tmp_path / "rankings.jsonl"
    split = ("--corpus", drawn.corpus, "--regions-file", mapped, "--split", "val")
    assert vsa("retrieve", *split, "--model", tuned, "-o", ranked).exit_code == 0
    measured = json.loads(vsa("evaluate", ranked, "--json").stdout)
    scores = json.loads((tuned / "config.json").read_text())["scores"]
    assert json.dumps(measured).count("rsum") == 1
    assert measured.get("scores", measured)["rsum"] == pytest.approx(scores["rsum"])
    assert vsa("align", *split, "--model", tuned, "-o", tmp_path / "snippets.jsonl").exit_code == 0


def test_photographs_are_described_by_the_tuned_cnn(vsa: Run, drawn: Drawn, mapped: Path, tuned: Path) -> None:
    """A score from the photograph equals that from the stored map, up to its rounding."""
    from vsa_cli.core.alignment.embedder import Embedder
    from vsa_cli.core.regions.tail import described_for

    trained = read_embedding(tuned, torch.device("cpu"))
    stored = described_for(trained.feature_spec, trained.tail, RegionStore(mapped))
    _, regions = Embedder(trained, workers=1, cache=None).encode(drawn.photos / "003.png")
    image_id = next(name for name in stored.ids if name.endswith("003.png"))
    published = RegionStore(mapped)[image_id].descriptors.astype(np.float32)
    new, kept = regions.descriptors.astype(np.float32), stored[image_id].descriptors.astype(np.float32)
    assert np.abs(new - kept).mean() < 0.1 * np.abs(new - published).mean()


def test_regions_without_maps_are_refused_everywhere(
    vsa: Run, drawn: Drawn, mapped: Path, tuned: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain.h5"
    assert vsa("extract-regions", drawn.corpus, "-o", plain, *CHEAP).exit_code == 0
    result = train(vsa, drawn, plain, tmp_path / "embed")
    assert (result.exit_code, "extract its regions again with --keep-maps" in result.stderr) == (1, True)
    result = train(vsa, drawn, mapped, tmp_path / "embed", "--also", f"{drawn.corpus},{plain}")
    assert (result.exit_code, f"{plain}: has no maps" in result.stderr) == (1, True)
    split = ("--corpus", drawn.corpus, "--regions-file", plain, "--split", "val")
    result = vsa("retrieve", *split, "--model", tuned, "-o", tmp_path / "r.jsonl")
    assert (result.exit_code, "another tail of efficientnet_lite0" in result.stderr) == (1, True)
    assert result.stderr.count("\n") == 1


def test_further_corpora_and_unfitting_options(vsa: Run, drawn: Drawn, mapped: Path, tmp_path: Path) -> None:
    also = ("--also", f"{drawn.corpus},{mapped},1.5", "--epochs", 1)
    assert train(vsa, drawn, mapped, tmp_path / "embed", *also).exit_code == 0
    plain = vsa("train-embed", drawn.corpus, mapped, "-o", tmp_path / "e", "--cnn-rate", "1e-4")
    assert (plain.exit_code, "--cnn-rate requires --tune-cnn" in plain.stderr) == (2, True)
    for rate in ("0", "-1", "nan"):
        assert train(vsa, drawn, mapped, tmp_path / "e", "--cnn-rate", rate).exit_code == 2


def test_a_changed_weight_of_the_cnn_is_noticed(vsa: Run, tuned: Path, tmp_path: Path) -> None:
    from safetensors import safe_open

    changed = tmp_path / "embed"
    changed.mkdir()
    (changed / "config.json").write_bytes((tuned / "config.json").read_bytes())
    weights = load_file(tuned / "model.safetensors")
    with safe_open(tuned / "model.safetensors", framework="pt") as file:
        metadata = file.metadata()
    weights["cnn.head.bias"] = weights["cnn.head.bias"] + 1
    save_file(weights, changed / "model.safetensors", metadata)
    result = vsa("info", changed)
    assert (result.exit_code, "the weights of its CNN are not those" in result.stderr) == (1, True)
    assert result.stderr.count("\n") == 1
