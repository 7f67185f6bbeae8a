"""A generator as it is kept: what no search can work with is refused where it is read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.conftest import Drawn
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.generation.artifact import read_generator
from vsa_cli.core.io.envelope import GENERATOR
from vsa_cli.core.learning.checkpoint import read_model, write_model


@pytest.mark.parametrize("power", [-0.5, 10.5, 1e308])
def test_captions_are_not_compared_by_a_power_that_overflows(drawn: Drawn, tmp_path: Path, power: float) -> None:
    envelope, contents, weights = read_model(drawn.model, GENERATOR, 1)
    model = {**envelope.config["model"], "length_norm": power}
    forged = replace(envelope, config={**envelope.config, "model": model})
    write_model(tmp_path / "gen", forged, contents, weights)
    with pytest.raises(ArtifactError, match="length_norm"):
        read_generator(tmp_path / "gen", torch.device("cpu"))
