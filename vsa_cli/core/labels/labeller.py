"""The labeller: names what the regions of a photograph show, from their descriptors alone.

    p_m(v) = sigmoid(w_m . ReLU(W (v - mean) * scale + b) + b_m)
    p_m(I) = max_i p_m(v_i), over the whole image and all regions of I (multiple-instance learning)

It is trained with a detector as teacher (Hinton et al. 2015: distillation) and with what sentences mention, and then
needs neither. A trained labeller is a model directory of format `vsa-labeller`.
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
    """Probabilities of M names for regions.

    Args:
        config: the names and the size of the network.
        descriptor_size: D.
    """

    def __init__(self, config: LabellerConfig, descriptor_size: int) -> None:
        super().__init__()
        if not config.names or not config.hidden_size:
            raise ValueError("a labeller has names and hidden units")
        self.config = config
        self.hidden = nn.Linear(descriptor_size, config.hidden_size)
        self.output = nn.Linear(config.hidden_size, len(config.names))
        self.dropout = nn.Dropout(config.dropout)
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(descriptor_size))
        self.register_buffer("scale", torch.ones(descriptor_size))

    def logits(self, descriptors: Tensor) -> Tensor:
        """(..., M) log-odds of the names for (..., D) float32 descriptors of regions."""
        standard = (descriptors - self.mean) * self.scale
        found: Tensor = self.output(self.dropout(F.relu(self.hidden(self.dropout(standard)))))
        return found

    def forward(self, descriptors: Tensor) -> Tensor:
        """(..., M) probability of each name for (..., D) float32 descriptors of regions."""
        return torch.sigmoid(self.logits(descriptors))

    def of_images(self, descriptors: Tensor) -> Tensor:
        """(B, M) probability of each name for (B, R, D) float32 descriptors of the regions of images."""
        return torch.sigmoid(self.logits(descriptors).amax(1))

    @torch.inference_mode()
    def labels(self, regions: ImageRegions, at_least: float) -> tuple[Label, ...]:
        """The names with a probability of at least `at_least`, surest first, each with its surest region."""
        descriptors = torch.from_numpy(regions.descriptors).float().to(self.mean.device)
        best, region = self(descriptors).max(0)
        found = [
            Label(int(region[name]), self.config.names[name], float(best[name]))
            for name in (best >= at_least).nonzero()[:, 0].tolist()
        ]
        return tuple(sorted(found, key=lambda label: (-label.score, label.name)))


@dataclass(frozen=True)
class TrainedLabeller:
    """A trained labeller and the other contents of its directory.

    Attributes:
        model: the model on its device, in evaluation mode.
        names: its names, and the phrases that mention them.
        feature_spec: how descriptors for the model are extracted.
        envelope: the envelope of the model directory.
        facts: what it was trained on, and its scores.
        sha256: the hash of the weights file.
    """

    model: Labeller
    names: Names
    feature_spec: FeatureSpec
    envelope: Envelope
    facts: Mapping[str, Any]
    sha256: str


def write_labeller(
    folder: Path, model: Labeller, envelope: Envelope, names: Names, spec: FeatureSpec, facts: Mapping[str, Any]
) -> None:
    """Write a labeller.

    Raises:
        DataError: a file cannot be written.
    """
    contents = {"names": names.to_dict(), "regions": spec.to_dict(), **facts}
    write_model(folder, envelope, contents, model.state_dict())


def read_labeller(folder: Path, device: torch.device) -> TrainedLabeller:
    """Read a labeller.

    Raises:
        DataError: the folder does not exist or cannot be read.
        ArtifactError: it is damaged, or of another format.
    """
    envelope, contents, weights = read_model(folder, LABELLER, VERSIONS[LABELLER])
    where = str(folder)
    stored = envelope.config.get("model")
    if not isinstance(stored, dict):
        raise ArtifactError(f"{where}: damaged envelope (no model configuration)")
    config = from_dict(LabellerConfig, stored, where)
    names = Names.from_dict(contents.pop("names", None), where)
    spec = FeatureSpec.from_dict(contents.pop("regions", None), where)
    if names.names != config.names:
        raise ArtifactError(f"{where}: its names do not fit its configuration")
    model = assign_weights(lambda: Labeller(config, spec.descriptor_size), weights, where)
    return TrainedLabeller(model.to(device).eval(), names, spec, envelope, contents, file_sha256(folder / WEIGHTS))
