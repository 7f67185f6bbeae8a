"""Descriptors with details: extraction, the CNN tuned beside them, training from a model without them, photographs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import Result

from tests.conftest import SMALL, SMALL_EMBED
from tests.drawn import write_corpus
from vsa_cli.core.alignment.embedder import Embedder
from vsa_cli.core.config import EmbedConfig
from vsa_cli.core.embedding.model import Embedding, read_embedding
from vsa_cli.core.learning.model_dir import widened
from vsa_cli.core.regions import details
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.tail import described_for

Run = Callable[..., Result]
GRID = ("--detector", "grid", "--top", 2)
CHEAP = (*GRID, "--side", 64, "--cnn", "efficientnet_lite0")
STILL = ("--learning-rate", 1e-12, "--weight-decay", 0, "--epochs", 1)


@dataclass(frozen=True)
class Detailed:
    """The drawn corpus, its regions without and with details, and an alignment model without."""

    photos: Path
    corpus: Path
    plain: Path
    regions: Path
    model: Path


@pytest.fixture(scope="module")
def made(vsa: Run, tmp_path_factory: pytest.TempPathFactory) -> Detailed:
    folder = tmp_path_factory.mktemp("detailed")
    write_corpus(folder)
    made = Detailed(folder / "photos", folder / "corpus.json", folder / "p.h5", folder / "r.h5", folder / "embed")
    for step in (
        ("prep", folder / "captions.csv", "--images", made.photos, "-o", made.corpus, "--min-count", 1),
        ("extract-regions", made.corpus, "-o", made.plain, *CHEAP),
        ("extract-regions", made.corpus, "-o", made.regions, *CHEAP, "--details", "--keep-maps", "--mirrored"),
        ("train-embed", made.corpus, made.plain, "-o", made.model, *SMALL_EMBED, "--epochs", 1),
    ):
        done = vsa(*step)
        assert done.exit_code == 0, done.output
    return made


def test_details_follow_the_numbers_of_the_cnn(vsa: Run, made: Detailed) -> None:
    plain, detailed = RegionStore(made.plain), RegionStore(made.regions)
    assert detailed.descriptor_size == details.described_size("efficientnet_lite0", 1280, details=True)
    one, other = plain["003.png"], detailed["003.png"]
    # the map is computed with the trunk kept apart, in another order of sums
    np.testing.assert_allclose(one.descriptors, other.descriptors[:, :1280], atol=5e-3)
    colours = other.descriptors[0, -details.GEOMETRY - details.COLOURS : -details.GEOMETRY].astype(np.float32)
    assert (colours**2).sum() == pytest.approx(1, abs=0.01)
    assert json.loads(vsa("info", made.regions, "--json").stdout)["config"]["details"] is True
    assert "details" not in plain.envelope.config


def test_a_model_can_start_from_one_without_details(vsa: Run, made: Detailed, tmp_path: Path) -> None:
    """The new numbers have the weight 0 at first, so that the model computes the same."""
    out = tmp_path / "embed"
    done = vsa("train-embed", made.corpus, made.regions, "--start", made.model, "-o", out, *STILL)
    assert done.exit_code == 0, done.output
    before, after = (load_file(folder / "model.safetensors") for folder in (made.model, out))
    for name, value in before.items():
        torch.testing.assert_close(after[name][..., : value.shape[-1]], value, atol=1e-6, rtol=0)
    assert float(after["W_m.weight"][:, 1280:].abs().max()) < 1e-6
    assert float(after["scale"][1280:].min()) > 0
    plain = vsa("train-embed", made.corpus, made.plain, "--start", out, "-o", tmp_path / "x", *STILL)
    assert (plain.exit_code, "with details" in plain.stderr, plain.stderr.count("\n")) == (1, True, 1)


def test_a_file_with_details_serves_a_model_without_them(vsa: Run, made: Detailed) -> None:
    trained, detailed = read_embedding(made.model, torch.device("cpu")), RegionStore(made.regions)
    serving = described_for(trained.feature_spec, trained.tail, detailed)
    assert serving.descriptor_size == trained.feature_spec.descriptor_size == 1280
    for key in serving.ids:
        np.testing.assert_array_equal(serving[key].descriptors, detailed[key].descriptors[:, :1280])
    np.testing.assert_array_equal(serving.padded(serving.ids), detailed.padded(serving.ids)[..., :1280])
    searched = vsa(
        "retrieve", "--corpus", made.corpus, "--regions-file", made.regions, "--split", "val", "-m", made.model
    )
    assert (searched.exit_code, searched.stdout.count("\n") > 1) == (0, True)


def test_weights_of_other_shapes_are_no_start() -> None:
    config = EmbedConfig("gru", similarity="cosine", word_size=3, hidden_size=2, size=2, whole_weight=0.5)
    narrow, wide = Embedding(config, 4, 5), Embedding(config, 6, 5)
    assert widened(wide.state_dict(), wide)["W_m.weight"].equal(wide.W_m.weight)
    assert widened(narrow.state_dict(), wide)["W_m.weight"][:, :4].equal(narrow.W_m.weight)
    with pytest.raises(ValueError, match="cannot start"):
        widened(wide.state_dict(), narrow)


def test_the_cnn_is_tuned_beside_details_and_photographs_are_described_as_in_training(
    vsa: Run, made: Detailed, tmp_path: Path
) -> None:
    model, tuned = tmp_path / "embed", tmp_path / "tuned.h5"
    tune = ("--tune-cnn", "--cnn-rate", 2e-4, "--epochs", 1)
    done = vsa("train-embed", made.corpus, made.regions, "-o", model, *SMALL_EMBED, *tune)
    assert done.exit_code == 0, done.output
    trained, store = read_embedding(model, torch.device("cpu")), RegionStore(made.regions)
    computed = described_for(trained.feature_spec, trained.tail, store)["003.png"].descriptors
    np.testing.assert_array_equal(computed[:, 1280:], store["003.png"].descriptors[:, 1280:])
    assert not np.array_equal(computed[:, :1280], store["003.png"].descriptors[:, :1280])
    _, regions = Embedder(trained, workers=1, cache=None).encode(made.photos / "003.png")
    np.testing.assert_allclose(
        regions.descriptors.astype(np.float32), computed.astype(np.float32), atol=0.02 * np.abs(computed).max()
    )
    done = vsa("extract-regions", made.regions, "--cnn-of", model, "-o", tuned)
    assert done.exit_code == 0, done.output
    np.testing.assert_array_equal(RegionStore(tuned)["003.png"].descriptors, computed)
    generator = tmp_path / "gen"
    done = vsa("train-gen", made.corpus, tuned, "-o", generator, *SMALL, "--epochs", 1)
    assert done.exit_code == 0, done.output
    assert vsa("caption", made.photos / "003.png", "--model", generator).exit_code == 0
    refused = vsa("caption", "--corpus", made.corpus, "--regions-file", made.plain, "--split", "val", "-m", generator)
    assert (refused.exit_code, "with details" in refused.stderr, refused.stderr.count("\n")) == (1, True, 1)


def test_a_cnn_of_a_model_without_details_describes_regions_with_them(vsa: Run, made: Detailed, tmp_path: Path) -> None:
    maps, model, tuned = tmp_path / "maps.h5", tmp_path / "embed", tmp_path / "tuned.h5"
    for step in (
        ("extract-regions", made.corpus, "-o", maps, *CHEAP, "--keep-maps"),
        ("train-embed", made.corpus, maps, "-o", model, *SMALL_EMBED, "--tune-cnn", "--epochs", 1),
        ("extract-regions", made.regions, "--cnn-of", model, "-o", tuned),
    ):
        done = vsa(*step)
        assert done.exit_code == 0, done.output
    refused = vsa("extract-regions", made.regions, "--cnn-of", model, "-o", tmp_path / "x.h5", "--details")
    assert (refused.exit_code, "give --cnn-of alone" in refused.stderr) == (2, True)
    store = RegionStore(tuned)
    assert store.envelope.config["details"] is True
    assert store.envelope.config["tail_sha256"]
    assert store.descriptor_size == RegionStore(made.regions).descriptor_size
    trained = read_embedding(model, torch.device("cpu"))
    for file in (made.regions, tuned):  # computed from maps, and stored
        serving = described_for(trained.feature_spec, trained.tail, RegionStore(file))
        assert serving.descriptor_size == 1280
        np.testing.assert_array_equal(serving["003.png"].descriptors, store["003.png"].descriptors[:, :1280])
        np.testing.assert_array_equal(serving.whole_images(["003.png"])[0], store["003.png"].descriptors[0, :1280])


def test_details_need_an_inner_map(vsa: Run, made: Detailed, tmp_path: Path) -> None:
    extract = ("extract-regions", made.corpus, "-o", tmp_path / "r.h5", "--details", *GRID)
    for options, message in (
        (("--describe", "crop"), "has no map of the whole photograph"),
        (("--cnn", "alexnet"), "need an EfficientNet-Lite"),
    ):
        refused = vsa(*extract, *options)
        assert (refused.exit_code, message in refused.stderr, refused.stderr.count("\n")) == (2, True, 1)
