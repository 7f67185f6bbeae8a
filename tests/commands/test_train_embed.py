"""`vsa train-embed`: learning, resuming bit for bit, word vectors, sweeps, and inputs that do not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open
from typer.testing import Result

from tests.conftest import SMALL_EMBED, Drawn
from tests.processes import kill_when
from tests.survival.fork_server import ForkServer

Run = Callable[..., Result]


def weights(folder: Path) -> dict[str, list[float]]:
    with safe_open(folder / "model.safetensors", "pt") as file:
        return {name: file.get_tensor(name).flatten().tolist() for name in file.keys()}  # noqa: SIM118


def train(vsa: Run, drawn: Drawn, out: Path, *options: object) -> Result:
    return vsa("train-embed", drawn.corpus, drawn.regions, "-o", out, *SMALL_EMBED, *options)


@pytest.mark.parametrize(("preset", "rate"), [("paper", 3e-5), ("best", 3e-3)])
def test_each_preset_learns(vsa: Run, drawn: Drawn, tmp_path: Path, preset: str, rate: float) -> None:
    options = ("--preset", preset, "--epochs", 10, "--learning-rate", rate, "--json")
    result = train(vsa, drawn, tmp_path / "embed", *options)
    assert result.exit_code == 0, result.output
    epochs = json.loads(result.stdout)["epochs"]
    assert epochs[-1]["loss"] < 0.9 * epochs[0]["loss"]
    assert {"i2t_R@1", "i2t_medr", "t2i_R@10", "rsum"} <= set(epochs[0]["validation"])


def test_paper_preset_has_the_papers_settings(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
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


def test_killed_and_resumed_run_ends_at_the_same_weights(
    vsa: Run, server: ForkServer, drawn: Drawn, tmp_path: Path
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert train(vsa, drawn, whole, "--epochs", "8").exit_code == 0
    command = ("train-embed", drawn.corpus, drawn.regions, "-o", broken, *SMALL_EMBED, "--epochs", 8, "-q")
    kill_when((broken / "training.safetensors").exists, server, *command)
    assert train(vsa, drawn, broken, "--epochs", "8", "--resume").exit_code == 0
    assert weights(whole) == weights(broken)


@pytest.mark.parametrize("others", ["", "001.png,?\n002.png,!\n"], ids=["one image", "others without known words"])
@pytest.mark.parametrize("sentences", ["000.png,a red circle\n000.png,one circle\n", "000.png,circle\n"])
def test_one_image_with_sentences_is_not_enough(
    vsa: Run, drawn: Drawn, tmp_path: Path, sentences: str, others: str
) -> None:
    (tmp_path / "c.csv").write_text(f"image,caption\n{sentences}{others}")
    corpus, regions = tmp_path / "corpus.json", tmp_path / "r.h5"
    assert vsa("prep", tmp_path / "c.csv", "--images", drawn.photos, "-o", corpus, "--min-count", 1).exit_code == 0
    assert vsa("extract-regions", corpus, "-o", regions, "--detector", "grid", "--top", 0, "--side", 64).exit_code == 0
    result = vsa("train-embed", corpus, regions, "-o", tmp_path / "embed")
    assert result.exit_code == 1
    assert "only one image has sentences" in result.stderr
    assert result.stderr.count("\n") == 1


def test_generator_is_refused_as_alignment_model(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    split = ("--corpus", drawn.corpus, "--regions-file", drawn.regions)
    result = vsa("align", *split, "--model", drawn.model, "-o", tmp_path / "s.jsonl")
    assert result.exit_code == 1
    assert "vsa-generator" in result.stderr
    assert "vsa-embedding" in result.stderr


def test_run_killed_between_its_two_files_is_completed(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    out = tmp_path / "embed"
    assert train(vsa, drawn, out, "--epochs", 1).exit_code == 0
    names = ("config.json", "model.safetensors")
    before = {name: (out / name).read_bytes() for name in names}
    (out / "model.safetensors").write_bytes(b"of an older epoch")
    (out / "config.json").unlink()
    assert train(vsa, drawn, out, "--epochs", 1, "--resume").exit_code == 0
    assert {name: (out / name).read_bytes() for name in names} == before


def test_resuming_names_the_settings_that_differ(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    out = tmp_path / "embed"
    assert train(vsa, drawn, out, "--epochs", 1).exit_code == 0
    result = train(vsa, drawn, out, "--epochs", 2, "--dropout", 0.2, "--resume")
    assert result.exit_code == 1
    assert "cannot resume: the saved run differs in dropout, epochs; --force starts over" in result.stderr


@pytest.mark.parametrize("options", [("--keep-last", ""), ("", "--keep-last")], ids=["first", "resumed"])
def test_keep_last_cannot_change_when_resuming(
    vsa: Run, drawn: Drawn, tmp_path: Path, options: tuple[str, str]
) -> None:
    first, resumed = ([option] if option else [] for option in options)
    out = tmp_path / "embed"
    assert train(vsa, drawn, out, "--epochs", 2, *first).exit_code == 0
    before = (out / "model.safetensors").read_bytes()
    result = train(vsa, drawn, out, "--epochs", 2, *resumed, "--resume")
    assert result.exit_code == 1
    assert "cannot resume: the saved run differs in keep_last; --force starts over" in result.stderr
    assert (out / "model.safetensors").read_bytes() == before


@pytest.fixture
def glove(tmp_path: Path) -> Path:
    path = tmp_path / "glove.txt"
    path.write_text("a 1 2 3 4\ncircle 3 4 5 6\nfrisbee 0 0 0 1\n")
    return path


def test_word_vectors_are_reported_and_set_the_word_size(vsa: Run, drawn: Drawn, tmp_path: Path, glove: Path) -> None:
    out = tmp_path / "embed"
    result = train(vsa, drawn, out, "--epochs", 1, "--word-vectors", glove, "--fixed-words")
    assert result.exit_code == 0, result.output
    words = len(json.loads(drawn.corpus.read_text())["vocabulary"]["words"])
    line = f"word vectors: 2 of {words} words ({200 / words:.1f} %), of size 4; the other words start at random\n"
    assert result.stderr.startswith(line)
    config = json.loads((out / "config.json").read_text())["envelope"]["config"]
    assert config["model"]["word_size"] == 4
    assert not config["training"]["tune_words"]
    given = config["word_vectors"]
    assert (given["file"], given["form"], given["covered"], given["words"]) == ("glove.txt", "glove", 2, words)
    glove.unlink()
    assert vsa("info", out).exit_code == 0


def test_run_is_not_resumed_with_other_word_vectors(vsa: Run, drawn: Drawn, tmp_path: Path, glove: Path) -> None:
    options = ("--epochs", 1, "--word-vectors", glove)
    assert train(vsa, drawn, tmp_path / "embed", *options).exit_code == 0
    glove.write_text(glove.read_text().replace("6", "7"))
    result = train(vsa, drawn, tmp_path / "embed", *options, "--resume")
    assert result.exit_code == 1
    assert "differs in word_vectors" in result.stderr


def test_sweep_trains_its_winner_and_prints_its_trials(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    out = tmp_path / "embed"
    options = [option for option in SMALL_EMBED if option not in ("--learning-rate", 3e-3)]
    options += ["--epochs", 2, "--sweep", "--sweep-rates", "3e-3,1e36", "--json"]
    result = vsa("train-embed", drawn.corpus, drawn.regions, "-o", out, *options)
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed["winner"]["learning_rate"] == 3e-3
    assert len(printed["trials"]) == 2 * 3
    assert [epoch["number"] for epoch in printed["epochs"]] == [1, 2]
    lines = [json.loads(line) for line in (out / "sweep.jsonl").read_text().splitlines()]
    assert lines[0]["format"] == "vsa-sweep"
    assert lines[1:] == printed["trials"]
    assert not (out / "sweep").exists()
    assert result.stderr.count("  diverged: the loss is nan") == 3
    assert "best: learning rate 0.003, weight decay " in result.stderr


def test_sweep_resumes_with_any_name_of_the_word_vectors_file(
    vsa: Run, drawn: Drawn, tmp_path: Path, glove: Path
) -> None:
    vectors = glove.rename(tmp_path / "a\u2028line\x85or three.txt")
    options = ("--epochs", 1, "--sweep", "--sweep-decays", "0,1", "--sweep-rates", "1e-3", "--word-vectors", vectors)
    command = ("train-embed", drawn.corpus, drawn.regions, "-o", tmp_path / "e", "--size", 8, "--hidden-size", 8)
    assert vsa(*command, *options).exit_code == 0
    result = vsa(*command, *options, "--resume")
    assert result.exit_code == 0, result.output
    assert "nothing left to do" in result.stderr


def test_dry_run_of_a_sweep_prints_its_length(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    result = vsa(
        "train-embed",
        drawn.corpus,
        drawn.regions,
        "-o",
        tmp_path / "e",
        "--sweep",
        "--dry-run",
        "--epochs",
        9,
        "--json",
    )
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert (printed["training"]["epochs"], len(printed["sweep"]["settings"]), printed["validate"]) == (9, 12, "val")
    assert "rung 1: 12 trials of 2 epochs\nrung 2: 4 trials of 6 epochs\n" in result.stderr
    assert result.stderr.endswith("then the best for 9 epochs: 57 epochs in all\n")
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sweep", "--validate", "none"], "a sweep needs held-out images: give their split as --validate"),
        (["--sweep-rates", "1e-3"], "--sweep-rates and --sweep-decays require --sweep"),
        (["--sweep", "--sweep-rates", "1e-3,fast"], "not a list of numbers separated by commas"),
        (["--sweep", "--sweep-decays", "0,nan"], "negative or not finite"),
        (["--sweep", "--sweep-rates", "1e-3", "--sweep-decays", "0"], "there is only one"),
        (
            ["--sweep", "--sweep-rates", "1e-3,1e-4", "--learning-rate", "1e-3"],
            "--learning-rate cannot be combined with",
        ),
        (["--sweep", "--sweep-decays", "0,1", "--weight-decay", "0"], "--weight-decay cannot be combined with"),
        (["--fixed-words"], "--fixed-words requires --word-vectors"),
    ],
)
def test_conflicting_options_are_refused_in_one_line(
    vsa: Run, drawn: Drawn, tmp_path: Path, options: list[str], message: str
) -> None:
    result = vsa("train-embed", drawn.corpus, drawn.regions, "-o", tmp_path / "embed", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "embed").exists()


@pytest.mark.cuda
@pytest.mark.parametrize(
    "options", [("--preset", "paper"), ("--preset", "best"), ("--sweep", "--sweep-rates", "1e-3,3e-3")], ids=" ".join
)
def test_train_embed_runs_on_cuda(vsa: Run, drawn: Drawn, tmp_path: Path, options: tuple[str, ...]) -> None:
    result = train(vsa, drawn, tmp_path / "embed", *options, "--epochs", 2, "--device", "cuda")
    assert result.exit_code == 0, result.output
