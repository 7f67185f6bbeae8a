"""`vsa train-embed --tune-cnn`: what learns, resuming, packing, photographs and stored maps, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from typer.testing import Result

from tests.conftest import SMALL, SMALL_EMBED
from tests.drawn import write_corpus
from vsa_cli.core.alignment.embedder import Embedder
from vsa_cli.core.config import EmbedConfig, EmbedTraining
from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.embedding.model import read_embedding
from vsa_cli.core.embedding.sources import Sources
from vsa_cli.core.embedding.train import train_embedding
from vsa_cli.core.generation.calibration import described_by
from vsa_cli.core.generation.decoder import read_generator
from vsa_cli.core.learning.corpora import PhotographSource
from vsa_cli.core.learning.loop import Epoch
from vsa_cli.core.learning.model_dir import read_tail
from vsa_cli.core.learning.run import TrainingRequest
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.tail import described_for, stored_tail, tail_sha256

Run = Callable[..., Result]
GRID = ("--detector", "grid", "--top", 2)
CHEAP = (*GRID, "--side", 64, "--cnn", "efficientnet_lite0")

TUNED = ("--tune-cnn", "--cnn-rate", 2e-4)


@dataclass(frozen=True)
class Mapped:
    """The drawn corpus, its regions with maps, and an alignment model whose CNN was tuned."""

    photos: Path
    corpus: Path
    regions: Path
    model: Path


@pytest.fixture(scope="module")
def mapped(vsa: Run, tmp_path_factory: pytest.TempPathFactory) -> Mapped:
    folder = tmp_path_factory.mktemp("mapped")
    write_corpus(folder)
    made = Mapped(folder / "photos", folder / "corpus.json", folder / "r.h5", folder / "embed")
    for step in (
        ("prep", folder / "captions.csv", "--images", made.photos, "-o", made.corpus, "--min-count", 1),
        ("extract-regions", made.corpus, "-o", made.regions, *CHEAP, "--keep-maps"),
        (
            "train-embed",
            made.corpus,
            made.regions,
            "-o",
            made.model,
            *SMALL_EMBED,
            "--tune-cnn",
            "--epochs",
            1,
            "--cnn-rate",
            2e-4,
        ),
    ):
        done = vsa(*step)
        assert done.exit_code == 0, done.output
    return made


def test_all_weights_of_the_tail_learn_at_their_own_rate(mapped: Mapped) -> None:
    before = stored_tail(RegionStore(mapped.regions))
    spec, after = read_tail(mapped.model)
    moved = [float((old - new).abs().max()) for old, new in zip(before.parameters(), after.parameters(), strict=True)]
    assert min(moved) > 0
    assert max(moved) < 0.01  # a few steps of 2e-4; the other weights learn at 3e-3
    assert spec.tail_sha256 == tail_sha256(after) != tail_sha256(before)
    config = json.loads((mapped.model / "config.json").read_text())
    assert config["envelope"]["config"]["training"]["cnn_rate"] == 2e-4


def test_a_resumed_run_ends_at_the_same_weights(mapped: Mapped, tmp_path: Path) -> None:
    store = RegionStore(mapped.regions)
    sources = Sources((PhotographSource(read_corpus(mapped.corpus), store),))
    model = EmbedConfig("gru", similarity="cosine", word_size=16, hidden_size=16, size=16, whole_weight=0.5)
    training = EmbedTraining("contrastive", optimizer="adam", learning_rate=3e-3, epochs=2, cnn_rate=2e-4)

    def request(out: Path) -> TrainingRequest[EmbedConfig, EmbedTraining]:
        return TrainingRequest(out, model, training, "val", None, True, 0, torch.device("cpu"), True)

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    list(train_embedding(sources, request(whole)))
    for record in (stopped := train_embedding(sources, request(broken))):
        if isinstance(record, Epoch):
            stopped.close()
    list(train_embedding(sources, request(broken)))
    for name in ("model.safetensors", "training.safetensors"):
        ended, resumed = load_file(whole / name), load_file(broken / name)
        assert ended.keys() == resumed.keys()
        assert all(torch.equal(value, resumed[key]) for key, value in ended.items())


def test_a_packed_model_has_the_same_cnn_and_finds_the_same_photographs(
    vsa: Run, mapped: Mapped, tmp_path: Path
) -> None:
    packed = tmp_path / "packed"
    assert vsa("pack", mapped.model, "-o", packed).exit_code == 0
    assert read_tail(packed)[0] == read_tail(mapped.model)[0]
    found = []
    for model in (mapped.model, packed):
        result = vsa("retrieve", "a red circle", mapped.photos, "--model", model, "--format", "jsonl", "--top", 5)
        assert result.exit_code == 0, result.output
        found.append([json.loads(line)["score"] for line in result.stdout.splitlines()])
    np.testing.assert_allclose(found[0], found[1], atol=5e-3)
    described = json.loads(vsa("info", packed, "--json").stdout)
    assert described["tuned_cnn_parameters"] == len(torch.cat([p.flatten() for p in read_tail(packed)[1].parameters()]))


def test_validation_measures_what_retrieve_measures_from_the_stored_maps(
    vsa: Run, mapped: Mapped, tmp_path: Path
) -> None:
    ranked = tmp_path / "rankings.jsonl"
    split = ("--corpus", mapped.corpus, "--regions-file", mapped.regions, "--split", "val")
    assert vsa("retrieve", *split, "--model", mapped.model, "-o", ranked).exit_code == 0
    shown = vsa("evaluate", ranked).stdout
    scores = json.loads((mapped.model / "config.json").read_text())["scores"]
    assert float(shown.split("rsum")[1].split()[0]) == pytest.approx(scores["rsum"], abs=0.01)
    assert vsa("align", *split, "--model", mapped.model, "-o", tmp_path / "snippets.jsonl").exit_code == 0


def test_photographs_are_described_by_the_tuned_cnn(mapped: Mapped) -> None:
    """Descriptors of a photograph equal those from its map, up to the rounding of the map."""
    trained, store = read_embedding(mapped.model, torch.device("cpu")), RegionStore(mapped.regions)
    _, regions = Embedder(trained, workers=1, cache=None).encode(mapped.photos / "003.png")
    stored = described_for(trained.feature_spec, trained.tail, store)
    published, kept = (one["003.png"].descriptors.astype(np.float32) for one in (store, stored))
    new = regions.descriptors.astype(np.float32)
    assert np.abs(new - kept).mean() < 0.1 * np.abs(new - published).mean()


def test_a_generator_of_tuned_regions_has_the_cnn(vsa: Run, mapped: Mapped, tmp_path: Path) -> None:
    regions, model = tmp_path / "tuned.h5", tmp_path / "gen"
    other = vsa("extract-regions", mapped.corpus, "-o", regions, "--cnn-of", mapped.model, "--side", 96)
    assert (other.exit_code, "--cnn-of cannot be combined" in other.stderr) == (2, True)
    done = vsa("extract-regions", mapped.corpus, "-o", regions, *GRID, "--cnn-of", mapped.model)
    assert done.exit_code == 0, done.output
    again = tmp_path / "again.h5"
    done = vsa("extract-regions", mapped.regions, "-o", again, "--cnn-of", mapped.model)
    assert done.exit_code == 0, done.output
    from_photographs, from_maps = RegionStore(regions), RegionStore(again)
    assert from_photographs.ids == from_maps.ids
    assert from_photographs.envelope == from_maps.envelope
    one, two = (store["003.png"].descriptors.astype(np.float32) for store in (from_photographs, from_maps))
    np.testing.assert_allclose(one, two, atol=0.02 * np.abs(one).max())  # maps are rounded to float16
    other = vsa("extract-regions", mapped.regions, "-o", again, "--cnn-of", mapped.model, "--force", "--top", 3)
    assert (other.exit_code, "give --cnn-of alone" in other.stderr) == (2, True)
    done = vsa("train-gen", mapped.corpus, regions, "-o", model, *SMALL, "--epochs", 1)
    assert done.exit_code == 0, done.output
    assert tail_sha256(read_tail(model)[1]) == tail_sha256(read_tail(mapped.model)[1])
    assert vsa("caption", mapped.photos / "003.png", "--model", model).exit_code == 0
    split = ("--corpus", mapped.corpus, "--split", "val", "--model", model, "--regions-file")
    captions = [vsa("caption", *split, file).stdout for file in (regions, mapped.regions)]
    assert captions[0].strip()
    assert captions[0].count("\n") == captions[1].count("\n")


def test_regions_without_maps_are_refused_everywhere(vsa: Run, mapped: Mapped, tmp_path: Path) -> None:
    plain = tmp_path / "plain.h5"
    assert vsa("extract-regions", mapped.corpus, "-o", plain, *CHEAP, "--split", "val").exit_code == 0
    train = ("train-embed", mapped.corpus, "-o", tmp_path / "embed", "--tune-cnn")
    for inputs in ((plain,), (mapped.regions, "--also", f"{mapped.corpus},{plain}")):
        result = vsa(*train, *inputs)
        wanted = f"{plain}: has no maps of the CNN; `vsa extract-regions --keep-maps` keeps them"
        assert (result.exit_code, wanted in result.stderr) == (1, True)
    split = ("--corpus", mapped.corpus, "--regions-file", plain, "--split", "val")
    result = vsa("retrieve", *split, "--model", mapped.model, "-o", tmp_path / "r.jsonl")
    assert (result.exit_code, "that was tuned with the model" in result.stderr) == (1, True)
    assert result.stderr.count("\n") == 1
    result = vsa("extract-regions", mapped.corpus, "-o", tmp_path / "x.h5", "--cnn-of", tmp_path)
    assert result.exit_code == 1


def test_training_starts_from_a_trained_model_and_its_cnn(vsa: Run, mapped: Mapped, tmp_path: Path) -> None:
    still = ("--learning-rate", 1e-12, "--cnn-rate", 1e-12, "--weight-decay", 0, "--epochs", 1)
    train = ("train-embed", mapped.corpus, mapped.regions, "--start", mapped.model, "-o", tmp_path / "embed")
    done = vsa(*train, "--tune-cnn", *still)
    assert done.exit_code == 0, done.output
    before, after = (load_file(folder / "model.safetensors") for folder in (mapped.model, tmp_path / "embed"))
    assert before.keys() == after.keys()
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, atol=1e-3, rtol=1e-3)  # the stored CNN is rounded to float16
    config = json.loads((tmp_path / "embed" / "config.json").read_text())["envelope"]["config"]
    assert set(config["start"]) == {"sha256"}
    frozen = vsa(*train, "--force")
    assert (frozen.exit_code, "not described by the" in frozen.stderr) == (1, True)
    assert vsa(*train, "--force", "--size", 8).exit_code == 2


def test_unfitting_options_are_refused(vsa: Run, mapped: Mapped, tmp_path: Path) -> None:
    train = ("train-embed", mapped.corpus, mapped.regions, "-o", tmp_path / "e")
    plain = vsa(*train, "--cnn-rate", "1e-4")
    assert (plain.exit_code, "--cnn-rate requires --tune-cnn" in plain.stderr) == (2, True)
    for rate in ("0", "-1", "nan"):
        assert vsa(*train, "--tune-cnn", "--cnn-rate", rate).exit_code == 2


def test_a_changed_weight_of_the_cnn_is_noticed(vsa: Run, mapped: Mapped, tmp_path: Path) -> None:
    changed = tmp_path / "embed"
    changed.mkdir()
    (changed / "config.json").write_bytes((mapped.model / "config.json").read_bytes())
    weights = load_file(mapped.model / "model.safetensors")
    with safe_open(mapped.model / "model.safetensors", framework="pt") as file:
        metadata = file.metadata()
    weights["cnn.head.bias"] = weights["cnn.head.bias"] + 1
    save_file(weights, changed / "model.safetensors", metadata)
    result = vsa("info", changed)
    assert (result.exit_code, "the weights of its CNN are not those" in result.stderr) == (1, True)
    assert result.stderr.count("\n") == 1


def test_stored_maps_serve_wherever_a_tuned_cnn_describes_them(vsa: Run, mapped: Mapped, tmp_path: Path) -> None:
    stored = ("--corpus", mapped.corpus, "--regions-file", mapped.regions)
    library = tmp_path / "library"
    done = vsa("index", *stored, "-m", mapped.model, "-o", library)
    assert done.exit_code == 0, done.output
    found = vsa("retrieve", "a red circle", "--index", library, "-m", mapped.model, "--json")
    photographs = vsa("retrieve", "a red circle", mapped.photos, "-m", mapped.model, "--json")
    scores = [[one["score"] for one in json.loads(done.stdout)] for done in (found, photographs)]
    np.testing.assert_allclose(*scores, atol=2e-2)
    tuned, model = tmp_path / "tuned.h5", tmp_path / "gen"
    assert vsa("extract-regions", mapped.corpus, "-o", tuned, *GRID, "--cnn-of", mapped.model).exit_code == 0
    assert vsa("train-gen", mapped.corpus, tuned, "-o", model, *SMALL, "--epochs", 1).exit_code == 0
    trained = read_generator(model, torch.device("cpu"))
    own, computed = (
        described_by(trained, [PhotographSource(read_corpus(mapped.corpus), RegionStore(file))])[0].regions
        for file in (tuned, mapped.regions)
    )
    first, second = (store["003.png"].descriptors.astype(np.float32) for store in (own, computed))
    assert np.abs(first - second).mean() < 0.01 * np.abs(first).mean()
    plain = tmp_path / "plain.h5"
    assert vsa("extract-regions", mapped.corpus, "-o", plain, *CHEAP, "--split", "val").exit_code == 0
    result = vsa("calibrate", mapped.corpus, plain, "-m", model, "-o", tmp_path / "calibration.json")
    assert (result.exit_code, "that was tuned with the model" in result.stderr) == (1, True)
