"""Training in float32 and in bf16: what is recorded, what a resumed run requires, and how far both are apart."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from tests.conftest import Drawn
from vsa_cli.core.config import EMBED_PRESETS, GENERATOR_PRESETS
from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.device import Precision, resolve_device
from vsa_cli.core.embedding.model import read_embedding
from vsa_cli.core.embedding.sources import Sources as EmbedSources
from vsa_cli.core.embedding.train import train_embedding
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.generation.decoder import read_generator
from vsa_cli.core.generation.sources import Sources as GeneratorSources
from vsa_cli.core.generation.train import train_generator
from vsa_cli.core.learning.checkpoint import check_same_settings
from vsa_cli.core.learning.corpora import PhotographSource
from vsa_cli.core.learning.loop import Epoch, Step
from vsa_cli.core.learning.run import TrainingRequest
from vsa_cli.core.regions.store import RegionStore

Records = Iterable[Step | Epoch]
Start = Callable[..., Records]
CPU = torch.device("cpu")


def embedding(drawn: Drawn, out: Path, precision: Precision, *, dropout: bool = True, **options: Any) -> Records:
    model, training = EMBED_PRESETS["best"]
    model = replace(model, size=24, hidden_size=16, **({} if dropout else {"dropout": 0.0, "word_dropout": 0.0}))
    return train_embedding(EmbedSources(_photographs(drawn)), _request(out, model, training, precision, **options))


def generator(drawn: Drawn, out: Path, precision: Precision, *, dropout: bool = True, **options: Any) -> Records:
    model, training = GENERATOR_PRESETS["best"]
    model = replace(model, word_size=16, hidden_size=24, **({} if dropout else {"dropout": 0.0, "image_dropout": 0.0}))
    return train_generator(GeneratorSources(_photographs(drawn)), _request(out, model, training, precision, **options))


def _request(
    out: Path, model: Any, training: Any, precision: Precision, *, resume: bool = False, device: torch.device = CPU
) -> TrainingRequest[Any, Any]:
    short = replace(training, epochs=2, batch_size=40)
    return TrainingRequest(out, model, short, "train", None, True, 0, device, resume, precision=precision)


def _photographs(drawn: Drawn) -> tuple[PhotographSource, ...]:
    return (PhotographSource(read_corpus(drawn.corpus), RegionStore(drawn.regions)),)


def losses(records: Records) -> list[float]:
    return [record.loss for record in records if isinstance(record, Step)]


def first_epoch(records: Records) -> Iterator[Step | Epoch]:
    """The records of a run that is ended after its first epoch was saved."""
    return takewhile(lambda record: isinstance(record, Step), records)


@pytest.mark.parametrize("start", [embedding, generator])
def test_a_run_in_bf16_is_near_float32_and_resumes_exactly(drawn: Drawn, tmp_path: Path, start: Start) -> None:
    whole, broken, precise = tmp_path / "whole", tmp_path / "broken", tmp_path / "float32"
    in_bf16 = losses(start(drawn, whole, "bf16"))
    in_float32 = losses(first_epoch(start(drawn, precise, "float32")))
    np.testing.assert_allclose(in_bf16[: len(in_float32)], in_float32, rtol=0.02)
    assert in_bf16[: len(in_float32)] != in_float32

    list(first_epoch(start(drawn, broken, "bf16")))
    with pytest.raises(ArtifactError, match="differs in precision"):
        list(start(drawn, broken, "float32", resume=True))
    list(start(drawn, broken, "bf16", resume=True))
    found, expected = (load_file(folder / "model.safetensors") for folder in (broken, whole))
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
        assert value.dtype == np.float32

    recorded = [json.loads((folder / "config.json").read_text())["envelope"]["config"] for folder in (whole, precise)]
    assert recorded[0].pop("precision") == "bf16"
    assert recorded[0] == recorded[1]
    (read_embedding if start is embedding else read_generator)(whole, CPU)


def test_a_run_that_did_not_record_its_precision_can_be_resumed() -> None:
    check_same_settings(Path("t"), {"epochs": 2}, {"epochs": 2, "precision": "bf16"})
    with pytest.raises(ArtifactError, match="differs in precision"):
        check_same_settings(Path("t"), {"precision": "bf16"}, {"precision": "float32"})


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("start", [embedding, generator])
def test_losses_on_cuda_are_those_of_the_cpu(drawn: Drawn, tmp_path: Path, start: Start, precision: Precision) -> None:
    found = {
        name: losses(start(drawn, tmp_path / name, products, device=resolve_device(name), dropout=False))
        for name, products in (("cpu", "float32"), ("cuda", precision))
    }
    np.testing.assert_allclose(found["cuda"], found["cpu"], rtol=1e-3 if precision == "float32" else 0.05)
