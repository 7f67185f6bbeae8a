"""Computes the descriptors of boxes by RoI pooling or from crops (paper, section 3.1), and their statistics.

This module does not depend on how boxes were found.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core.boxes import Boxes
from vsa_cli.core.config import Describe
from vsa_cli.core.device import Precision, products_in, to_device
from vsa_cli.core.io.images import Picture, resize
from vsa_cli.core.regions.cnn import STRIDE, Cnn
from vsa_cli.core.regions.fused_lite import Forward
from vsa_cli.core.regions.lite_runtimes import LiteRuntime, TorchLite

MAX_ASPECT = 4
"""Maximum aspect ratio of the CNN's input; a longer photograph is compressed lengthwise, which bounds the memory."""


def input_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height of the CNN's input for a photograph, in pixels.

    The shorter side becomes `side`, and both are rounded to whole cells of the map.
    """
    scale = side / min(width, height)
    cells = [min(max(1, round(n * scale / STRIDE)), MAX_ASPECT * max(1, round(side / STRIDE))) for n in (width, height)]
    return cells[0] * STRIDE, cells[1] * STRIDE


class FeatureExtractor:
    """A CNN on its device, which computes the descriptors of boxes in photographs.

    Args:
        cnn: the CNN; moved to the device, and in float32 prepared for inference.
        side: shorter side of its input, in pixels; side of a crop.
        mode: `roi` pools boxes from one map, `crop` warps each to the input.
        device: the device on which it runs.
        precision: the precision of its products; maps and descriptors are float32 in any case.
        runtime: computes an EfficientNet-Lite in float32; None is PyTorch.
    """

    def __init__(
        self,
        cnn: Cnn,
        side: int,
        mode: Describe,
        device: torch.device,
        precision: Precision = "float32",
        runtime: LiteRuntime | None = None,
    ) -> None:
        self.cnn = cnn.to(device)
        if precision == "float32":
            self.cnn.prepare(runtime or TorchLite())  # for this precision alone: its layers take no part in autocast
        self.side, self.mode, self.device, self._precision = side, mode, device, precision

    def pixels(self, picture: Picture) -> NDArray[np.uint8]:
        """(h, w, 3): a photograph in the size of the CNN's input."""
        return resize(picture.rgb, *input_size(picture.width, picture.height, self.side))

    def map(self, picture: Picture) -> Tensor:
        """(C, h, w) float32 on the device: the CNN's map of the whole photograph."""
        return self.maps([self.pixels(picture)])[0]

    @torch.inference_mode()
    def maps(self, pixels: Sequence[NDArray[np.uint8]]) -> Tensor:
        """(B, C, h, w) float32 on the device: the CNN's maps of photographs, whose `pixels` have equal shapes."""
        with products_in(self._precision, self.device):
            return self.cnn.maps(self._batch(pixels)).float()

    @torch.inference_mode()
    def trunk_maps(self, pixels: Sequence[NDArray[np.uint8]]) -> Tensor:
        """(B, C, h, w) float32 on the device: the maps of stride 16, which `deepen` takes.

        Raises:
            ConfigError: the CNN has no tail.
        """
        with products_in(self._precision, self.device):
            return self.cnn.trunk_maps(self._batch(pixels)).float()

    @torch.inference_mode()
    def deepen(self, trunk_maps: Tensor, tail: Forward | None = None) -> Tensor:
        """(B, C, h / 2, w / 2) float32 on the device: the maps of `maps`, or those of a tuned tail, from `trunk_maps`.

        Raises:
            ConfigError: the CNN has no tail.
        """
        with products_in(self._precision, self.device):
            return (tail or self.cnn.deepen)(trunk_maps).float()

    @torch.inference_mode()
    def regions(self, picture: Picture, boxes: Boxes, feature_map: Tensor | None = None) -> NDArray[np.float32]:
        """(R, D) float32: the descriptors of boxes.

        Args:
            picture: the photograph.
            boxes: (R, 4), in pixels of the upright original.
            feature_map: the result of `map`, if the caller has it already.
        """
        if self.mode == "crop":
            return self._crops(picture, boxes)
        if feature_map is None:
            feature_map = self.map(picture)
        return self.pool(feature_map, picture, boxes).cpu().numpy()

    @torch.inference_mode()
    def pool(self, feature_map: Tensor, picture: Picture, boxes: Boxes) -> Tensor:
        """(R, D) float32 on the device: descriptors pooled from a map (Fast R-CNN).

        For a CNN that averages its map: the mean of the cells, each weighted by its share inside the box. For one that
        needs several cells (VGG, AlexNet): RoIAlign.
        """
        if self.cnn.pool > 1:
            from torchvision.ops import roi_align

            cells = _in_cells(feature_map, boxes, picture.width, picture.height)
            pooled: Tensor = roi_align(feature_map[None], [cells], self.cnn.pool, aligned=True)
            return self._describe(pooled)
        means = mean_in_boxes(feature_map, boxes, picture.width, picture.height)
        return self._describe(means[:, :, None, None])

    @torch.inference_mode()
    def logits(self, feature_map: Tensor, picture: Picture, boxes: Boxes) -> Tensor:
        """(R, 1000) float32 on the device: ImageNet logits of boxes, from a map.

        The logits of a mean of cells are the mean of the cells' logits. So where the boxes outnumber the cells, the
        cells are classified, which takes half the time.
        """
        rows, columns = feature_map.shape[1:]
        if isinstance(self.cnn.neck, torch.nn.Flatten) and self.cnn.pool == 1 and len(boxes) > rows * columns:
            of_cells = self.cnn.logits(feature_map.flatten(1).T).T.reshape(-1, rows, columns)
            return mean_in_boxes(of_cells, boxes, picture.width, picture.height)
        return self.cnn.logits(self.pool(feature_map, picture, boxes))

    def _crops(self, picture: Picture, boxes: Boxes) -> NDArray[np.float32]:
        """(R, D): descriptors of the boxes, each warped to a square of `side` pixels (R-CNN); one by one on a CPU."""
        scale_x, scale_y = picture.rgb.shape[1] / picture.width, picture.rgb.shape[0] / picture.height
        crops = [
            resize(picture.rgb, self.side, self.side, tuple(box))
            for box in boxes * np.array([scale_x, scale_y, scale_x, scale_y], np.float32)
        ]
        pool = torch.nn.AdaptiveAvgPool2d(self.cnn.pool)
        size = 1 if self.device.type == "cpu" else len(crops)
        parts = [crops[first : first + size] for first in range(0, len(crops), size)]
        return torch.cat([self._describe(pool(self.maps(part))) for part in parts]).cpu().numpy()

    def _describe(self, pooled: Tensor) -> Tensor:
        with products_in(self._precision, self.device):
            return self.cnn.describe(pooled).float()

    def _batch(self, pixels: Sequence[NDArray[np.uint8]]) -> Tensor:
        """(B, h, w, 3) uint8 on the device."""
        return to_device(torch.from_numpy(np.stack(pixels)), self.device)


def mean_in_boxes(feature_map: Tensor, boxes: Boxes, width: int, height: int) -> Tensor:
    """(R, C): the mean of a (C, h, w) map in each box, each cell weighted by its share inside the box.

    Args:
        feature_map: the map of a photograph; gradients flow into it.
        boxes: (R, 4), in pixels of the photograph.
        width: width of the photograph, in pixels.
        height: height of the photograph, in pixels.
    """
    _, rows, columns = feature_map.shape
    cells = _in_cells(feature_map, boxes, width, height)
    shares = _inside(cells[:, 1::2], rows)[:, :, None] * _inside(cells[:, 0::2], columns)[:, None, :]
    return shares.to(feature_map.dtype).flatten(1) @ feature_map.flatten(1).T


def _in_cells(feature_map: Tensor, boxes: Boxes, width: int, height: int) -> Tensor:
    """(R, 4): boxes in cells of a map."""
    _, rows, columns = feature_map.shape
    scale = np.array([columns / width, rows / height] * 2, np.float32)
    return torch.from_numpy(boxes * scale).to(feature_map.device)


def _inside(spans: Tensor, cells: int) -> Tensor:
    """(R, cells): the share of each span (R, 2) that lies in each unit cell of a line; a row sums to 1."""
    edges = torch.arange(cells, device=spans.device)
    overlap = torch.minimum(spans[:, 1:], edges + 1) - torch.maximum(spans[:, :1], edges)
    overlap = overlap.clamp(min=0)
    return overlap / overlap.sum(1, keepdim=True).clamp(min=1e-9)


def mean_and_scale(descriptors: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the reciprocal standard deviation of each of D numbers: (D,) float64 each.

    No deviation counts as less than a hundredth of the mean deviation, so that numbers that hardly vary are not
    magnified. In double precision, so that the result does not depend on how many threads share a sum.

    Args:
        descriptors: (S, D) with S at least 1.
    """
    exact = descriptors.double()
    spread = exact.std(0, correction=min(1, len(exact) - 1))
    least = max(1e-6, 0.01 * float(spread.mean()))
    return exact.mean(0), spread.clamp(min=least).reciprocal()


def to_half(descriptors: NDArray[np.float32]) -> NDArray[np.float16]:
    """Descriptors in float16, as `regions.h5` holds them; numbers beyond its range become its largest or smallest."""
    limit = float(np.finfo(np.float16).max)
    return np.clip(descriptors, -limit, limit).astype(np.float16)
