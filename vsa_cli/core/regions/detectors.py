"""What proposes boxes, behind one interface. torchvision's detectors come in here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core import boxes as geometry
from vsa_cli.core.boxes import Boxes
from vsa_cli.core.config import RegionConfig
from vsa_cli.core.errors import ConfigError, DataError, MissingError
from vsa_cli.core.io.images import Picture
from vsa_cli.core.io.json import read_json
from vsa_cli.core.regions.cnn import read_weights
from vsa_cli.core.regions.features import FeatureExtractor
from vsa_cli.core.regions.proposals import class_confidence, plausible, propose, select


@dataclass(frozen=True)
class Found:
    """Boxes chosen in a photograph, best first, the whole image not among them.

    Attributes:
        boxes: (R, 4) in pixels of the upright original.
        scores: (R,) the detector's own.
    """

    boxes: Boxes
    scores: NDArray[np.float32]


class Detector(Protocol):
    """What `extract` needs of a detector; called from several threads at once."""

    def choose(self, image_id: str, picture: Picture, feature_map: Tensor) -> Found:
        """The best boxes of a photograph, whose whole map by the describer's CNN is at hand."""


def _to_original(picture: Picture) -> NDArray[np.float32]:
    """(4,) what boxes in pixels of `picture.rgb` are multiplied with."""
    height, width = picture.rgb.shape[:2]
    return np.array([picture.width / width, picture.height / height] * 2, np.float32)


class SelectiveSearch:
    """Class-agnostic proposals, judged by the CNN's own ImageNet classifier: the embedded default."""

    def __init__(self, top: int, feature_extractor: FeatureExtractor) -> None:
        self._top, self._describer = top, feature_extractor

    def choose(self, image_id: str, picture: Picture, feature_map: Tensor) -> Found:
        """See `Detector`."""
        width, height = picture.width, picture.height
        proposals = geometry.clip(propose(picture.rgb) * _to_original(picture), width, height)
        candidates = plausible(proposals, width, height)
        confidence = class_confidence(self._describer, feature_map, picture, candidates)
        chosen, scores = select(candidates, confidence, width, height, self._top)
        return Found(chosen, scores)


class Grid:
    """A pyramid of grids: deterministic, needs nothing; for tests and as a last resort."""

    def __init__(self, top: int) -> None:
        self._top = top

    def choose(self, image_id: str, picture: Picture, feature_map: Tensor) -> Found:
        """See `Detector`."""
        found = geometry.grid(picture.width, picture.height, self._top)
        return Found(found, np.zeros(len(found), np.float32))


class GivenBoxes:
    """The user's own boxes, from JSON: `{"image id": [[x1, y1, x2, y2], ...]}` in pixels of the original."""

    def __init__(self, top: int, boxes: Mapping[str, Boxes], path: Path) -> None:
        self._top, self._boxes, self._path = top, boxes, path

    @classmethod
    def read(cls, path: Path, top: int) -> GivenBoxes:
        """Read the file.

        Raises:
            DataError: not such a JSON object, naming the first image that is wrong.
        """
        data = read_json(path)
        if not isinstance(data, dict):
            raise DataError(f'{path}: boxes must be a JSON object, {{"image id": [[x1, y1, x2, y2], ...]}}')
        return cls(top, {image_id: _as_boxes(rows, f"{path}: {image_id}") for image_id, rows in data.items()}, path)

    def choose(self, image_id: str, picture: Picture, feature_map: Tensor) -> Found:
        """See `Detector`.

        Raises:
            DataError: the file has no boxes for the image.
        """
        if image_id not in self._boxes:
            raise DataError(f"{self._path}: no boxes for {image_id}")
        found = geometry.clip(self._boxes[image_id], picture.width, picture.height)[: self._top]
        return Found(found, np.ones(len(found), np.float32))


def _as_boxes(rows: object, where: str) -> Boxes:
    try:
        with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite, and is refused
            boxes = np.array(rows, np.float32).reshape(-1, 4)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{where}: boxes must be lists of four numbers") from error
    if not np.isfinite(boxes).all() or not (boxes[:, :2] < boxes[:, 2:]).all():
        raise DataError(f"{where}: a box must be [x1, y1, x2, y2] with x1 < x2 and y1 < y2")
    return boxes


class FasterRcnn:
    """torchvision's Faster R-CNN (ResNet-50 FPN), with weights from a path or from torch's cache."""

    _FILE = "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth"

    def __init__(self, top: int, weights: Path | None, device: torch.device) -> None:
        from torchvision.models.detection import fasterrcnn_resnet50_fpn

        path = weights or Path(torch.hub.get_dir()) / "checkpoints" / self._FILE
        if not path.is_file():
            raise MissingError(
                f"--detector fasterrcnn: no trained weights at {path.name}; give --detector-weights FILE"
            )
        network = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, box_detections_per_img=top)
        try:
            network.load_state_dict(read_weights(path))
        except RuntimeError as error:
            raise MissingError(f"{path}: not the weights of fasterrcnn_resnet50_fpn") from error
        self._network = network.to(device).eval()
        self._device = device

    @torch.inference_mode()
    def choose(self, image_id: str, picture: Picture, feature_map: Tensor) -> Found:
        """See `Detector`."""
        pixels = torch.from_numpy(picture.rgb.copy()).permute(2, 0, 1).to(self._device).float() / 255
        found = self._network([pixels])[0]
        boxes = found["boxes"].cpu().numpy() * _to_original(picture)
        limits = np.array([picture.width, picture.height] * 2, np.float32)
        return Found(np.clip(boxes, 0, limits).astype(np.float32), found["scores"].cpu().numpy())


def build_detector(
    config: RegionConfig, feature_extractor: FeatureExtractor, boxes_file: Path | None, weights: Path | None
) -> Detector:
    """The detector that a configuration names.

    Args:
        config: with `detector` and `top`.
        describer: whose classifier judges proposals.
        boxes_file: for `boxes`.
        weights: for `fasterrcnn`.

    Raises:
        UsageError: a file that the detector needs was not named, or one that it does not.
        MissingError: no weights.
        DataError: the boxes file is wrong.
    """
    for name, option, file in (("boxes", "--boxes", boxes_file), ("fasterrcnn", "--detector-weights", weights)):
        if file is not None and config.detector != name:
            raise ConfigError(f"{option} goes with --detector {name}, not with {config.detector}")
    if config.detector == "selective-search":
        return SelectiveSearch(config.top, feature_extractor)
    if config.detector == "grid":
        return Grid(config.top)
    if config.detector == "fasterrcnn":
        return FasterRcnn(config.top, weights, feature_extractor.device)
    if boxes_file is None:
        raise ConfigError("--detector boxes: name the file with --boxes FILE")
    return GivenBoxes.read(boxes_file, config.top)
