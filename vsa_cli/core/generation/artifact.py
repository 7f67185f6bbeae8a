"""`gen/`: a trained generator (see `learning.artifact`), of format `vsa-generator`."""

from __future__ import annotations

from pathlib import Path

import torch

from vsa_cli.core.config import GeneratorConfig
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.generation.attentive import AttentiveGenerator
from vsa_cli.core.generation.decoding import MOST_LENGTH_NORM
from vsa_cli.core.generation.model import Generator, SentenceModel
from vsa_cli.core.io.envelope import GENERATOR
from vsa_cli.core.learning.model_dir import Trained, read_trained


def build_generator(config: GeneratorConfig, descriptor_size: int, vocabulary_size: int) -> SentenceModel:
    """A fresh model: the paper's, or one with attention."""
    kind = AttentiveGenerator if config.attention else Generator
    return kind(config, descriptor_size, vocabulary_size)


def read_generator(folder: Path, device: torch.device) -> Trained[SentenceModel]:
    """Read `gen/`.

    Raises:
        ArtifactError: no search can compare captions by its length normalisation; and what `read_trained` raises.
    """
    trained = read_trained(folder, device, GENERATOR, GeneratorConfig, build_generator)
    power = trained.model.config.length_norm
    if not 0 <= power <= MOST_LENGTH_NORM:
        raise ArtifactError(f"{folder}: length_norm={power} does not fit GeneratorConfig")
    return trained
