"""`embed/`: a trained alignment model (see `learning.artifact`), of format `vsa-embedding`."""

from __future__ import annotations

from pathlib import Path

import torch

from vsa_cli.core.config import EmbedConfig
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.learning.artifact import Trained, read_trained

FORMAT = "vsa-embedding"


def read_embedding(folder: Path, device: torch.device) -> Trained[Embedding]:
    """Read `embed/`. Raises what `read_trained` does."""
    return read_trained(folder, device, FORMAT, EmbedConfig, Embedding)
