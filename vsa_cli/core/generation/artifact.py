"""`gen/`: a trained generator with all it needs to caption a photograph.

A model directory (see `training.checkpoint`) of format `vsa-generator`. Its `config.json`::

    envelope     config: {"model": GeneratorConfig, "training": GeneratorTraining}; parents: corpus, regions
    vocabulary   {"words", "counts", "unknown"}
    regions      what described the training photographs: a RegionConfig, the CNN's sha256, descriptor_size
    trained_on   {"split", "images", "sentences"}
    scores       {"split", "perplexity"}: of the weights kept, on the split that chose them; {} without one
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vsa_cli.core.artifacts import Envelope
from vsa_cli.core.config import GeneratorConfig, from_dict
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.generation.model import Generator
from vsa_cli.core.regions.recipe import Recipe
from vsa_cli.core.training.checkpoint import read_model, write_model

FORMAT, VERSION = "vsa-generator", 1


@dataclass(frozen=True)
class TrainedGenerator:
    """A generator and what it was made with.

    Attributes:
        model: on its device, in evaluation mode.
        vocabulary: its words.
        recipe: how photographs must be described for it.
        envelope: who it is.
        facts: `trained_on` and `scores`.
    """

    model: Generator
    vocabulary: Vocabulary
    recipe: Recipe
    envelope: Envelope
    facts: Mapping[str, Any]


def write_generator(
    folder: Path,
    envelope: Envelope,
    vocabulary: Vocabulary,
    recipe: Recipe,
    facts: Mapping[str, Any],
    weights: Mapping[str, Tensor],
) -> None:
    """Write `gen/`.

    Raises:
        DataError: it cannot be written.
    """
    contents = {"vocabulary": vocabulary.to_dict(), "regions": recipe.to_dict(), **facts}
    write_model(folder, envelope, contents, weights)


def read_generator(folder: Path, device: torch.device) -> TrainedGenerator:
    """Read `gen/`.

    Raises:
        DataError: it is not there.
        ArtifactError: it is damaged, of another kind, or inconsistent.
    """
    envelope, contents, weights = read_model(folder, FORMAT, VERSION)
    where = str(folder)
    model_config = envelope.config.get("model")
    if not isinstance(model_config, dict):
        raise ArtifactError(f"{where}: damaged envelope (no model configuration)")
    config = from_dict(GeneratorConfig, model_config, where)
    vocabulary = Vocabulary.from_dict(contents.pop("vocabulary", None), where)
    recipe = Recipe.from_dict(contents.pop("regions", None), where)
    _check_sizes(config, recipe, vocabulary, weights, where)
    model = Generator(config, recipe.descriptor_size, vocabulary.size)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ArtifactError(f"{where}: its weights do not fit its configuration") from error
    return TrainedGenerator(model.to(device).eval(), vocabulary, recipe, envelope, contents)


def _check_sizes(
    config: GeneratorConfig, recipe: Recipe, vocabulary: Vocabulary, weights: Mapping[str, Tensor], where: str
) -> None:
    # Before anything is allocated by what a configuration claims.
    expected = {
        "W_hi.weight": (config.hidden_size, recipe.descriptor_size),
        "words.weight": (vocabulary.size + 1, config.word_size),
        "W_oh.weight": (vocabulary.size, config.hidden_size),
    }
    for name, shape in expected.items():
        if name not in weights or tuple(weights[name].shape) != shape:
            raise ArtifactError(f"{where}: its weights do not fit its configuration ({name})")
