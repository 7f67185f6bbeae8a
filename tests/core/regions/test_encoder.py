"""The encoder of photographs: results in order, failures as values, and the cache in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import Drawn
from tests.foreign_files import are_same
from vsa_cli.core.device import Precision, resolve_device
from vsa_cli.core.errors import ArtifactError, ConfigError
from vsa_cli.core.io.sources import FailedPhoto, Photo
from vsa_cli.core.regions.cache import RegionCache, count_cached
from vsa_cli.core.regions.cnn import load_cnn
from vsa_cli.core.regions.detectors import Grid
from vsa_cli.core.regions.efficientnet_lite import LiteTail
from vsa_cli.core.regions.encoder import PhotoEncoder, photo_encoder
from vsa_cli.core.regions.extractor import Maps, Prepared, RegionExtractor
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.features import FeatureExtractor
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.tail import ready, trainable

CPU = torch.device("cpu")
Results = list[tuple[Photo, ImageRegions | FailedPhoto]]


@pytest.fixture(scope="module")
def spec(drawn: Drawn) -> FeatureSpec:
    return FeatureSpec.of(RegionStore(drawn.regions).envelope, "regions.h5")


def photos(drawn: Drawn, *names: str) -> list[Photo]:
    return [Photo(str(drawn.photos / name), name, drawn.photos / name) for name in names]


def test_new_photographs_are_encoded_as_those_of_the_regions_file(drawn: Drawn, spec: FeatureSpec) -> None:
    store = RegionStore(drawn.regions)
    encoder = photo_encoder(spec, device=CPU, workers=2)
    asked = photos(drawn, *store.ids[:9])
    results = list(encoder.encode_all(iter(asked), ahead=3))
    assert [photo for photo, _ in results] == asked
    for photo, regions in results:
        assert isinstance(regions, ImageRegions)
        assert are_same(regions, store[str(photo.image_id)])


def test_a_photograph_that_cannot_be_read_is_a_value_and_the_rest_is_encoded(
    drawn: Drawn, spec: FeatureSpec, tmp_path: Path
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    broken = Photo("broken.jpg", "broken.jpg", tmp_path / "broken.jpg")
    gone = Photo("gone.jpg", "gone.jpg", tmp_path / "gone.jpg")
    changed = replace(photos(drawn, "001.png")[0], sha256="0" * 64)
    for cache in (None, tmp_path / "cache"):
        encoder = photo_encoder(spec, device=CPU, workers=2, cache=cache)
        results = dict(encoder.encode_all([broken, gone, changed, *photos(drawn, "000.png")]))
        for photo, why in ((broken, "broken.jpg"), (gone, "No such file"), (changed, "has changed since")):
            failed = results[photo]
            assert isinstance(failed, FailedPhoto)
            assert failed.photo == photo
            assert why in failed.reason
        assert isinstance(results[photos(drawn, "000.png")[0]], ImageRegions)


def test_photographs_in_the_cache_are_not_encoded_again(
    drawn: Drawn, spec: FeatureSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = photos(drawn, "000.png", "001.png")
    first = list(photo_encoder(spec, device=CPU, workers=2, cache=tmp_path).encode_all(asked))
    assert count_cached(tmp_path)[0] == 2
    monkeypatch.setattr(RegionExtractor, "extract", lambda *_: pytest.fail("encoded again"))
    again = photo_encoder(spec, device=CPU, workers=2, cache=tmp_path)
    for photo, regions in first:
        renamed = again.encode(replace(photo, image_id="other"))
        assert isinstance(regions, ImageRegions)
        assert isinstance(renamed, ImageRegions)
        assert renamed.image_id == "other"
        assert are_same(replace(renamed, image_id=regions.image_id), regions)


def test_whole_images_alone_have_one_region_and_no_cache(
    drawn: Drawn, spec: FeatureSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = photo_encoder(spec, device=CPU, workers=1, cache=tmp_path, whole_only=True)
    (photo,) = photos(drawn, "000.png")
    regions = encoder.encode(photo)
    assert isinstance(regions, ImageRegions)
    assert regions.boxes.tolist() == [[0, 0, 128, 96]]
    expected = RegionStore(drawn.regions)["000.png"].descriptors[:1].astype(np.float32)
    np.testing.assert_allclose(regions.descriptors.astype(np.float32), expected, rtol=2e-3, atol=2e-3)
    assert count_cached(tmp_path) == (0, 0)


def test_a_specification_that_cannot_be_repeated_is_refused(spec: FeatureSpec) -> None:
    with pytest.raises(ArtifactError, match="its weights are not those that the model was trained with"):
        photo_encoder(replace(spec, cnn_sha256="0" * 64), device=CPU, workers=1).extractor  # noqa: B018  it is lazy
    with pytest.raises(ConfigError, match="`boxes`"):
        photo_encoder(replace(spec, config=replace(spec.config, detector="boxes")), device=CPU, workers=1).extractor  # noqa: B018  it is lazy


def test_the_encoder_reports_its_device(spec: FeatureSpec) -> None:
    encoder = photo_encoder(spec, device=CPU, workers=1)
    assert isinstance(encoder, PhotoEncoder)
    assert encoder.device == CPU


@pytest.fixture(scope="module")
def extractor(spec: FeatureSpec) -> RegionExtractor:
    return photo_encoder(spec, device=CPU, workers=1).extractor


@pytest.fixture
def mixed(drawn: Drawn, tmp_path: Path) -> list[Photo]:
    """Photographs of two sizes, every fourth of which is upright, and one that cannot be read."""
    found = []
    for number, photo in enumerate(photos(drawn, *RegionStore(drawn.regions).ids[:10])):
        upright = tmp_path / str(photo.image_id)
        with Image.open(photo.file) as image:
            (image if number % 4 else image.rotate(90, expand=True)).save(upright)
        found.append(Photo(str(upright), photo.image_id, upright))
    (tmp_path / "broken.png").write_bytes(b"nothing")
    found.insert(5, Photo("broken.png", "broken.png", tmp_path / "broken.png"))
    return found


def tuned(extractor: RegionExtractor) -> LiteTail:
    """Another tail than the published one."""
    tail = trainable(extractor.feature_extractor.cnn.tail)
    torch.nn.init.zeros_(tail.head.bias)
    return ready(tail)


@pytest.mark.parametrize("kind", ["published", "tuned, with maps", "whole images", "crops"])
def test_photographs_together_are_encoded_as_one_by_one(
    extractor: RegionExtractor, mixed: list[Photo], kind: str
) -> None:
    if kind == "whole images":
        extractor = replace(extractor, detector=None)
    if kind == "tuned, with maps":
        extractor = replace(extractor, tail=tuned(extractor), keep_map=True)
    if kind == "crops":
        crops = FeatureExtractor(extractor.feature_extractor.cnn, 32, "crop", CPU)
        extractor, mixed = replace(extractor, feature_extractor=crops), mixed[4:7]
    encoders = (PhotoEncoder(lambda: extractor, CPU, None, 2, together) for together in (1, 3))
    alone, together = (list(encoder.encode_all(iter(mixed), ahead=8)) for encoder in encoders)
    assert [photo for photo, _ in together] == mixed
    for (_, one), (_, other) in zip(alone, together, strict=True):
        assert isinstance(one, ImageRegions) == isinstance(other, ImageRegions)
        if isinstance(one, ImageRegions) and isinstance(other, ImageRegions):
            assert_close(one, other, 1e-3)


def assert_close(one: ImageRegions, other: ImageRegions, tolerance: float) -> None:
    """The same boxes, whose descriptors and maps are apart by at most a share of their lengths."""
    np.testing.assert_array_equal(one.boxes, other.boxes)
    assert (one.map is None) == (other.map is None)
    for a, b in ((one.descriptors, other.descriptors), (one.map, other.map)):
        if a is not None and b is not None:
            a, b = a.astype(np.float32), b.astype(np.float32)
            assert (np.linalg.norm(a - b, axis=-1) <= tolerance * np.linalg.norm(a, axis=-1)).all()


def test_which_photographs_are_together_depends_on_their_order_alone(
    extractor: RegionExtractor, mixed: list[Photo], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    maps = RegionExtractor.maps

    def record(extractor: RegionExtractor, prepared: Sequence[Prepared]) -> list[Maps]:
        seen.append([str(one.photo.image_id) for one in prepared])
        assert len({one.pixels.shape for one in prepared if one.pixels is not None}) == 1
        return maps(extractor, prepared)

    monkeypatch.setattr(RegionExtractor, "maps", record)
    found = []
    for workers in (1, 3):
        encoder = PhotoEncoder(lambda: extractor, CPU, None, workers, 2)
        assert len(list(encoder.encode_all(iter(mixed), ahead=8))) == 11
        found.append([*seen])
        seen.clear()
    names = [str(photo.image_id) for photo in mixed]
    # blocks of 1, 2, 4 and 4 photographs; of the third block, one cannot be read
    expected = [[0], [1, 2], [3, 6], [4], [7, 8], [10], [9]]
    assert found[0] == [[names[index] for index in part] for part in expected] == found[1]


def test_photographs_that_are_together_are_cached(
    spec: FeatureSpec, extractor: RegionExtractor, mixed: list[Photo], tmp_path: Path
) -> None:
    cache = RegionCache(tmp_path / "cache", spec)
    first = list(PhotoEncoder(lambda: extractor, CPU, cache, 2, 4).encode_all(mixed))
    assert count_cached(tmp_path / "cache")[0] == 10
    encoder = PhotoEncoder(lambda: pytest.fail("encoded again"), CPU, cache, 2, 4)
    again = list(encoder.encode_all([photo for photo in mixed if photo.path != "broken.png"]))
    kept = [regions for _, regions in first if isinstance(regions, ImageRegions)]
    for one, (_, other) in zip(kept, again, strict=True):
        assert isinstance(other, ImageRegions)
        assert are_same(one, other)


@pytest.mark.cuda
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-3), ("bf16", 0.2)])
def test_descriptors_of_cuda_agree_with_those_of_the_cpu(
    spec: FeatureSpec, mixed: list[Photo], precision: Precision, tolerance: float
) -> None:
    found: list[Results] = []
    for name, products in (("cpu", "float32"), ("cuda", precision)):
        device = resolve_device(name)
        features = FeatureExtractor(load_cnn(spec.config.cnn), 320, "roi", device, products)  # type: ignore[arg-type]
        extractor = RegionExtractor(features, Grid(5), None)
        found.append(list(PhotoEncoder(lambda extractor=extractor: extractor, device, None, 2).encode_all(mixed)))  # type: ignore[misc]
    for (_, one), (_, other) in zip(*found, strict=True):
        if isinstance(one, ImageRegions) and isinstance(other, ImageRegions):
            assert_close(one, other, tolerance)
