"""The specification of descriptors: stored, read and compared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vsa_cli.core.config import Detector, RegionConfig
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.io.envelope import REGIONS, Envelope
from vsa_cli.core.regions.feature_spec import KEEP_MAPS, FeatureSpec, with_detector

SPEC = FeatureSpec(RegionConfig(side=320, photo_side=375), "a" * 64, 1280)


def envelope(spec: FeatureSpec) -> Envelope:
    return Envelope(REGIONS, 1, spec.to_dict())


def test_a_specification_is_read_as_stored() -> None:
    assert FeatureSpec.from_dict(SPEC.to_dict(), "x") == FeatureSpec.of(envelope(SPEC), "x") == SPEC


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        SPEC.to_dict() | {"cnn_sha256": 7},
        SPEC.to_dict() | {"descriptor_size": 0},
        SPEC.to_dict() | {"descriptor_size": 2**30},
        SPEC.to_dict() | {"side": "large"},
        SPEC.to_dict() | {"detector": "none"},
        SPEC.to_dict() | {"more": 1},
        SPEC.to_dict() | {"tail_sha256": 1},
    ],
)
def test_a_malformed_specification_is_refused(data: object) -> None:
    with pytest.raises(ArtifactError, match=r"^config\.json: "):
        FeatureSpec.from_dict(data, "config.json")


def test_descriptors_are_compatible_for_any_detector() -> None:
    SPEC.require_from(
        envelope(replace(SPEC, config=replace(SPEC.config, detector="grid", top=3, photo_side=9))), "r.h5"
    )


@pytest.mark.parametrize(("trained", "given"), [("selective-search", "ssd"), ("ssd", "selective-search")])
def test_a_model_takes_regions_with_or_without_the_boxes_of_ssd(trained: Detector, given: Detector) -> None:
    spec = with_detector(SPEC, trained)
    assert spec.config.detector == trained
    assert with_detector(spec, SPEC.config.detector) == SPEC
    spec.require_from(envelope(with_detector(SPEC, given)), "r.h5")


@pytest.mark.parametrize(
    "other",
    [
        replace(SPEC, cnn_sha256="b" * 64),
        replace(SPEC, config=replace(SPEC.config, side=224)),
        replace(SPEC, config=replace(SPEC.config, describe="crop")),
        replace(SPEC, config=replace(SPEC.config, cnn="vgg16")),
    ],
)
def test_descriptors_of_another_kind_are_refused(other: FeatureSpec) -> None:
    with pytest.raises(
        ArtifactError, match=r"r\.h5: not described as the model needs \(efficientnet_lite2, roi, side 3"
    ):
        SPEC.require_from(envelope(other), "r.h5")


def test_a_tuned_tail_is_recorded_and_descriptors_of_another_are_refused() -> None:
    tuned = replace(SPEC, tail_sha256="c" * 64)
    assert "tail_sha256" not in SPEC.to_dict()
    assert FeatureSpec.from_dict(tuned.to_dict(), "x") == tuned
    tuned.require_from(envelope(tuned), "r.h5")
    assert tuned.same_trunk(envelope(SPEC), "r.h5")
    with pytest.raises(ArtifactError, match=r"r\.h5: not described by the efficientnet_lite2 that was tuned with"):
        tuned.require_from(envelope(SPEC), "r.h5")
    with pytest.raises(ArtifactError, match=r"r\.h5: described by a tuned efficientnet_lite2"):
        SPEC.require_from(envelope(tuned), "r.h5")


def test_kept_maps_are_recorded_beside_the_specification() -> None:
    kept = Envelope(REGIONS, 1, SPEC.to_dict() | {KEEP_MAPS: True})
    assert FeatureSpec.of(kept, "r.h5") == SPEC
