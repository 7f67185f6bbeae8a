"""The labeller: names what the regions of a photograph show, from their descriptors alone.

For a region with the descriptor v, and for a photograph I with the regions v_0 (the whole image) to v_{R-1}::

    z(v)   = W_2 ReLU(W_1 (v - mean) * scale + b_1) + b_2        log-odds of M names
    p(v)   = sigmoid(z(v))
    p(I)   = sigmoid((z(v_0) + max_i z(v_i)) / 2)

The maximum is over all regions, the whole image included (multiple-instance learning: of what a photograph shows, only
the names are known, not the places); the whole image is added because many names are of scenes. A region that is
repeated, as padding is, changes no maximum.

With classes, the CNN's own classifier takes part. Its C classes are mapped to names by a 0/1 matrix A, and the higher
probability of a name counts::

    q(v)   = softmax(U v + c) A;    p(v) = max(sigmoid(z(v)), q(v)), and p(I) = max(sigmoid(...), q(v_0))

For the photograph only the whole image is classified: for parts of one, the classifier is sure of classes that are not
there (of the names that only the maximum over regions added to photographs of Flickr8k, a sixth were mentioned).

Letters: as in `vsa_cli.core`; M names, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsa_cli.core.config import LabellerConfig
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.io.envelope import LABELLER, VERSIONS, Envelope, from_dict
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.labels.names import Names
from vsa_cli.core.learning.model_dir import WEIGHTS, assign_weights, read_model, write_model
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.image_regions import ImageRegions, Label


class Labeller(nn.Module):
    """Probabilities of M names for regions and photographs.

    Attributes:
        config: the names, the hidden units and the classes.
    """

    mean: Tensor
    scale: Tensor
    class_weight: Tensor
    class_bias: Tensor
    class_names: Tensor

    def __init__(self, config: LabellerConfig, descriptor_size: int, dropout: float = 0.0) -> None:
        """A labeller with random weights; `dropout` is for its training.

        Raises:
            ValueError: the configuration has no names or no hidden units.
        """
        super().__init__()
        if not config.names or not config.hidden_size:
            raise ValueError("a labeller needs names and hidden units")
        self.config = config
        names, classes = len(config.names), config.classes
        self.hidden = nn.Linear(descriptor_size, config.hidden_size)
        self.output = nn.Linear(config.hidden_size, names)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("mean", torch.zeros(descriptor_size))
        self.register_buffer("scale", torch.ones(descriptor_size))
        if classes:
            self.register_buffer("class_weight", torch.zeros(classes, descriptor_size))
            self.register_buffer("class_bias", torch.zeros(classes))
            self.register_buffer("class_names", torch.zeros(classes, names))

    def forward(self, descriptors: Tensor) -> Tensor:
        """(..., M) probability of each name for (..., D) float32 descriptors of regions."""
        return self._with_classes(torch.sigmoid(self._logits(descriptors)), descriptors)

    def of_images(self, descriptors: Tensor) -> Tensor:
        """(B, M) probability of each name for (B, R, D) float32 descriptors of the regions of photographs."""
        network = torch.sigmoid(self.image_logits(descriptors))
        if not self.config.classes:
            return network
        return torch.maximum(network, self._class_probabilities(descriptors[:, 0]))

    def image_logits(self, descriptors: Tensor) -> Tensor:
        """(B, M) log-odds of each name, by the network alone, for (B, R, D) float32 descriptors of photographs."""
        logits = self._logits(descriptors)  # (B, R, M)
        return (logits[:, 0] + logits.amax(1)) / 2

    @torch.inference_mode()
    def labels(self, regions: ImageRegions, at_least: float) -> tuple[Label, ...]:
        """What a photograph shows.

        Args:
            regions: the regions of the photograph.
            at_least: the lowest probability of a name.

        Returns:
            The names, the most probable first, with the probability for the photograph and the region that shows the
            name best.
        """
        descriptors = torch.from_numpy(regions.descriptors).float().to(self.mean.device)
        probability = self.of_images(descriptors[None])[0]
        region = self(descriptors).argmax(0)
        found = [
            Label(int(region[number]), self.config.names[number], float(probability[number]))
            for number in (probability >= at_least).nonzero()[:, 0].tolist()
        ]
        return tuple(sorted(found, key=lambda label: (-label.score, label.name)))

    def _logits(self, descriptors: Tensor) -> Tensor:
        standard = (descriptors - self.mean) * self.scale
        logits: Tensor = self.output(self.dropout(F.relu(self.hidden(standard))))
        return logits

    def _with_classes(self, network: Tensor, descriptors: Tensor) -> Tensor:
        if not self.config.classes:
            return network
        return torch.maximum(network, self._class_probabilities(descriptors))

    def _class_probabilities(self, descriptors: Tensor) -> Tensor:
        """(..., M) probability of each name by the CNN's classifier."""
        classes = F.softmax(F.linear(descriptors, self.class_weight, self.class_bias), -1)
        return (classes @ self.class_names).clamp(max=1)


@dataclass(frozen=True)
class TrainedLabeller:
    """A trained labeller and the other contents of its directory.

    Attributes:
        model: the model on its device, in evaluation mode.
        names: its names, and the words that mention them.
        feature_spec: how descriptors for the model are extracted from a photograph.
        envelope: the envelope of the model directory.
        facts: `trained_on` and `scores`.
        sha256: the hash of the weights file.
    """

    model: Labeller
    names: Names
    feature_spec: FeatureSpec
    envelope: Envelope
    facts: Mapping[str, Any]
    sha256: str


def write_labeller(
    folder: Path,
    envelope: Envelope,
    names: Names,
    spec: FeatureSpec,
    facts: Mapping[str, Any],
    weights: Mapping[str, Tensor],
) -> None:
    """Write a labeller as a model directory; `config.json` has its names with their words as `names`.

    Raises:
        DataError: a file cannot be written.
    """
    write_model(folder, envelope, {"names": names.to_dict(), "regions": spec.to_dict(), **facts}, weights)


def read_labeller(folder: Path, device: torch.device) -> TrainedLabeller:
    """Read a labeller.

    Raises:
        DataError: the folder is not a model directory.
        ArtifactError: a file is damaged, of another format, or inconsistent with the others.
    """
    envelope, contents, weights = read_model(folder, LABELLER, VERSIONS[LABELLER])
    where = str(folder)
    stored = envelope.config.get("model")
    if not isinstance(stored, dict):
        raise ArtifactError(f"{where}: damaged envelope (no model configuration)")
    config = from_dict(LabellerConfig, stored, where)
    names = Names.from_dict(contents.pop("names", None), where)
    if names.names != config.names:
        raise ArtifactError(f"{where}: its names do not fit its configuration")
    spec = FeatureSpec.from_dict(contents.pop("regions", None), where)
    model = assign_weights(lambda: Labeller(config, spec.descriptor_size), weights, where)
    sha256 = file_sha256(folder / WEIGHTS)
    return TrainedLabeller(model.to(device).eval(), names, spec, envelope, contents, sha256)
