"""`embed/`: a trained alignment model with all it needs to compare a photograph with a sentence.

A model directory (see `training.checkpoint`) of format `vsa-embedding`. Its `config.json`::

    envelope     config: {"model": EmbedConfig, "training": EmbedTraining}; parents: corpus, regions
    vocabulary   {"words", "counts", "unknown"}
    regions      what described the training photographs: a RegionConfig, the CNN's sha256, descriptor_size
    trained_on   {"split", "images", "sentences"}
    scores       {"split", "i2t_R@1", ...}: of the weights kept, on the split that chose them; {} without one
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vsa_cli.core.artifacts import Envelope, file_sha256
from vsa_cli.core.config import EmbedConfig, from_dict
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.regions.recipe import Recipe
from vsa_cli.core.training.checkpoint import WEIGHTS, read_model

FORMAT, VERSION = "vsa-embedding", 1


@dataclass(frozen=True)
class TrainedEmbedding:
    """An alignment model and what it was made with; the model is on its device, in evaluation mode.

    `facts` are `trained_on` and `scores`; `sha256` is of the weights' file.
    """

    model: Embedding
    vocabulary: Vocabulary
    recipe: Recipe
    envelope: Envelope
    facts: Mapping[str, Any]
    sha256: str


def read_embedding(folder: Path, device: torch.device) -> TrainedEmbedding:
    """Read `embed/`.

    Raises:
        DataError: it is not there.
        ArtifactError: it is damaged, of another kind, or inconsistent.
    """
    envelope, contents, weights = read_model(folder, FORMAT, VERSION)
    where = str(folder)
    model_config = envelope.config.get("model")
    if not isinstance(model_config, dict):
        raise ArtifactError(f"{where}: damaged envelope (no model configuration)")
    config = from_dict(EmbedConfig, model_config, where)
    vocabulary = Vocabulary.from_dict(contents.pop("vocabulary", None), where)
    recipe = Recipe.from_dict(contents.pop("regions", None), where)
    _check_sizes(config, recipe, vocabulary, weights, where)
    model = Embedding(config, recipe.descriptor_size, vocabulary.size)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ArtifactError(f"{where}: its weights do not fit its configuration") from error
    sha256 = file_sha256(folder / WEIGHTS)
    return TrainedEmbedding(model.to(device).eval(), vocabulary, recipe, envelope, contents, sha256)


def _check_sizes(
    config: EmbedConfig, recipe: Recipe, vocabulary: Vocabulary, weights: Mapping[str, Tensor], where: str
) -> None:
    # Before anything is allocated by what a configuration claims.
    expected = {
        "W_m.weight": (config.size, recipe.descriptor_size),
        "W_w.weight": (vocabulary.size, config.word_size),
        "encoder.W_d.weight": (config.size, config.hidden_size),
    }
    for name, shape in expected.items():
        if name not in weights or tuple(weights[name].shape) != shape:
            raise ArtifactError(f"{where}: its weights do not fit its configuration ({name})")
