"""The labeller: names what the regions of a photograph show, from their descriptors alone.

For a region with the descriptor v, and for a photograph I with the regions v_0 (the whole image) to v_{R-1}::

    z(v)   = W_2 ReLU(W_1 (v - mean) * scale + b_1) + b_2        log-odds of M names
    p(v)   = sigmoid(z(v))
    p(I)   = sigmoid((z(v_0) + max_i z(v_i)) / 2)

The maximum is over all regions, the whole image included (multiple-instance learning: of what a photograph shows, only
the names are known, not the places); the whole image is added because many names are of scenes. A region that is
repeated, as padding is, changes no maximum. Letters: as in `vsa_cli.core`; M names.

A labeller knows the photographs that it was trained on better than new ones. A model that is trained on its names would
therefore trust them too much. So a labeller directory can hold further labellers, `fold-1/` to `fold-K/`, each trained
without one of K parts of the photographs (cross-fitting); which part a photograph is in depends on its SHA-256 alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsa_cli.core.config import MOST_FOLDS, LabellerConfig, LabellerTraining
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.io.envelope import LABELLER, VERSIONS, Envelope, from_dict
from vsa_cli.core.io.files import file_sha256
from vsa_cli.core.labels.names import Names
from vsa_cli.core.learning.model_dir import WEIGHTS, assign_weights, pack_model, read_model, write_model
from vsa_cli.core.learning.shares import Rows, dropped
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.image_regions import ImageRegions, Label


class Labeller(nn.Module):
    """Probabilities of M names for regions and photographs.

    Attributes:
        config: the names and the hidden units.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: LabellerConfig, descriptor_size: int, dropout: float = 0.0) -> None:
        """A labeller with random weights; `dropout` is for its training.

        Raises:
            ValueError: the configuration has no names or no hidden units.
        """
        super().__init__()
        if not config.names or not config.hidden_size:
            raise ValueError("a labeller needs names and hidden units")
        self.config = config
        self.hidden = nn.Linear(descriptor_size, config.hidden_size)
        self.output = nn.Linear(config.hidden_size, len(config.names))
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("mean", torch.zeros(descriptor_size))
        self.register_buffer("scale", torch.ones(descriptor_size))

    def logits(self, descriptors: Tensor, rows: Rows | None = None) -> Tensor:
        """(..., M) log-odds of each name for (..., D) float32 descriptors of regions.

        `rows` are those of the descriptors in a batch of several processes.
        """
        standard = (descriptors - self.mean) * self.scale
        found: Tensor = self.output(dropped(self.dropout, F.relu(self.hidden(standard)), rows))
        return found

    def forward(self, descriptors: Tensor) -> Tensor:
        """(..., M) probability of each name for (..., D) float32 descriptors of regions."""
        return torch.sigmoid(self.logits(descriptors))

    def image_logits(self, descriptors: Tensor, rows: Rows | None = None) -> Tensor:
        """(B, M) log-odds of each name for (B, R, D) float32 descriptors of the regions of photographs."""
        return _of_images(self.logits(descriptors, rows))

    def of_images(self, descriptors: Tensor) -> Tensor:
        """(B, M) probability of each name for (B, R, D) float32 descriptors of the regions of photographs."""
        return torch.sigmoid(self.image_logits(descriptors))

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
        logits = self.logits(descriptors)
        probability, region = torch.sigmoid(_of_images(logits[None])[0]), logits.argmax(0)
        found = [
            Label(int(region[number]), self.config.names[number], float(probability[number]))
            for number in (probability >= at_least).nonzero()[:, 0].tolist()
        ]
        return tuple(sorted(found, key=lambda label: (-label.score, label.name)))


def _of_images(logits: Tensor) -> Tensor:
    """(B, M) log-odds for photographs, given the (B, R, M) log-odds of their regions."""
    return (logits[:, 0] + logits.amax(1)) / 2


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
        folds: the K labellers of cross-fitting, on the same device; empty without.
    """

    model: Labeller
    names: Names
    feature_spec: FeatureSpec
    envelope: Envelope
    facts: Mapping[str, Any]
    sha256: str
    folds: tuple[Labeller, ...] = ()


def fold_of(sha256: str, folds: int) -> int:
    """The part of the photographs, from 1 to `folds`, that one with this SHA-256 is in."""
    digest = hashlib.sha256(sha256.encode("utf-8", "surrogatepass")).digest()  # it may be any text of a file
    return int.from_bytes(digest[:8], "big") % folds + 1


def fold_folder(folder: Path, fold: int) -> Path:
    """The directory, in that of a labeller, of the labeller that was trained without part `fold`."""
    return folder / f"fold-{fold}"


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


def pack_labeller(source: Path, target: Path) -> tuple[int, int]:
    """Copy a labeller, with those of its folds, as `pack_model` copies a model.

    Returns:
        The bytes of all weights before and after.

    Raises:
        DataError: the source is not a model directory, or the target cannot be written.
        ArtifactError: the source is damaged, or a weight is beyond the range of float16.
    """
    folds = range(1, len(read_labeller(source, torch.device("cpu")).folds) + 1)
    pairs = [(fold_folder(source, fold), fold_folder(target, fold)) for fold in folds]
    sizes = [pack_model(one, copy) for one, copy in [*pairs, (source, target)]]
    return sum(before for before, _ in sizes), sum(after for _, after in sizes)


def read_labeller(folder: Path, device: torch.device) -> TrainedLabeller:
    """Read a labeller, with those of its folds.

    Raises:
        DataError: the folder is not a model directory.
        ArtifactError: a file is damaged, of another format, or inconsistent with the others.
    """
    read = _read(folder, device)
    training = read.envelope.config.get("training")
    count = from_dict(LabellerTraining, training, str(folder)).folds if isinstance(training, dict) else 0
    if not 0 <= count <= MOST_FOLDS:
        raise ArtifactError(f"{folder}: folds={count} does not fit LabellerTraining (at most {MOST_FOLDS})")
    folds = [_read(fold_folder(folder, number), device) for number in range(1, count + 1)]
    for number, fold in enumerate(folds, start=1):
        if fold.names.to_dict() != read.names.to_dict() or fold.facts.get("left_out") != [number, count]:
            raise ArtifactError(f"{fold_folder(folder, number)}: not a fold of this labeller; train it again")
    return replace(read, folds=tuple(fold.model for fold in folds))


def _read(folder: Path, device: torch.device) -> TrainedLabeller:
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
