"""Planning an extraction: photographs, sides and envelope are decided before any photograph is decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import Drawn
from vsa_cli.core.config import RegionConfig
from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.plan import Extraction, InputFiles, plan_extraction

LITE = RegionConfig(cnn="efficientnet_lite0")


def plan(source: Path, split: str = "all", config: RegionConfig = LITE, **files: Any) -> Extraction:
    device = torch.device("cpu")
    return plan_extraction(source, split, config, InputFiles(**files), device=device, workers=2, seed=7)


def test_a_folder_is_planned_with_the_median_of_its_sides(drawn: Drawn) -> None:
    planned = plan(drawn.photos)
    assert [photo.image_id for photo in planned.photos] == [f"{number:03d}.png" for number in range(48)]
    assert (planned.spec.config.side, planned.spec.config.photo_side) == (320, 96)
    assert planned.encoder.extractor.photo_side == 96
    assert FeatureSpec.of(planned.envelope, "x") == planned.spec
    assert (planned.envelope.seed, planned.envelope.parents) == (7, {})


def test_a_corpus_is_planned_by_its_split_and_is_the_parent(drawn: Drawn) -> None:
    planned, corpus = plan(drawn.corpus, "val"), read_corpus(drawn.corpus)
    assert [photo.image_id for photo in planned.photos] == [image.key for image in corpus.split("val")]
    assert [photo.sha256 for photo in planned.photos] == [image.sha256 for image in corpus.split("val")]
    assert planned.envelope.parents == {"corpus": {"format": "vsa-corpus", "sha256": corpus.sha256}}


@pytest.mark.parametrize(
    ("asked", "side"),
    [
        (RegionConfig(cnn="efficientnet_lite0", describe="crop"), 224),
        (RegionConfig(cnn="efficientnet_lite2", describe="crop"), 256),
        (RegionConfig(cnn="efficientnet_lite0", side=100), 96),
        (RegionConfig(cnn="efficientnet_lite0", side=1), 32),
    ],
)
def test_the_side_becomes_whole_cells(drawn: Drawn, asked: RegionConfig, side: int) -> None:
    assert plan(drawn.photos, config=asked).spec.config.side == side


def test_settings_of_a_corpus_are_refused_for_a_folder(drawn: Drawn, tmp_path: Path) -> None:
    for more in ({"split": "val"}, {"images": tmp_path}):
        with pytest.raises(ConfigError, match=r"`split` and `images` go with a corpus\.json"):
            plan(drawn.photos, **more)


def test_a_folder_without_readable_photographs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="contains no photographs"):
        plan(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"not a photograph")
    with pytest.raises(DataError, match="none of the photographs in it can be read"):
        plan(tmp_path)


def test_photographs_that_have_moved_are_named_with_a_remedy(drawn: Drawn, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="moved: no such folder of photographs; name their folder with `images`"):
        plan(drawn.corpus, images=tmp_path / "moved")
