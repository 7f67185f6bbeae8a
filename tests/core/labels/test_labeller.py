"""The labeller: its equations against loops, padding, labels with their regions, and its directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vsa_cli.core.config import LabellerConfig, RegionConfig
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.io.envelope import LABELLER, Envelope, to_dict
from vsa_cli.core.labels.labeller import Labeller, read_labeller, write_labeller
from vsa_cli.core.labels.names import Names
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.image_regions import ImageRegions

D, CPU = 6, torch.device("cpu")
NAMES = Names({"cat": ["cat"], "dog": ["dog"], "sea": ["sea", "ocean"]})
SPEC = FeatureSpec(RegionConfig(side=320, photo_side=224), "0" * 64, D)


def new_labeller() -> Labeller:
    torch.manual_seed(0)
    model = Labeller(LabellerConfig(NAMES.names, 8), D).eval()
    model.mean.normal_()
    model.scale.uniform_(0.5, 2)
    return model.requires_grad_(False)


def photograph(descriptors: torch.Tensor) -> ImageRegions:
    count = len(descriptors)
    boxes, scores = np.zeros((count, 4), np.float32), np.ones(count, np.float32)
    return ImageRegions("1", "0" * 64, 4, 3, boxes, scores, descriptors.numpy().astype(np.float16))


def test_probabilities_follow_the_equations() -> None:
    model, descriptors = new_labeller(), torch.randn(2, 5, D)
    with torch.inference_mode():
        regions, images = model(descriptors), model.of_images(descriptors)
        for b in range(2):
            z = torch.stack(
                [model.output(torch.relu(model.hidden((v - model.mean) * model.scale))) for v in descriptors[b]]
            )
            p, whole = torch.sigmoid(z), torch.sigmoid((z[0] + z.max(0).values) / 2)
            torch.testing.assert_close(regions[b], p)
            torch.testing.assert_close(images[b], whole)
    assert float(images.min()) >= 0
    assert float(images.max()) <= 1


def test_padding_changes_nothing() -> None:
    model, descriptors = new_labeller(), torch.randn(1, 3, D)
    padded = torch.cat([descriptors, descriptors[:, :1].expand(-1, 4, -1)], 1)
    torch.testing.assert_close(model.of_images(padded), model.of_images(descriptors))


def test_labels_are_best_first_with_their_surest_regions() -> None:
    model, descriptors = new_labeller(), torch.randn(5, D).half().float()
    probabilities = model.of_images(descriptors[None])[0]
    labels = model.labels(photograph(descriptors), 0.0)
    assert {label.name for label in labels} == set(NAMES.names)
    assert [label.score for label in labels] == sorted((label.score for label in labels), reverse=True)
    for label in labels:
        number = NAMES.names.index(label.name)
        assert label.score == pytest.approx(float(probabilities[number]), abs=1e-5)
        assert label.region == int(model(descriptors)[:, number].argmax())
    least = labels[0].score
    assert model.labels(photograph(descriptors), least) == labels[:1]
    assert model.labels(photograph(descriptors), 1.0) == ()


@pytest.mark.parametrize("config", [LabellerConfig(), LabellerConfig(("cat",), 0)])
def test_labeller_without_names_or_units_is_refused(config: LabellerConfig) -> None:
    with pytest.raises(ValueError, match="names and hidden units"):
        Labeller(config, D)


def write(folder: Path, config: LabellerConfig, model: Labeller, names: Names = NAMES) -> None:
    envelope = Envelope(LABELLER, 1, {"model": to_dict(config), "training": {}})
    write_labeller(folder, envelope, names, SPEC, {"scores": {}}, model.state_dict())


def test_directory_is_read_back(tmp_path: Path) -> None:
    model, descriptors = new_labeller(), torch.randn(2, 5, D)
    write(tmp_path, model.config, model)
    read = read_labeller(tmp_path, CPU)
    assert read.model.config == model.config
    assert read.names.to_dict() == NAMES.to_dict()
    assert read.feature_spec == SPEC
    assert not read.model.training
    torch.testing.assert_close(read.model.of_images(descriptors), model.of_images(descriptors))


def test_directory_whose_parts_do_not_fit_is_refused(tmp_path: Path) -> None:
    model = new_labeller()
    write(tmp_path, replace(model.config, hidden_size=9), model)
    with pytest.raises(ArtifactError, match="do not fit its configuration"):
        read_labeller(tmp_path, CPU)
    write(tmp_path, model.config, model, Names({"cat": ["cat"], "dog": ["dog"]}))
    with pytest.raises(ArtifactError, match="names do not fit"):
        read_labeller(tmp_path, CPU)
    write(tmp_path, LabellerConfig(NAMES.names, 2**30), model)
    with pytest.raises(ArtifactError, match="do not fit its configuration"):
        read_labeller(tmp_path, CPU)
