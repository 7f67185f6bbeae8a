"""Sources of boxes behind one interface: selective search, SSD, a grid, the user's own boxes, Faster R-CNN.

The only module that imports torchvision's detectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from vsa_cli.core.corpus.photo_names import Named, PhotoNames
from vsa_cli.core.errors import ConfigError, DataError, MissingError
from vsa_cli.core.io.images import Picture
from vsa_cli.core.io.json import read_json
from vsa_cli.core.regions.cnn import read_weights
from vsa_cli.core.regions.features import FeatureExtractor
from vsa_cli.core.regions.image_regions import Label
from vsa_cli.core.regions.proposals import class_confidence, plausible, propose, select
from vsa_cli.core.regions.ssd import Ssd, as_labels, choose_boxes


@dataclass(frozen=True)
class Found:
    """The boxes chosen in a photograph, best first, without the whole image.

    Attributes:
        boxes: (R, 4) in pixels of the upright original.
        scores: (R,) the detector's own scores.
        labels: the names that the detector gave; region 0 is the whole image, and region 1 is the first of `boxes`.
    """

    boxes: Boxes
    scores: NDArray[np.float32]
    labels: tuple[Label, ...] = ()


NO_BOXES = Found(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
"""Nothing found, so that the whole image is the only region."""


@dataclass(frozen=True)
class Proposed:
    """What a detector finds in a photograph before the CNN has seen it.

    Attributes:
        found: the boxes that are chosen already.
        candidates: (P, 4) further boxes, among which the CNN's map decides, in pixels of the upright original.
    """

    found: Found
    candidates: Boxes


class Detector(Protocol):
    """A source of boxes, in two parts, of which the first does not wait for the CNN; called from several threads."""

    def propose(self, image_id: str, picture: Picture) -> Proposed:
        """The boxes of a photograph, as far as they can be found without the CNN's map.

        Args:
            image_id: the photograph's id, by which the user's own boxes are found.
            picture: the decoded photograph.
        """

    def choose(self, proposed: Proposed, picture: Picture, feature_map: Tensor) -> Found:
        """The best boxes of a photograph.

        Args:
            proposed: the result of `propose`.
            picture: the photograph, of which only width and height are used.
            feature_map: (C, h, w) float32, the feature extractor's map of the whole photograph.
        """


class _WithoutMap:
    """The second part of a detector whose first has chosen all boxes."""

    def choose(self, proposed: Proposed, picture: Picture, feature_map: Tensor) -> Found:
        """The boxes that are chosen already."""
        return proposed.found


def _to_original(picture: Picture) -> NDArray[np.float32]:
    """(4,) factors from pixels of `picture.rgb` to pixels of the original."""
    height, width = picture.rgb.shape[:2]
    return np.array([picture.width / width, picture.height / height] * 2, np.float32)


def _inside(boxes: Boxes, picture: Picture) -> Boxes:
    clipped = geometry.clip(boxes, picture.width, picture.height)
    return clipped[geometry.has_pixels(clipped)]


class SelectiveSearch:
    """Class-agnostic proposals, scored by the CNN's own ImageNet classifier: the default."""

    def __init__(self, top: int, features: FeatureExtractor) -> None:
        self._top, self._features = top, features

    def propose(self, image_id: str, picture: Picture) -> Proposed:
        """The proposals of selective search."""
        return self.add(NO_BOXES, picture)

    def add(self, found: Found, picture: Picture) -> Proposed:
        """Proposals beside boxes that are chosen already, unless those are enough."""
        if len(found.boxes) >= self._top:
            return Proposed(found, NO_BOXES.boxes)
        boxes = _inside(propose(picture.rgb) * _to_original(picture), picture)
        return Proposed(found, plausible(boxes, picture.width, picture.height))

    def choose(self, proposed: Proposed, picture: Picture, feature_map: Tensor) -> Found:
        """The boxes chosen already, followed by the proposals that represent most of what those do not."""
        found, candidates = proposed.found, proposed.candidates
        count = self._top - len(found.boxes)
        if count <= 0:
            return found
        confidence = class_confidence(self._features, feature_map, picture, candidates)
        chosen, scores = select(candidates, confidence, picture.width, picture.height, count, found.boxes)
        return Found(np.concatenate([found.boxes, chosen]), np.concatenate([found.scores, scores]), found.labels)


class SsdAndSearch:
    """Objects found and named by SSD, then proposals of selective search; without boxes, names of the whole image.

    Raises:
        MissingError: SSD is not installed.
    """

    def __init__(self, top: int, features: FeatureExtractor) -> None:
        self._top, self._ssd, self._search = top, Ssd(), SelectiveSearch(top, features)

    def propose(self, image_id: str, picture: Picture) -> Proposed:
        """The objects with the highest scores, and proposals for the rest of the photograph."""
        width, height = picture.width, picture.height
        found = self._ssd.detect(picture.rgb)
        boxes = geometry.clip(found.boxes * _to_original(picture), width, height)
        chosen = choose_boxes(boxes, found.scores, width, height, self._top)
        labels = as_labels(found.names, found.scores, chosen)
        return self._search.add(Found(boxes[chosen], found.scores[chosen], labels), picture)

    def choose(self, proposed: Proposed, picture: Picture, feature_map: Tensor) -> Found:
        """The objects, and the proposals that represent most of the rest of the photograph."""
        return self._search.choose(proposed, picture, feature_map)


class Grid(_WithoutMap):
    """Cells of a pyramid of grids: deterministic, without weights; for tests and comparisons."""

    def __init__(self, top: int) -> None:
        self._top = top

    def propose(self, image_id: str, picture: Picture) -> Proposed:
        """The first cells of the grids, whatever the photograph shows; each with a score of 0."""
        found = geometry.grid(picture.width, picture.height, self._top)
        return Proposed(Found(found, np.zeros(len(found), np.float32)), NO_BOXES.boxes)


class GivenBoxes(_WithoutMap):
    """The user's own boxes, from JSON: `{"image id": [[x1, y1, x2, y2], ...]}` in pixels of the upright original.

    Args:
        top: the number of boxes to take from each photograph.
        boxes: the boxes of each photograph, by its id.
        path: their file, for messages.
        unmatched: names in the file that match no photograph.
    """

    def __init__(self, top: int, boxes: Mapping[str, Boxes], path: Path, unmatched: Sequence[str] = ()) -> None:
        self._top, self._boxes, self._path = top, boxes, path
        self.unmatched = tuple(unmatched)

    @classmethod
    def read(cls, path: Path, top: int, photos: PhotoNames[Named]) -> GivenBoxes:
        """Read the boxes of all photographs from a file.

        Args:
            path: the file.
            top: the number of boxes to take from each photograph.
            photos: the photographs, which the file may name by id or by file, in any spelling.

        Raises:
            DataError: the file is not such a JSON object, or names a photograph twice; the message names the first
                image whose boxes are wrong.
        """
        data = read_json(path)
        if not isinstance(data, dict):
            raise DataError(f'{path}: boxes must be a JSON object, {{"image id": [[x1, y1, x2, y2], ...]}}')
        boxes: dict[str, Boxes] = {}
        names: dict[str, str] = {}
        unmatched = []
        for name, rows in data.items():
            found, photo = _as_boxes(rows, f"{path}: {name}"), photos.find(name)
            if photo is None:
                unmatched.append(name)
                continue
            other = names.setdefault(photo.key, name)
            if other != name:
                raise DataError(f"{path}: {other} and {name} are names of one photograph; join their boxes")
            boxes[photo.key] = found
        return cls(top, boxes, path, unmatched)

    def propose(self, image_id: str, picture: Picture) -> Proposed:
        """The first boxes of a photograph in the file; each with a score of 1.

        Raises:
            DataError: the file has no boxes for the photograph.
        """
        if image_id not in self._boxes:
            raise DataError(f"{self._path}: no boxes for {image_id}")
        found = _inside(self._boxes[image_id], picture)[: self._top]
        return Proposed(Found(found, np.ones(len(found), np.float32)), NO_BOXES.boxes)


def _as_boxes(rows: object, where: str) -> Boxes:
    try:
        with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite, and is rejected below
            boxes = np.array(rows, np.float32).reshape(-1, 4)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{where}: boxes must be lists of four numbers") from error
    if not np.isfinite(boxes).all() or not (boxes[:, :2] < boxes[:, 2:]).all():
        raise DataError(f"{where}: a box must be [x1, y1, x2, y2] with x1 < x2 and y1 < y2")
    return boxes


class FasterRcnn(_WithoutMap):
    """torchvision's Faster R-CNN (ResNet-50 FPN), with weights from a file or from torch's download folder."""

    _FILE = "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth"

    def __init__(self, top: int, weights: Path | None, device: torch.device) -> None:
        from torchvision.models.detection import fasterrcnn_resnet50_fpn

        path = weights or Path(torch.hub.get_dir()) / "checkpoints" / self._FILE
        if not path.is_file():
            raise MissingError(f"`detector` fasterrcnn: no weights at {path}; name their file with `detector_weights`")
        network = fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None, box_detections_per_img=top)
        try:
            network.load_state_dict(read_weights(path))
        except RuntimeError as error:
            raise MissingError(f"{path}: not the weights of fasterrcnn_resnet50_fpn") from error
        self._network = network.to(device).eval()
        self._device = device

    @torch.inference_mode()
    def propose(self, image_id: str, picture: Picture) -> Proposed:
        """The detections with the highest scores."""
        pixels = torch.from_numpy(picture.rgb.copy()).permute(2, 0, 1).to(self._device).float() / 255
        found = self._network([pixels])[0]
        boxes = found["boxes"].cpu().numpy() * _to_original(picture)
        chosen = Found(geometry.clip(boxes, picture.width, picture.height), found["scores"].cpu().numpy())
        return Proposed(chosen, NO_BOXES.boxes)


def build_detector(
    config: RegionConfig,
    features: FeatureExtractor,
    boxes_file: Path | None,
    weights: Path | None,
    photos: PhotoNames[Named] | None = None,
) -> Detector:
    """The detector that a configuration names.

    Args:
        config: the configuration; only `detector` and `top` are used.
        features: the feature extractor, whose classifier scores proposals.
        boxes_file: the user's own boxes, for the detector `boxes`.
        weights: the weight file, for the detector `fasterrcnn`.
        photos: the photographs to which the user's own boxes belong, for the detector `boxes`.

    Raises:
        ConfigError: a file that the detector needs is not given, or a given file is not used by the detector.
        MissingError: the detector's weights are not installed.
        DataError: the boxes file is wrong.
    """
    for name, setting, file in (("boxes", "boxes", boxes_file), ("fasterrcnn", "detector_weights", weights)):
        if file is not None and config.detector != name:
            raise ConfigError(f"`{setting}` goes with `detector` {name}, not with {config.detector}")
    if config.detector == "selective-search":
        return SelectiveSearch(config.top, features)
    if config.detector == "ssd":
        return SsdAndSearch(config.top, features)
    if config.detector == "grid":
        return Grid(config.top)
    if config.detector == "fasterrcnn":
        return FasterRcnn(config.top, weights, features.device)
    if boxes_file is None or photos is None:
        raise ConfigError("`detector` boxes: name the file of the boxes with `boxes`")
    return GivenBoxes.read(boxes_file, config.top, photos)
