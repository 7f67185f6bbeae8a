"""Sources of boxes: each detector, and the files that it needs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import Result

from tests.conftest import Drawn
from vsa_cli.core import boxes as geometry
from vsa_cli.core.config import RegionConfig
from vsa_cli.core.errors import ConfigError, MissingError
from vsa_cli.core.io.images import read_picture
from vsa_cli.core.regions.cnn import load_cnn
from vsa_cli.core.regions.detectors import build_detector
from vsa_cli.core.regions.features import FeatureExtractor
from vsa_cli.core.regions.store import RegionStore

Run = Callable[..., Result]
CHEAP = ("--cnn", "efficientnet_lite0", "--side", 64)


@pytest.mark.parametrize("describe", ["roi", "crop"])
@pytest.mark.parametrize("detector", ["selective-search", "grid"])
def test_boxes_lie_inside_the_photograph_and_the_whole_image_is_first(
    vsa: Run, drawn: Drawn, tmp_path: Path, detector: str, describe: str
) -> None:
    out = tmp_path / "r.h5"
    options = ("--detector", detector, "--describe", describe, "--top", 4, *CHEAP)
    result = vsa("extract-regions", drawn.corpus, "-o", out, "--split", "val", *options, "--json")
    assert result.exit_code == 0, result.output
    store = RegionStore(out)
    assert json.loads(result.stdout)["images"] == len(store) > 0
    for image_id in store.ids:
        found = store[image_id]
        assert found.boxes[0].tolist() == [0, 0, found.width, found.height]
        assert 1 <= len(found.boxes) <= 5
        assert (found.boxes[:, :2] < found.boxes[:, 2:]).all()
        assert (found.boxes >= 0).all()
        assert (found.boxes[:, 2:] <= [found.width, found.height]).all()
        assert np.isfinite(found.descriptors).all()
    assert store.envelope.config["detector"] == detector


def test_selective_search_finds_the_drawn_shape(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    """Some box fits the shape, whose extent is found by its colour: an oracle independent of detectors."""
    out = tmp_path / "r.h5"
    assert vsa("extract-regions", drawn.photos, "-o", out, *CHEAP).exit_code == 0
    store = RegionStore(out)
    best = []
    for image_id in store.ids:
        rgb = read_picture(drawn.photos / image_id).rgb.astype(int)
        rows, columns = np.nonzero(np.abs(rgb - rgb[0, 0]).sum(2) > 100)
        shape = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
        best.append(geometry.iou(shape, store[image_id].boxes).max())
    assert np.mean(np.array(best) > 0.8) > 0.9


def test_given_boxes_are_written_unchanged(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    mine = {f"{i:03d}.png": [[1, 2, 30, 40], [5.5, 6, 60, 70]] for i in range(48)}
    (tmp_path / "boxes.json").write_text(json.dumps(mine))
    out = tmp_path / "r.h5"
    options = ("--detector", "boxes", "--boxes", tmp_path / "boxes.json", *CHEAP)
    assert vsa("extract-regions", drawn.photos, "-o", out, *options).exit_code == 0
    assert RegionStore(out)["007.png"].boxes.tolist() == [[0, 0, 128, 96], [1, 2, 30, 40], [5.5, 6, 60, 70]]


def test_given_boxes_are_found_whatever_the_spelling_of_their_names(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    root = drawn.photos.resolve()
    spelled = (
        "./000.png",
        f"{root.name}/001.png",
        f"{root.name}\\002.png",
        "003.PNG",
        "004",
        f"{root}/005.png",
        "gone.png",
    )
    mine = {name: [[1, 2, 30 + number, 40]] for number, name in enumerate(spelled)}
    (tmp_path / "boxes.json").write_text(json.dumps(mine))
    options = ("--detector", "boxes", "--boxes", tmp_path / "boxes.json", *CHEAP)
    result = vsa("extract-regions", drawn.photos, "-o", tmp_path / "r.h5", *options)
    store = RegionStore(tmp_path / "r.h5")
    assert [store[f"{number:03d}.png"].boxes[1].tolist() for number in range(6)] == [
        mine[name][0] for name in spelled[:6]
    ]
    assert f"1 names match no photograph in {drawn.photos}: gone.png" in result.stderr
    assert result.exit_code == 3  # the other photographs have no boxes


def test_boxes_under_two_names_of_a_photograph_are_refused(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    (tmp_path / "boxes.json").write_text('{"./000.png": [[1, 2, 3, 4]], "000.png": [[1, 2, 5, 6]]}')
    options = ("--detector", "boxes", "--boxes", tmp_path / "boxes.json", *CHEAP)
    result = vsa("extract-regions", drawn.photos, "-o", tmp_path / "r.h5", *options)
    assert result.exit_code == 1
    assert "./000.png and 000.png are names of one photograph" in result.stderr


@pytest.mark.parametrize(
    "content", ["[]", '{"000.png": [[1, 2, 3]]}', '{"000.png": [[5, 5, 1, 9]]}', '{"000.png": "x"}', "{"]
)
def test_malformed_boxes_are_refused(vsa: Run, drawn: Drawn, tmp_path: Path, content: str) -> None:
    (tmp_path / "boxes.json").write_text(content)
    options = ("--detector", "boxes", "--boxes", tmp_path / "boxes.json", *CHEAP)
    result = vsa("extract-regions", drawn.photos, "-o", tmp_path / "r.h5", *options)
    assert result.exit_code == 1
    assert "boxes.json" in result.stderr


@pytest.fixture(scope="module")
def features() -> FeatureExtractor:
    return FeatureExtractor(load_cnn("efficientnet_lite0"), 64, "roi", torch.device("cpu"))


def test_a_detector_without_its_file_is_refused(features: FeatureExtractor, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name the file of the boxes with `boxes`"):
        build_detector(RegionConfig("boxes"), features, None, None)
    with pytest.raises(MissingError, match=r"none\.pth; name their file with `detector_weights`"):
        build_detector(RegionConfig("fasterrcnn"), features, None, tmp_path / "none.pth")


def test_a_file_that_the_detector_does_not_use_is_refused(features: FeatureExtractor) -> None:
    with pytest.raises(ConfigError, match="`boxes` goes with `detector` boxes, not with selective-search"):
        build_detector(RegionConfig(), features, Path("mine.json"), None)
    with pytest.raises(ConfigError, match="`detector_weights` goes with `detector` fasterrcnn, not with grid"):
        build_detector(RegionConfig("grid"), features, None, Path("w.pth"))


def test_faster_rcnn_runs_with_given_weights(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    from torchvision.models.detection import fasterrcnn_resnet50_fpn

    torch.manual_seed(0)
    torch.save(fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None).state_dict(), tmp_path / "w.pth")
    folder = tmp_path / "photos"
    folder.mkdir()
    with Image.open(drawn.photos / "000.png") as picture:
        picture.crop((0, 40, 128, 56)).save(folder / "a.png")  # its detector enlarges the shorter side the less
    options = ("--detector", "fasterrcnn", "--detector-weights", tmp_path / "w.pth", "--top", 2, *CHEAP)
    result = vsa("extract-regions", folder, "-o", tmp_path / "r.h5", *options)
    assert result.exit_code == 0, result.output
    assert len(RegionStore(tmp_path / "r.h5")["a.png"].boxes) <= 3
