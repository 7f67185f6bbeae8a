"""Extraction: each detector, both kinds of description, resuming, failures, and what a killed process leaves."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import Result

from tests.conftest import Drawn
from tests.processes import running, wait_until
from vsa_cli.core import boxes as geometry
from vsa_cli.core.io.images import read_picture
from vsa_cli.core.regions.cnn import load_cnn
from vsa_cli.core.regions.extract import part_folder
from vsa_cli.core.regions.features import FeatureExtractor, input_size
from vsa_cli.core.regions.store import RegionStore

Run = Callable[..., Result]
CHEAP = ("--cnn", "efficientnet_lite0", "--side", 64)


@pytest.fixture(scope="module")
def feature_extractor() -> FeatureExtractor:
    return FeatureExtractor(load_cnn("efficientnet_lite0"), 64, "roi", torch.device("cpu"))


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((640, 480), 224, (288, 224)),
        ((480, 640), 224, (224, 288)),
        ((10, 10), 96, (96, 96)),
        ((1, 20000), 224, (224, 896)),
        ((20000, 1), 64, (256, 64)),
    ],
)
def test_inputs_are_whole_cells_and_bounded(size: tuple[int, int], side: int, expected: tuple[int, int]) -> None:
    assert input_size(*size, side) == expected


def test_the_whole_image_is_the_mean_of_the_map(feature_extractor: FeatureExtractor, drawn: Drawn) -> None:
    picture = read_picture(drawn.photos / "003.png")
    whole = geometry.whole(picture.width, picture.height)
    described = feature_extractor.regions(picture, whole)[0]
    mean = feature_extractor.map(picture).mean((1, 2)).numpy()
    np.testing.assert_allclose(described, mean, rtol=1e-4, atol=1e-6)


def test_pooling_weights_cells_by_their_share_in_the_box(feature_extractor: FeatureExtractor, drawn: Drawn) -> None:
    """Against a map sampled so finely that counting does."""
    picture = read_picture(drawn.photos / "003.png")
    seen = feature_extractor.map(picture)
    fine = 48
    dense = seen.repeat_interleave(fine, 1).repeat_interleave(fine, 2)
    rows, columns = dense.shape[1:]
    boxes = np.array([[10, 20, 100, 90], [0, 0, 128, 48], [64, 32, 66, 34]], np.float32)
    expected = []
    for x1, y1, x2, y2 in boxes / np.array([128, 96, 128, 96]) * np.array([columns, rows, columns, rows]):
        expected.append(dense[:, round(y1) : round(y2), round(x1) : round(x2)].mean((1, 2)).numpy())
    np.testing.assert_allclose(
        feature_extractor.regions(picture, boxes, seen), np.stack(expected), rtol=0.05, atol=0.02
    )


def test_a_descriptor_does_not_depend_on_its_company(feature_extractor: FeatureExtractor, drawn: Drawn) -> None:
    picture = read_picture(drawn.photos / "003.png")
    many = geometry.grid(picture.width, picture.height, 8)
    together = feature_extractor.regions(picture, many)
    alone = np.concatenate([feature_extractor.regions(picture, many[i : i + 1]) for i in range(8)])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_crops_see_the_box_and_nothing_else(drawn: Drawn) -> None:
    crops = FeatureExtractor(load_cnn("efficientnet_lite0"), 64, "crop", torch.device("cpu"))
    picture = read_picture(drawn.photos / "003.png")
    half = np.array([[0, 0, 64, 96]], np.float32)
    before = crops.regions(picture, half)
    changed = picture.rgb.copy()
    changed[:, 70:] = 0
    after = crops.regions(type(picture)(changed, picture.width, picture.height), half)
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("describe", ["roi", "crop"])
@pytest.mark.parametrize("detector", ["selective-search", "grid"])
def test_boxes_are_inside_and_the_whole_image_is_first(
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
    """Some box fits the shape, whose extent the colours tell: an oracle that knows no detector."""
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


def test_own_boxes_are_kept_as_given(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    mine = {f"{i:03d}.png": [[1, 2, 30, 40], [5.5, 6, 60, 70]] for i in range(48)}
    (tmp_path / "boxes.json").write_text(json.dumps(mine))
    out = tmp_path / "r.h5"
    options = ("--detector", "boxes", "--boxes", tmp_path / "boxes.json", *CHEAP)
    assert vsa("extract-regions", drawn.photos, "-o", out, *options).exit_code == 0
    assert RegionStore(out)["007.png"].boxes.tolist() == [[0, 0, 128, 96], [1, 2, 30, 40], [5.5, 6, 60, 70]]


@pytest.mark.parametrize(
    "content", ["[]", '{"000.png": [[1, 2, 3]]}', '{"000.png": [[5, 5, 1, 9]]}', '{"000.png": "x"}', "{"]
)
def test_wrong_boxes_are_refused(vsa: Run, drawn: Drawn, tmp_path: Path, content: str) -> None:
    (tmp_path / "boxes.json").write_text(content)
    options = ("--detector", "boxes", "--boxes", tmp_path / "boxes.json", *CHEAP)
    result = vsa("extract-regions", drawn.photos, "-o", tmp_path / "r.h5", *options)
    assert result.exit_code == 1
    assert "boxes.json" in result.stderr


def test_detectors_that_lack_their_files_say_so(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    result = vsa("extract-regions", drawn.photos, "-o", tmp_path / "r.h5", "--detector", "boxes", *CHEAP)
    assert (result.exit_code, "--boxes" in result.stderr) == (2, True)
    options = ("--detector", "fasterrcnn", "--detector-weights", tmp_path / "none.pth", *CHEAP)
    result = vsa("extract-regions", drawn.photos, "-o", tmp_path / "r.h5", *options)
    assert (result.exit_code, "none.pth" in result.stderr) == (4, True)


def test_faster_rcnn_runs_with_given_weights(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    from torchvision.models.detection import fasterrcnn_resnet50_fpn

    torch.manual_seed(0)
    torch.save(fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None).state_dict(), tmp_path / "w.pth")
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes((drawn.photos / "000.png").read_bytes())
    options = ("--detector", "fasterrcnn", "--detector-weights", tmp_path / "w.pth", "--top", 2, *CHEAP)
    result = vsa("extract-regions", folder, "-o", tmp_path / "r.h5", *options)
    assert result.exit_code == 0, result.output
    assert len(RegionStore(tmp_path / "r.h5")["a.png"].boxes) <= 3


def test_a_bad_photograph_is_named_and_the_rest_is_done(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("000.png", "001.png"):
        (folder / name).write_bytes((drawn.photos / name).read_bytes())
    (folder / "broken.jpg").write_bytes(b"not a photograph")
    result = vsa("extract-regions", folder, "-o", tmp_path / "r.h5", "--detector", "grid", *CHEAP)
    assert result.exit_code == 3
    assert "broken.jpg" in result.stderr
    assert RegionStore(tmp_path / "r.h5").ids == ["000.png", "001.png"]
    (folder / "000.png").unlink()
    (folder / "001.png").unlink()
    result = vsa("extract-regions", folder, "-o", tmp_path / "none.h5", "--detector", "grid", *CHEAP)
    assert result.exit_code == 1
    assert not (tmp_path / "none.h5").exists()


def test_a_photograph_that_changed_since_prep_is_refused(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in drawn.photos.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "001.png").write_bytes((folder / "002.png").read_bytes())
    options = ("--images", folder, "--detector", "grid", "--top", 0, *CHEAP)
    result = vsa("extract-regions", drawn.corpus, "-o", tmp_path / "r.h5", *options)
    assert result.exit_code == 3
    assert "001.png: has changed" in result.stderr


def test_killed_and_resumed_it_ends_as_if_nothing_had_happened(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for copy in range(5):
        for path in drawn.photos.iterdir():
            (folder / f"{copy}{path.name}").write_bytes(path.read_bytes())
    whole, broken = tmp_path / "whole.h5", tmp_path / "broken.h5"
    options = ("--detector", "selective-search", "--top", "3", *map(str, CHEAP))
    assert vsa("extract-regions", folder, "-o", whole, *options).exit_code == 0

    with running("extract-regions", folder, "-o", broken, *options, "-q") as process:
        wait_until(lambda: list(part_folder(broken).glob("*.npz")), process)
    assert not broken.exists()
    refused = vsa("extract-regions", folder, "-o", broken, *options)
    assert (refused.exit_code, "--resume" in refused.stderr) == (2, True)
    assert vsa("extract-regions", folder, "-o", broken, *options, "--top", 4, "--resume").exit_code == 1
    assert vsa("extract-regions", folder, "-o", broken, *options, "--resume").exit_code == 0
    assert not part_folder(broken).exists()
    one, other = RegionStore(whole), RegionStore(broken)
    assert one.ids == other.ids
    assert one.sha256 == other.sha256
    again = vsa("extract-regions", folder, "-o", broken, *options, "--resume")
    assert (again.exit_code, "nothing left to do" in again.stderr) == (0, True)
    assert vsa("extract-regions", folder, "-o", broken, *options, "--top", 4, "--resume").exit_code == 1


def test_dry_run_writes_nothing(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    result = vsa("extract-regions", drawn.photos, "-o", tmp_path / "r.h5", *CHEAP, "--dry-run", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["photographs"] == 48
    assert "48 photographs" in result.stderr
    assert not list(tmp_path.iterdir())


def test_photographs_that_have_moved_are_told_once_and_leave_nothing(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    result = vsa("extract-regions", drawn.corpus, "-o", tmp_path / "r.h5", "--images", moved, *CHEAP)
    assert result.exit_code == 1
    assert result.stderr == f"vsa: {moved}: no such folder of photographs; --images DIR says where they are now\n"
    moved.mkdir()
    result = vsa("extract-regions", drawn.corpus, "-o", tmp_path / "r.h5", "--images", moved, *CHEAP)
    assert (result.exit_code, result.stderr.count("No such file")) == (1, 48)
    assert list(tmp_path.iterdir()) == [moved]


def test_a_finished_run_tells_its_result_again(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "r.h5"
    folder.mkdir()
    (folder / "000.png").write_bytes((drawn.photos / "000.png").read_bytes())
    (folder / "001.png").write_bytes(b"no picture")
    command = ("extract-regions", folder, "-o", out, "--detector", "grid", *CHEAP, "--resume", "--json")
    first, again = vsa(*command), vsa(*command)
    assert (first.exit_code, again.exit_code) == (3, 0)
    told, once_more = json.loads(first.stdout), json.loads(again.stdout)
    assert told == {"output": str(out), "images": 1, "failed": 1, "seconds": told["seconds"]}
    assert once_more == told | {"seconds": 0.0}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--boxes", "mine.json"), "--boxes goes with --detector boxes"),
        (("--detector", "grid", "--detector-weights", "w.pth"), "--detector-weights goes with --detector fasterrcnn"),
        (("--split", "val"), "go with a corpus.json"),
        (("--images", "elsewhere"), "go with a corpus.json"),
    ],
)
def test_options_that_would_be_passed_over_are_refused(
    vsa: Run, drawn: Drawn, tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    result = vsa("extract-regions", drawn.photos, "-o", tmp_path / "r.h5", *CHEAP, *options)
    assert (result.exit_code, says in result.stderr) == (2, True)


def test_a_continued_run_tries_again_what_failed(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "r.h5"
    folder.mkdir()
    for name in ("000.png", "001.png"):
        (folder / name).write_bytes((drawn.photos / name).read_bytes())
    whole = (folder / "001.png").read_bytes()
    options = ("--detector", "grid", *CHEAP)
    (folder / "001.png").write_bytes(whole[:100])
    (tmp_path / ".r.h5.part").mkdir()  # the end cannot be written: the shards stay
    assert vsa("extract-regions", folder, "-o", out, *options).exit_code == 1
    assert part_folder(out).exists()
    (folder / "001.png").write_bytes(whole)
    (tmp_path / ".r.h5.part").rmdir()
    result = vsa("extract-regions", folder, "-o", out, *options, "--resume")
    assert result.exit_code == 0, result.output
    assert RegionStore(out).ids == ["000.png", "001.png"]


def test_a_name_that_is_not_utf8_is_refused_and_the_rest_is_done(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", os.fsdecode(b"caf\xe9.png")):
        (folder / name).write_bytes((drawn.photos / "000.png").read_bytes())
    result = vsa("extract-regions", folder, "-o", tmp_path / "r.h5", "--detector", "grid", *CHEAP)
    assert result.exit_code == 3
    assert "its name is not UTF-8" in result.stderr
    assert RegionStore(tmp_path / "r.h5").ids == ["a.png"]
