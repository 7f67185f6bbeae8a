"""`vsa train-embed`: both presets learn, runs repeat and resume to the bit, and misfits are told in a line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open
from typer.testing import Result

from tests.conftest import SMALL_EMBED, Drawn

Run = Callable[..., Result]


def weights(folder: Path) -> dict[str, list[float]]:
    with safe_open(folder / "model.safetensors", "pt") as file:
        return {name: file.get_tensor(name).flatten().tolist() for name in file.keys()}  # noqa: SIM118


def train(vsa: Run, drawn: Drawn, out: Path, *options: object) -> Result:
    return vsa("train-embed", drawn.corpus, drawn.regions, "-o", out, *SMALL_EMBED, *options)


@pytest.mark.parametrize(("preset", "rate"), [("paper", 2e-3), ("best", 3e-3)])
def test_each_preset_learns(vsa: Run, drawn: Drawn, tmp_path: Path, preset: str, rate: float) -> None:
    options = ("--preset", preset, "--epochs", 10, "--learning-rate", rate, "--json")
    result = train(vsa, drawn, tmp_path / "embed", *options)
    assert result.exit_code == 0, result.output
    epochs = json.loads(result.stdout)["epochs"]
    assert epochs[-1]["loss"] < 0.9 * epochs[0]["loss"]
    assert {"i2t_R@1", "i2t_medr", "t2i_R@10", "rsum"} <= set(epochs[0]["validation"])


def test_the_paper_preset_is_the_papers(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    assert vsa(
        "train-embed", drawn.corpus, drawn.regions, "-o", tmp_path / "embed", "--preset", "paper", "--epochs", 1
    ).exit_code == 0  # fmt: skip
    config = json.loads((tmp_path / "embed" / "config.json").read_text())["envelope"]["config"]
    model, training = config["model"], config["training"]
    assert (model["encoder"], model["similarity"], model["whole_weight"]) == ("brnn", "dot", 0.0)
    assert (training["loss"], training["margin"], training["optimizer"]) == ("hinge", 1.0, "sgd")
    assert (training["batch_size"], training["momentum"], training["clip"]) == (100, 0.9, 5.0)
    assert 300 <= model["hidden_size"] <= 600
    assert 1000 <= model["size"] <= 1600


def test_killed_and_resumed_it_ends_at_the_same_weights(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert train(vsa, drawn, whole, "--epochs", "8").exit_code == 0
    command = [sys.executable, "-m", "vsa_cli", "train-embed", drawn.corpus, drawn.regions, "-o", broken]
    process = subprocess.Popen([*map(str, (*command, *SMALL_EMBED, "--epochs", 8, "-q"))])
    while not (broken / "training.safetensors").exists():
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert train(vsa, drawn, broken, "--epochs", "8", "--resume").exit_code == 0
    assert weights(whole) == weights(broken)


def test_one_image_has_nothing_to_be_told_from(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("image,caption\n000.png,a red circle\n000.png,one circle\n")
    corpus, regions = tmp_path / "corpus.json", tmp_path / "r.h5"
    assert vsa("prep", tmp_path / "c.csv", "--images", drawn.photos, "-o", corpus, "--min-count", 1).exit_code == 0
    assert vsa("extract-regions", corpus, "-o", regions, "--detector", "grid", "--top", 0, "--side", 64).exit_code == 0
    result = vsa("train-embed", corpus, regions, "-o", tmp_path / "embed")
    assert result.exit_code == 1
    assert "one image" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_generator_is_no_embedding(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    result = vsa("align", drawn.model, drawn.corpus, drawn.regions, "-o", tmp_path / "s.jsonl")
    assert result.exit_code == 1
    assert "vsa-generator" in result.stderr
    assert "vsa-embedding" in result.stderr


@pytest.mark.cuda
def test_it_trains_on_cuda(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    result = train(vsa, drawn, tmp_path / "embed", "--epochs", 2, "--device", "cuda")
    assert result.exit_code == 0, result.output
