"""SSD: what it finds and names, which detections become regions and labels, and the command with this detector."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import Result

from tests.conftest import Drawn
from vsa_cli.core import boxes as geometry
from vsa_cli.core.config import RegionConfig
from vsa_cli.core.errors import MissingError
from vsa_cli.core.io.images import read_picture
from vsa_cli.core.io.sources import Photo
from vsa_cli.core.regions import ssd
from vsa_cli.core.regions.cnn import load_cnn
from vsa_cli.core.regions.encoder import photo_encoder
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.image_regions import ImageRegions, Label
from vsa_cli.core.regions.ssd import MOST_BOXES, NAMES, Ssd, as_labels, choose_boxes
from vsa_cli.core.regions.store import RegionStore

Run = Callable[..., Result]
PICTURES = Path(__file__).parents[2] / "pictures"
ASTRONAUT = PICTURES / "astronaut.jpg"
CHEAP = ("--cnn", "efficientnet_lite0", "--side", 64)
needs_ssd = pytest.mark.detector


@pytest.fixture(scope="module")
def network() -> Ssd:
    return Ssd()


def test_coco_has_80_names_and_90_ids() -> None:
    assert len(NAMES) == len(set(NAMES.values())) == 80
    assert set(range(1, 91)) - set(NAMES) == {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    assert [NAMES[number] for number in (1, 13, 24, 44, 67, 90)] == [
        "person",
        "stop sign",
        "zebra",
        "bottle",
        "dining table",
        "toothbrush",
    ]


@needs_ssd
def test_a_person_is_found_where_she_is(network: Ssd) -> None:
    rgb = read_picture(ASTRONAUT).rgb
    found = network.detect(rgb)
    assert found.names[0] == "person"
    assert found.scores[0] > 0.5
    x1, y1, x2, y2 = found.boxes[0] / np.array([*rgb.shape[1::-1]] * 2)
    assert x1 < 0.44 < x2  # her face
    assert y1 < 0.21 < y2
    assert y2 > 0.95
    assert len(found.boxes) == len(found.scores) == len(found.names) <= 100
    assert (np.diff(found.scores) <= 0).all()
    assert ((found.boxes >= 0) & (found.boxes <= [*rgb.shape[1::-1]] * 2)).all()


@needs_ssd
def test_what_is_found_depends_on_neither_threads_nor_other_photographs(network: Ssd) -> None:
    rng = np.random.default_rng(0)
    photographs = [read_picture(ASTRONAUT).rgb, rng.integers(0, 255, (90, 120, 3), np.uint8)] * 3
    alone = [Ssd().detect(rgb) for rgb in photographs[:2]] * 3
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(network.detect, photographs))
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one.boxes, other.boxes)
        assert np.array_equal(one.scores, other.scores)
        assert one.names == other.names


@needs_ssd
@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (64, 64)])
def test_pictures_of_any_shape_are_taken(network: Ssd, shape: tuple[int, int]) -> None:
    found = network.detect(np.full((*shape, 3), 200, np.uint8))
    assert found.boxes.shape == (len(found.names), 4)


def test_regions_are_the_best_detections_in_distinct_places() -> None:
    corner = np.arange(9, dtype=np.float32)[:, None] * 10
    apart = np.hstack([corner, corner, corner + 9, corner + 9])
    boxes = np.concatenate([[[0, 0, 100, 99], [0, 0, 10, 10]], apart, [[50, 50, 50, 60]]]).astype(np.float32)
    scores = np.linspace(0.9, 0.3, len(boxes)).astype(np.float32)
    assert choose_boxes(boxes, scores, 100, 100, 19) == [1, 3, 4, 5, 6, 7]  # neither the whole image nor box 1 again
    assert choose_boxes(boxes, scores, 100, 100, 2) == [1, 3]
    assert choose_boxes(boxes, scores, 100, 100, 0) == []
    scores[4:] = 0.04
    assert choose_boxes(boxes, scores, 100, 100, 19) == [1, 3]
    assert choose_boxes(boxes[:0], scores[:0], 100, 100, 19) == []


def test_a_label_names_its_region_or_the_whole_image() -> None:
    names = ["dog", "cat", "dog", "cat", "bird", "dog"]
    scores = np.array([0.9, 0.5, 0.4, 0.3, 0.2, 0.09], np.float32)
    of = [score.item() for score in scores]
    assert as_labels(names, scores, [0, 2, 5]) == (
        Label(0, "cat", of[1]),
        Label(0, "bird", of[4]),
        Label(1, "dog", of[0]),
        Label(2, "dog", of[2]),
    )
    assert as_labels(names, scores, []) == (Label(0, "dog", of[0]), Label(0, "cat", of[1]), Label(0, "bird", of[4]))
    assert as_labels([], scores[:0], []) == ()


@pytest.fixture
def two_photos(drawn: Drawn, tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes((drawn.photos / "000.png").read_bytes())
    with Image.open(ASTRONAUT) as picture:
        picture.resize((200, 150)).save(folder / "b.png")
    return folder


@needs_ssd
def test_ssd_is_followed_by_selective_search(vsa: Run, two_photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.h5"
    result = vsa("extract-regions", two_photos, "-o", out, "--detector", "ssd", *CHEAP, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["images"] == 2
    store = RegionStore(out)
    assert store.envelope.config["detector"] == "ssd"
    assert "person" in store.label_names
    for image_id in store.ids:
        found = store[image_id]
        assert found.boxes[0].tolist() == [0, 0, found.width, found.height]
        assert len(found.boxes) <= 20
        assert geometry.has_pixels(found.boxes).all()
        assert (found.boxes[:, 2:] <= [found.width, found.height]).all()
    astronaut = store["b.png"]
    assert len(astronaut.boxes) == 20
    person = next(label for label in astronaut.labels if label.name == "person" and label.region)
    assert person.region == 1
    assert person.score == pytest.approx(float(astronaut.scores[1]))
    assert max(label.region for label in astronaut.labels) <= MOST_BOXES


@needs_ssd
@pytest.mark.parametrize("top", [0, 3])
def test_few_boxes_leave_the_other_names_to_the_whole_image(
    vsa: Run, two_photos: Path, tmp_path: Path, top: int
) -> None:
    out = tmp_path / "r.h5"
    assert vsa("extract-regions", two_photos, "-o", out, "--detector", "ssd", "--top", top, *CHEAP).exit_code == 0
    store = RegionStore(out)
    labels = store.labels_of("b.png")
    assert store.count_of("b.png") == top + 1
    assert "person" in {label.name for label in labels}
    assert max(label.region for label in labels) <= top
    assert len({(label.region, label.name) for label in labels}) == len(labels)


@needs_ssd
def test_the_cache_keeps_labels(tmp_path: Path) -> None:
    cnn = load_cnn("efficientnet_lite0")
    config = RegionConfig("ssd", 4, "efficientnet_lite0", side=64, photo_side=200)
    spec = FeatureSpec(config, cnn.sha256, cnn.descriptor_size)
    encoded = []
    for _ in range(2):
        encoder = photo_encoder(spec, device=torch.device("cpu"), workers=1, cache=tmp_path)
        encoded.append(encoder.encode(Photo(str(ASTRONAUT), "a", ASTRONAUT)))
        assert isinstance(encoded[-1], ImageRegions)
        assert encoded[-1].labels
    assert encoded[0].labels == encoded[1].labels
    assert encoder._extractor is None, "the second was not encoded again"


def test_without_the_wheel_the_remedy_is_named(
    vsa: Run, drawn: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssd, "_PACKAGE", "nonesuch_wheel")
    assert not ssd.is_installed()
    with pytest.raises(MissingError):
        Ssd()
    result = vsa("extract-regions", drawn.photos, "-o", tmp_path / "r.h5", "--detector", "ssd", *CHEAP)
    assert result.exit_code == 4
    assert "--detector ssd: its network is not installed; pip install 'vsa[detector]'" in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_damaged_wheel_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "some_wheel" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise SystemExit('its code must not run')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(ssd, "_PACKAGE", "some_wheel")
    assert not ssd.is_installed()
    for name in (ssd._GRAPH, ssd._LAYERS):
        (folder / name).write_bytes(b"damaged")
    assert ssd.is_installed()
    with pytest.raises(MissingError, match=r"frozen_inference_graph\.pb: OpenCV cannot read it \(.*\); reinstall it$"):
        Ssd()
