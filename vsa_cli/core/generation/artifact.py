"""`gen/`: a trained generator (see `learning.artifact`), of format `vsa-generator`."""

from __future__ import annotations

from pathlib import Path

import torch

from vsa_cli.core.config import GeneratorConfig
from vsa_cli.core.generation.model import Generator
from vsa_cli.core.learning.artifact import Trained, read_trained

FORMAT = "vsa-generator"


def read_generator(folder: Path, device: torch.device) -> Trained[Generator]:
    """Read `gen/`. Raises what `read_trained` does."""
    return read_trained(folder, device, FORMAT, GeneratorConfig, Generator)
