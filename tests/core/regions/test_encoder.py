"""The encoder of photographs: results in order, failures as values, and the cache in between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import Drawn
from tests.foreign_files import are_same
from vsa_cli.core.errors import ArtifactError, ConfigError
from vsa_cli.core.io.sources import FailedPhoto, Photo
from vsa_cli.core.regions.cache import count_cached
from vsa_cli.core.regions.encoder import PhotoEncoder, RegionExtractor, photo_encoder
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.store import RegionStore

CPU = torch.device("cpu")


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
