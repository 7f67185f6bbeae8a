"""The tail of a CNN, its last stages, which can learn with a model; from maps of stride 16 to descriptors of boxes.

The trunk before it stays as published, so its maps are computed once (`keep_maps`) and training starts from them. The
weights of a tuned tail are kept with the models that need it; matrices have the precision of float16, so that packing a
model does not change its CNN.
"""

from __future__ import annotations

import copy
import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vsa_cli.core.errors import ArtifactError, reason
from vsa_cli.core.regions.details import described_size
from vsa_cli.core.regions.efficientnet_lite import CHANNELS, SCALES, LiteTail, trunk_channels
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.features import mean_in_boxes, to_half
from vsa_cli.core.regions.fused_lite import Forward, fused_tail
from vsa_cli.core.regions.image_regions import MappedImage
from vsa_cli.core.regions.store import RegionStore

CELL = 16
"""Pixels of the CNN's input for each cell of the trunk's map."""

_TOGETHER = 16  # maps that pass through the tail together, which bounds the temporary memory


def describe_images(tail: LiteTail, images: Sequence[MappedImage], forward: Forward | None = None) -> Tensor:
    """(K, R, D): the descriptors of K images by a tail, on its device; gradients flow into the tail.

    Each map passes once through the tail, together with a few others of its shape. An image with fewer than R boxes
    repeats its whole image, as `RegionStore.padded` does. Details, if the images have them, are those stored.

    Args:
        tail: the tail.
        images: images of any shapes.
        forward: computes the same maps as the tail, for inference; None uses the tail itself.
    """
    deepen = forward or tail
    device = tail.head.weight.device
    most = max(len(image.boxes) for image in images)
    by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, image in enumerate(images):
        by_shape[image.map.shape].append(index)
    parts = [same[i : i + _TOGETHER] for same in by_shape.values() for i in range(0, len(same), _TOGETHER)]
    described: list[Tensor] = [torch.empty(0)] * len(images)
    for indices in parts:
        # (B, h, w, C) is the memory layout of a channels-last (B, C, h, w)
        maps = torch.from_numpy(np.stack([images[index].map for index in indices])).to(device)
        deep = deepen(maps.permute(0, 3, 1, 2).to(tail.head.weight.dtype))
        for feature_map, index in zip(deep, indices, strict=True):
            image = images[index]
            regions = np.arange(most)
            regions[len(image.boxes) :] = 0
            means = mean_in_boxes(feature_map, image.boxes[regions], image.width, image.height)
            described[index] = means if image.stored is None else _with_details(means, image.stored[regions])
    return torch.stack(described)


def _with_details(means: Tensor, stored: NDArray[np.float16]) -> Tensor:
    """(R, D): what a tail computes, followed by the details among the stored (R, D)."""
    details = torch.from_numpy(stored[:, means.shape[1] :]).to(means)
    return torch.cat([means, details], 1)


class TailDescriber:
    """Computes the stored descriptors of images from their maps, as `RegionStore` needs it."""

    def __init__(self, tail: LiteTail) -> None:
        self._tail, self._forward = tail, fused_tail(tail)

    @torch.inference_mode()
    def __call__(self, image: MappedImage) -> NDArray[np.float16]:
        """(R, D): the descriptors of one image; each is processed alone, so that no batch changes them."""
        return to_half(describe_images(self._tail, [image], self._forward)[0].cpu().numpy())


def stored_tail(store: RegionStore) -> LiteTail:
    """The tail that computed the descriptors of a regions file, on the CPU, frozen.

    Raises:
        ArtifactError: the file does not have it, or it is damaged.
    """
    where = str(store.path)
    spec = FeatureSpec.of(store.envelope, where)
    try:
        tail = tail_from(spec.config.cnn, store.tail_weights())
    except ValueError as error:
        raise ArtifactError(f"{where}: {reason(error)}") from error
    if spec.tail_sha256 not in ("", tail_sha256(tail)):
        raise ArtifactError(f"{where}: the tail of its CNN is not the one that its descriptors come from")
    return tail


def described_for(spec: FeatureSpec, tail: LiteTail | None, store: RegionStore) -> RegionStore:
    """A regions file with the descriptors that a model needs: those stored, or computed from its maps.

    Details come last in a descriptor, so a file that has them also serves a model without them.

    Args:
        spec: how descriptors for the model are extracted.
        tail: the tuned tail of the model's CNN; None for a published CNN.
        store: the regions file.

    Raises:
        ArtifactError: the file has neither.
    """
    where = str(store.path)
    kind = spec.with_details_of(store.envelope, where)
    size = spec.descriptor_size if kind.config.details and not spec.config.details else None
    is_other = FeatureSpec.of(store.envelope, where).tail_sha256 != spec.tail_sha256
    if tail is not None and is_other and store.has_maps and kind.same_trunk(store.envelope, where):
        require_maps(store)
        return RegionStore(store.path, TailDescriber(tail), size)
    kind.require_from(store.envelope, where)
    return store if size is None else RegionStore(store.path, size=size)


def require_maps(store: RegionStore) -> None:
    """Check that a regions file has maps that the tail of its CNN takes.

    Raises:
        ArtifactError: it has none, or they are not those of its CNN.
    """
    config = FeatureSpec.of(store.envelope, str(store.path)).config
    cnn = config.cnn
    if not store.has_maps:
        raise ArtifactError(f"{store.path}: has no maps of the CNN; `keep_maps` of `vsa extract-regions` keeps them")
    if cnn not in SCALES or store.map_channels != {trunk_channels(cnn)}:
        raise ArtifactError(f"{store.path}: its maps are not those of {cnn}; extract its regions again")
    if store.descriptor_size != described_size(cnn, CHANNELS, details=config.details):
        raise ArtifactError(f"{store.path}: its descriptors are not those of {cnn}; extract its regions again")


def trainable(tail: LiteTail) -> LiteTail:
    """A copy of a tail whose weights can be trained."""
    return copy.deepcopy(tail).to(memory_format=torch.contiguous_format).requires_grad_(True)


def new_tail(cnn: str) -> LiteTail:
    """A tail with the shape of a CNN's.

    Raises:
        ValueError: the CNN has none.
    """
    if cnn not in SCALES:
        raise ValueError(f"{cnn} has no tail")
    return LiteTail(SCALES[cnn])


def tail_from(cnn: str, weights: NDArray[np.float32]) -> LiteTail:
    """The tail of a CNN with the weights of `tail_weights`, on the CPU, frozen.

    Raises:
        ValueError: the CNN has no tail, or one of another size, or a weight is not finite.
    """
    with torch.device("meta"):
        tail = new_tail(cnn)
    if sum(parameter.numel() for parameter in tail.parameters()) != len(weights):
        raise ValueError(f"its weights are not those of the tail of {cnn}")
    if not np.isfinite(weights).all():
        raise ValueError("a weight of its tail is not finite")
    tail = tail.to_empty(device="cpu")
    nn.utils.vector_to_parameters(torch.from_numpy(weights.astype(np.float32)), tail.parameters())
    return ready(tail)


def tail_weights(tail: LiteTail) -> NDArray[np.float32]:
    """(P,) all weights of a tail, one parameter after another."""
    weights: NDArray[np.float32] = torch.cat([part.detach().flatten() for part in tail.parameters()]).cpu().numpy()
    return weights


def ready(tail: LiteTail) -> LiteTail:
    """A tail for inference: frozen, in the memory layout in which convolutions are fastest."""
    return tail.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def rounded(tail: LiteTail) -> LiteTail:
    """A copy for inference with the matrices rounded to float16, as model directories hold them."""
    twin = copy.deepcopy(tail)
    with torch.no_grad():
        for parameter in twin.parameters():
            if parameter.ndim > 1:
                parameter.copy_(parameter.half())
    return ready(twin)


def tail_sha256(tail: LiteTail) -> str:
    """SHA-256 of the weights of a tail, by which descriptors, caches and models refer to it."""
    return hashlib.sha256(tail_weights(tail).astype("<f4").tobytes()).hexdigest()


def map_bytes(cnn: str, size: tuple[int, int]) -> int:
    """The bytes of the trunk's map for an input of some width and height, in pixels."""
    return trunk_channels(cnn) * (size[0] // CELL) * (size[1] // CELL) * np.dtype(np.float16).itemsize
