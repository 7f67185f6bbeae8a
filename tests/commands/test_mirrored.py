"""Mirrored photographs: what `extract-regions --mirrored` computes, and how training takes it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from typer.testing import Result

from tests.conftest import Drawn
from tests.drawn import write_corpus
from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.embedding import batches as embedding_batches
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.generation import batches as generation_batches
from vsa_cli.core.io.images import read_picture
from vsa_cli.core.io.sources import Photo
from vsa_cli.core.learning.model_dir import read_tail
from vsa_cli.core.learning.reading import Reading
from vsa_cli.core.learning.run import vocabulary_of
from vsa_cli.core.regions.cnn import load_cnn
from vsa_cli.core.regions.detectors import Grid
from vsa_cli.core.regions.extractor import RegionExtractor
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.features import FeatureExtractor, to_half
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.tail import TailDescriber

Run = Callable[..., Result]
CPU = torch.device("cpu")
CHEAP = ("--detector", "grid", "--top", 2, "--side", 64, "--cnn", "efficientnet_lite0")
TRAIN = ("--size", 8, "--hidden-size", 8, "--batch-size", 24, "--epochs", 1, "--validate", "none")


@dataclass(frozen=True)
class Views:
    """A drawn corpus, and its regions with maps and mirrored views."""

    photos: Path
    corpus: Path
    regions: Path


@pytest.fixture(scope="module")
def views(vsa: Run, tmp_path_factory: pytest.TempPathFactory) -> Views:
    folder = tmp_path_factory.mktemp("views")
    write_corpus(folder, copies=1)
    made = Views(folder / "photos", folder / "corpus.json", folder / "r.h5")
    prepared = vsa("prep", folder / "captions.csv", "--images", made.photos, "-o", made.corpus, "--min-count", 1)
    assert prepared.exit_code == 0, prepared.output
    done = vsa("extract-regions", made.corpus, "-o", made.regions, *CHEAP, "--keep-maps", "--mirrored")
    assert done.exit_code == 0, done.output
    assert "the mirrored views of 24 photographs take about" in done.stderr
    return made


def flipped(photo: Path, folder: Path) -> Path:
    """A copy of a drawn photograph, mirrored left to right."""
    with Image.open(photo) as image:
        ImageOps.mirror(image).save(folder / photo.name)
    return folder / photo.name


def other_side(boxes: np.ndarray, width: int) -> np.ndarray:
    return np.array([[width - x2, y1, width - x1, y2] for x1, y1, x2, y2 in boxes], np.float32)


def test_the_mirrored_view_is_that_of_a_mirrored_photograph(views: Views, tmp_path: Path) -> None:
    store = RegionStore(views.regions)
    features = FeatureExtractor(load_cnn("efficientnet_lite0"), 64, "roi", CPU)
    spec = FeatureSpec.of(store.envelope, "r.h5")
    for image_id in store.ids[:3]:
        picture = read_picture(flipped(views.photos / image_id, tmp_path), spec.config.photo_side)
        boxes = other_side(store[image_id].boxes, 128)
        mapped = store.mapped(image_id, mirrored=True)
        assert np.array_equal(mapped.boxes, boxes)
        trunk = features.trunk_maps([features.pixels(picture)])
        assert np.array_equal(mapped.map, to_half(trunk[0].permute(1, 2, 0).numpy()))
        described = to_half(features.regions(picture, boxes, features.deepen(trunk)[0]))
        found = store.padded([image_id], mirrored=True)[0]
        assert np.array_equal(found, described)
        assert not np.array_equal(found, store[image_id].descriptors)
        assert np.array_equal(store.whole_images([image_id], mirrored=True)[0], found[0])


@pytest.mark.parametrize("mode", ["roi", "crop"])
def test_crops_and_maps_of_several_photographs_are_mirrored_too(drawn: Drawn, tmp_path: Path, mode: str) -> None:
    features = FeatureExtractor(load_cnn("efficientnet_lite0"), 64, mode, CPU)  # type: ignore[arg-type]
    extractor = RegionExtractor(features, Grid(2), 96, mirrored=True)
    asked = [Photo(name, name, drawn.photos / name) for name in ("000.png", "001.png")]
    together = [extractor.prepare(photo) for photo in asked]
    for photo, prepared, maps in zip(asked, together, extractor.maps(together), strict=True):
        found, plain = extractor.finish(prepared, maps), replace(extractor, mirrored=False).extract(photo)
        picture = read_picture(flipped(photo.file, tmp_path), 96)
        expected = features.regions(picture, other_side(found.boxes, 128))
        assert found.mirrored is not None
        np.testing.assert_allclose(found.mirrored.descriptors, to_half(expected), rtol=2e-3, atol=2e-3)
        np.testing.assert_allclose(found.descriptors, plain.descriptors, rtol=2e-3, atol=2e-3)
        assert np.array_equal(found.boxes, plain.boxes)
        assert plain.mirrored is None
        assert ImageRegions.take(found, [1]).mirrored.descriptors.shape == (1, 1280)  # type: ignore[union-attr]


def test_a_file_without_views_is_as_ever_and_its_views_are_missed(vsa: Run, views: Views, tmp_path: Path) -> None:
    plain = tmp_path / "plain.h5"
    assert vsa("extract-regions", views.corpus, "-o", plain, *CHEAP, "--keep-maps").exit_code == 0
    one, other = RegionStore(plain), RegionStore(views.regions)
    assert (one.has_mirrored, other.has_mirrored) == (False, True)
    assert np.array_equal(one.padded(one.ids), other.padded(one.ids))
    assert one.sha256 != other.sha256
    assert FeatureSpec.of(one.envelope, "") == FeatureSpec.of(other.envelope, "")
    with pytest.raises(ArtifactError, match="has no mirrored views"):
        one.mapped(one.ids[0], mirrored=True)
    for command in ("train-embed", "train-gen"):
        refused = vsa(
            command, views.corpus, views.regions, "--also", f"{views.corpus},{plain}", "--mirrored", "--dry-run"
        )
        wanted = f"{plain}: has no mirrored views; `vsa extract-regions --mirrored` adds them"
        assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
        assert wanted in refused.stderr
    refused = vsa("train-gen", views.corpus, views.regions, "--self-critical", tmp_path, "--mirrored")
    assert (refused.exit_code, "--mirrored" in refused.stderr) == (2, True)


def test_damaged_views_are_refused(views: Views, tmp_path: Path) -> None:
    for name, dataset in (("shape", "mirrored"), ("maps", "mirrored_maps")):
        path = tmp_path / f"{name}.h5"
        path.write_bytes(views.regions.read_bytes())
        with h5py.File(path, "a") as file:
            data = file[dataset][:-1]
            del file[dataset]
            file[dataset] = data
        with pytest.raises(ArtifactError, match="damaged regions file"):
            RegionStore(path)


def test_training_resumes_with_the_same_views_and_refuses_others(vsa: Run, views: Views, tmp_path: Path) -> None:
    model = tmp_path / "embed"
    command = ("train-embed", views.corpus, views.regions, "-o", model, *TRAIN, "--tune-cnn")
    done = vsa(*command, "--mirrored")
    assert done.exit_code == 0, done.output
    assert json.loads((model / "config.json").read_text())["envelope"]["config"]["mirrored"] is True
    refused = vsa(*command, "--resume")
    assert refused.exit_code != 0
    assert "differs in mirrored" in refused.stderr
    assert vsa(*command, "--mirrored", "--resume").exit_code == 0

    again = tmp_path / "again.h5"
    done = vsa("extract-regions", views.regions, "-o", again, "--cnn-of", model, "--mirrored")
    assert done.exit_code == 0, done.output
    _, tail = read_tail(model)
    computed, stored = RegionStore(views.regions, TailDescriber(tail)), RegionStore(again)
    assert np.array_equal(stored.padded(stored.ids, mirrored=True), computed.padded(stored.ids, mirrored=True))
    assert not stored.has_maps


def taken(batches: Sequence[torch.Tensor], plain: torch.Tensor, mirrored: torch.Tensor) -> list[bool]:
    """Whether each image of each batch is mirrored; it must be one of the two views."""
    found = []
    for image in (image for batch in batches for image in batch):
        is_plain, is_mirrored = (bool((image == view.float()).flatten(1).all(1).any()) for view in (plain, mirrored))
        assert is_plain != is_mirrored
        found.append(is_mirrored)
    return found


@pytest.mark.parametrize("blocks", [False, True])
def test_half_of_the_views_are_mirrored_whatever_the_readers(views: Views, blocks: bool) -> None:
    corpus, store = read_corpus(views.corpus), RegionStore(views.regions)
    words = vocabulary_of(corpus)
    epochs: list[list[torch.Tensor]] = []
    for reading in (
        Reading(False, blocks, mirrored=True),
        Reading(True, blocks, 1, True),
        Reading(True, blocks, 3, True),
    ):
        pairs = embedding_batches.read_pairs(corpus, store, "train", words, stream=reading.stream, mirrored=True)
        many = replace(pairs, weight=8.0)
        draws = torch.Generator().manual_seed(0)
        epochs.append(
            [batch.regions for batch in embedding_batches.shuffled_batches([many], 4, draws, reading=reading)]
        )
        both = generation_batches.image_pairs(corpus, store, "train", words, all_regions=True, reading=reading)
        draws = torch.Generator().manual_seed(0)
        epochs.append([batch.descriptors for batch in generation_batches.shuffled_batches([both], 4, draws, reading)])
    for epoch, other in zip(epochs, epochs[2:], strict=False):
        assert all(map(torch.equal, epoch, other))
    keys = [image.key for image in corpus.split("train")]
    plain, mirrored = (torch.from_numpy(store.padded(keys, mirrored=view)) for view in (False, True))
    views_of_embed, views_of_gen = (taken(epoch, plain, mirrored) for epoch in epochs[:2])
    assert 0.4 < np.mean(views_of_embed) < 0.6
    assert 0 < np.mean(views_of_gen) < 1


def test_maps_are_mirrored_by_the_same_draws(views: Views) -> None:
    corpus, store = read_corpus(views.corpus), RegionStore(views.regions)
    pairs = embedding_batches.read_pairs(corpus, store, "train", vocabulary_of(corpus), mirrored=True)
    chosen = [(0, row) for row in range(8)]
    maps, described = (
        embedding_batches.make_batch([pairs], chosen, mapped=mapped, views=torch.Generator().manual_seed(1))
        for mapped in (True, False)
    )
    keys = pairs.image_ids
    for image, regions in zip(maps.mapped, described.regions, strict=True):
        (place,) = [
            (row, view)
            for row, key in enumerate(keys)
            for view in (False, True)
            if np.array_equal(store.mapped(key, mirrored=view).map, image.map)
        ]
        assert torch.equal(torch.from_numpy(store.padded([keys[place[0]]], mirrored=place[1])[0]).float(), regions)
