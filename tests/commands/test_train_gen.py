"""`vsa train-gen`: learning, resuming bit for bit, and inputs that do not fit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from typer.testing import Result

from tests.conftest import SMALL, Drawn
from tests.processes import kill_when
from tests.survival.fork_server import ForkServer

Run = Callable[..., Result]


def weights(folder: Path) -> dict[str, list[float]]:
    with safe_open(folder / "model.safetensors", "pt") as file:
        return {name: file.get_tensor(name).flatten().tolist() for name in file.keys()}  # noqa: SIM118


def train(vsa: Run, drawn: Drawn, out: Path, *options: object) -> Result:
    return vsa("train-gen", drawn.corpus, drawn.regions, "-o", out, *SMALL, *options)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_every_cell_learns(vsa: Run, drawn: Drawn, tmp_path: Path, cell: str) -> None:
    result = train(vsa, drawn, tmp_path / "gen", "--cell", cell, "--epochs", 8, "--json")
    assert result.exit_code == 0, result.output
    epochs = json.loads(result.stdout)["epochs"]
    assert epochs[-1]["validation"]["perplexity"] < 0.6 * epochs[0]["validation"]["perplexity"]
    assert result.stderr.count("perplexity") == len(epochs)
    assert "words/s" in result.stderr


def test_attentive_preset_learns(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    result = train(vsa, drawn, tmp_path / "gen", "--preset", "best", "--attention", 4, "--epochs", 8, "--json")
    assert result.exit_code == 0, result.output
    epochs = json.loads(result.stdout)["epochs"]
    assert epochs[-1]["validation"]["perplexity"] < 0.8 * epochs[0]["validation"]["perplexity"]


def test_attention_requires_a_gru_and_a_multiple_of_heads(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    for wrong in (("--attention", 5), ("--attention", 4, "--cell", "lstm")):
        result = train(vsa, drawn, tmp_path / "gen", "--preset", "best", *wrong)
        assert result.exit_code == 2
        assert "--attention requires --cell gru" in result.stderr


@pytest.fixture(scope="module")
def snippets(vsa: Run, drawn: Drawn, embed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("aligned") / "snippets.jsonl"
    split = ("--corpus", drawn.corpus, "--regions-file", drawn.regions, "--split", "all")
    result = vsa("align", *split, "--model", embed, "-o", file)
    assert result.exit_code == 0, result.output
    return file


@pytest.mark.parametrize("preset", ["paper", "best"])
def test_train_gen_learns_from_snippets(vsa: Run, drawn: Drawn, snippets: Path, tmp_path: Path, preset: str) -> None:
    options = ("--preset", preset, "--snippets", snippets, "--epochs", 6, "--json")
    result = train(vsa, drawn, tmp_path / "gen", *options)
    assert result.exit_code == 0, result.output
    epochs = json.loads(result.stdout)["epochs"]
    assert epochs[-1]["validation"]["perplexity"] < 0.95 * epochs[0]["validation"]["perplexity"]
    config = json.loads((tmp_path / "gen" / "config.json").read_text())
    assert set(config["envelope"]["config"]["snippets"]) == {"sha256"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"image_id": "none.png", "region": 0, "words": ["a"]}', "its image has no regions"),
        ('{"image_id": IMAGE, "region": 10000, "words": ["a"]}', "has no region 10000"),
        ('{"image_id": IMAGE, "region": true, "words": ["a"]}', "damaged"),
        ("[" * 5000, "not a JSON object"),
    ],
)
def test_damaged_snippets_are_refused_by_line(
    vsa: Run, drawn: Drawn, snippets: Path, tmp_path: Path, line: str, message: str
) -> None:
    head, first = snippets.read_text().splitlines()[:2]
    file = tmp_path / "snippets.jsonl"
    file.write_text(f"{head}\n{line.replace('IMAGE', json.dumps(json.loads(first)['image_id']))}\n")
    result = train(vsa, drawn, tmp_path / "gen", "--snippets", file)
    assert result.exit_code == 1
    assert "line 2" in result.stderr
    assert message in result.stderr


def test_snippets_of_another_corpus_are_refused(vsa: Run, drawn: Drawn, snippets: Path, tmp_path: Path) -> None:
    head, *rest = snippets.read_text().splitlines()
    other = json.loads(head)
    other["parents"]["corpus"]["sha256"] = "0" * 64
    file = tmp_path / "snippets.jsonl"
    file.write_text("\n".join([json.dumps(other), *rest]))
    result = train(vsa, drawn, tmp_path / "gen", "--snippets", file)
    assert result.exit_code == 1
    assert "another corpus" in result.stderr


def test_self_critical_training_raises_the_metric(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    assert train(vsa, drawn, tmp_path / "start", "--epochs", 8).exit_code == 0
    command = ("train-gen", drawn.corpus, drawn.regions, "-o", tmp_path / "gen", "--self-critical", tmp_path / "start")
    options = ("--epochs", 10, "--patience", 10, "--learning-rate", 5e-4, "--batch-size", 4, "--json")
    result = vsa(*command, *options)
    assert result.exit_code == 0, result.output
    epochs = json.loads(result.stdout)["epochs"]
    losses = [epoch["loss"] for epoch in epochs]  # the negative CIDEr of the samples
    assert sum(losses[-3:]) / 3 < sum(losses[:3]) / 3 - 0.1
    assert "CIDEr" in epochs[0]["validation"]
    envelope = json.loads((tmp_path / "gen" / "config.json").read_text())["envelope"]
    assert set(envelope["config"]["start"]) == {"sha256"}
    for name in ("once", "again"):
        short = (*command[:3], "-o", tmp_path / name, *command[5:], *options, "--epochs", 2)
        assert vsa(*short).exit_code == 0
    assert weights(tmp_path / "once") == weights(tmp_path / "again")


def test_self_critical_training_takes_the_settings_of_its_start(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    for options in ((), ("--preset", "best")):
        command = ("train-gen", drawn.corpus, drawn.regions, "-o", tmp_path / "gen", "--self-critical", drawn.model)
        result = vsa(*command, *(options or SMALL))
        assert result.exit_code == 2
        assert "the model settings of its DIR" in result.stderr


def test_one_image_with_one_region_is_learnt(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("image,caption\n000.png,a red circle\n")
    corpus, regions, out = tmp_path / "c.json", tmp_path / "r.h5", tmp_path / "gen"
    assert vsa("prep", tmp_path / "c.csv", "--images", drawn.photos, "-o", corpus, "--min-count", 1).exit_code == 0
    assert vsa("extract-regions", corpus, "-o", regions, "--detector", "grid", "--top", 0, "--side", 64).exit_code == 0
    small = ("--hidden-size", 32, "--word-size", 16, "--epochs", 30, "--learning-rate", 1e-2)
    result = vsa("train-gen", corpus, regions, "-o", out, "--preset", "best", *small)
    assert result.exit_code == 0, result.output
    captions = vsa("caption", "--model", out, "--corpus", corpus, "--regions-file", regions, "--split", "train")
    assert captions.stdout == "000.png\ta red circle\n"


@pytest.mark.parametrize("without", ["train", "val"])
def test_self_critical_training_requires_sentences(vsa: Run, drawn: Drawn, tmp_path: Path, without: str) -> None:
    corpus = json.loads(drawn.corpus.read_text())
    for image in corpus["images"]:
        image["sentences"] = [] if image["split"] == without else image["sentences"]
    (tmp_path / "c.json").write_text(json.dumps(corpus))
    result = vsa(
        "train-gen", tmp_path / "c.json", drawn.regions, "-o", tmp_path / "gen", "--self-critical", drawn.model
    )
    assert result.exit_code == 1
    assert f"split {without}: no image with a sentence" in result.stderr
    assert result.stderr.count("\n") == 1


def test_model_is_self_contained(drawn: Drawn) -> None:
    config = json.loads((drawn.model / "config.json").read_text())
    assert config["envelope"]["format"] == "vsa-generator"
    assert set(config["envelope"]["parents"]) == {"corpus", "regions"}
    assert config["regions"]["cnn"] == "efficientnet_lite2"
    assert config["regions"]["photo_side"] == 96
    assert config["trained_on"]["images"] == 40
    assert config["scores"]["split"] == "val"
    assert len(config["vocabulary"]["words"]) == 16
    assert str(drawn.folder) not in (drawn.model / "config.json").read_text()


def test_the_same_seed_gives_the_same_weights(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert train(vsa, drawn, tmp_path / name, "--epochs", 2, "--seed", seed).exit_code == 0
    assert weights(tmp_path / "a") == weights(tmp_path / "b") != weights(tmp_path / "c")


@pytest.mark.parametrize("preset", ["paper", "best"])
def test_killed_and_resumed_run_ends_at_the_same_weights(
    vsa: Run, server: ForkServer, drawn: Drawn, tmp_path: Path, preset: str
) -> None:
    options = ("--preset", preset, "--epochs", "6", "--patience", "6")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert train(vsa, drawn, whole, *options).exit_code == 0
    command = ("train-gen", drawn.corpus, drawn.regions, "-o", broken, *SMALL, *options, "-q")
    kill_when((broken / "training.safetensors").exists, server, *command)
    assert train(vsa, drawn, broken, *options, "--resume").exit_code == 0
    assert weights(whole) == weights(broken)
    again = train(vsa, drawn, broken, *options, "--resume")
    assert "nothing left to do" in again.stderr
    assert not [path for path in broken.iterdir() if path.name.endswith(".part")]


def test_keep_last_reports_validation_but_keeps_the_last(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    result = train(vsa, drawn, tmp_path / "gen", "--epochs", 3, "--keep-last", "--json")
    epochs = json.loads(result.stdout)["epochs"]
    config = json.loads((tmp_path / "gen" / "config.json").read_text())
    assert config["scores"]["perplexity"] == epochs[-1]["validation"]["perplexity"]


def test_training_without_validation_runs_for_all_epochs(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    result = train(vsa, drawn, tmp_path / "gen", "--epochs", 3, "--validate", "none", "--patience", 1)
    assert result.exit_code == 0
    assert result.stderr.count("epoch") == 3
    assert json.loads((tmp_path / "gen" / "config.json").read_text())["scores"] == {}


def test_resuming_with_other_options_is_refused(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    assert train(vsa, drawn, tmp_path / "gen", "--epochs", 1).exit_code == 0
    result = train(vsa, drawn, tmp_path / "gen", "--epochs", 2, "--resume")
    assert result.exit_code == 1
    assert "--force" in result.stderr


def test_existing_model_is_not_overwritten(vsa: Run, drawn: Drawn) -> None:
    result = train(vsa, drawn, drawn.model, "--epochs", 1)
    assert result.exit_code == 2
    assert "--force" in result.stderr


def test_regions_that_lack_an_image_are_refused(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    out = tmp_path / "val.h5"
    options = ("--split", "val", "--detector", "grid", "--top", 0, "--cnn", "efficientnet_lite0", "--side", 64)
    assert vsa("extract-regions", drawn.corpus, "-o", out, *options).exit_code == 0
    result = vsa("train-gen", drawn.corpus, out, "-o", tmp_path / "gen")
    assert result.exit_code == 1
    assert "has no image" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_damaged_model_is_refused_in_one_line(vsa: Run, drawn: Drawn, tmp_path: Path, file: str) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((drawn.model / name).read_bytes())
    data = (tmp_path / file).read_bytes()
    for damaged in (data[: len(data) // 2], b"", b"\xff" * 64, b"[]", data.replace(b"vsa-generator", b"vsa-regionsss")):
        (tmp_path / file).write_bytes(damaged)
        result = vsa("caption", drawn.photos / "000.png", "--model", tmp_path)
        if damaged == data:
            continue
        assert result.exit_code == 1, damaged[:40]
        assert result.stderr.startswith("vsa: ")
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(("field", "size"), [("hidden_size", 2**30), ("hidden_size", 0), ("word_size", 0)])
def test_config_that_does_not_fit_its_weights_is_refused(
    vsa: Run, drawn: Drawn, tmp_path: Path, field: str, size: int
) -> None:
    config = json.loads((drawn.model / "config.json").read_text())
    config["envelope"]["config"]["model"][field] = size
    (tmp_path / "config.json").write_text(json.dumps(config))
    digest = hashlib.sha256((tmp_path / "config.json").read_bytes()).hexdigest()
    save_file(load_file(drawn.model / "model.safetensors"), tmp_path / "model.safetensors", {"config_sha256": digest})
    result = vsa("caption", drawn.photos / "000.png", "--model", tmp_path)
    assert result.exit_code == 1
    assert result.stderr == f"vsa: {tmp_path}: its weights do not fit its configuration\n"


def test_dry_run_writes_nothing(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    result = train(vsa, drawn, tmp_path / "gen", "--dry-run", "--json")
    assert result.exit_code == 0
    printed = json.loads(result.stdout)
    assert (printed["output"], printed["split"], printed["model"]["hidden_size"]) == (
        str(tmp_path / "gen"),
        "train",
        96,
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.cuda
def test_train_gen_runs_on_cuda(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    result = train(vsa, drawn, tmp_path / "gen", "--epochs", 2, "--device", "cuda")
    assert result.exit_code == 0, result.output


def test_files_of_a_model_have_the_same_permissions(drawn: Drawn) -> None:
    configuration, *others = sorted(drawn.model.iterdir())
    assert {path.stat().st_mode for path in others} == {configuration.stat().st_mode}
