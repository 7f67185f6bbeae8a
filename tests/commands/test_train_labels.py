"""`vsa train-labels` on the drawn corpus: it learns shapes and colours from sentences, and from a teacher."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import Result

from tests.conftest import Drawn
from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.generation.tags import unseeing_probabilities
from vsa_cli.core.labels import train as train_module
from vsa_cli.core.labels.labeller import fold_folder, fold_of, read_labeller
from vsa_cli.core.regions.image_regions import Label
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.store_writer import write_regions

Run = Callable[..., Result]
NAMES = {"names": {"circle": ["circle"], "square": ["square"], "triangle": ["triangle"], "blue": ["blue"]}}
QUICK = ("--hidden-size", 32, "--batch-size", 8, "--epochs", 12, "--patience", 12, "--learning-rate", 3e-3, "-q")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("names") / "names.json"
    path.write_text(json.dumps(NAMES))
    return path


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory, vsa: Run, drawn: Drawn, names: Path) -> Path:
    folder = tmp_path_factory.mktemp("labels") / "labels"
    result = vsa("train-labels", drawn.regions, "--corpus", drawn.corpus, "--names", names, "-o", folder, *QUICK)
    assert result.exit_code == 0, result.output
    return folder


def taught(drawn: Drawn, path: Path) -> Path:
    """The regions of the drawn corpus, labelled by a teacher that has read the first sentence of each photograph."""
    store, images = RegionStore(drawn.regions), read_corpus(drawn.corpus).images
    found = []
    for image in images:
        words = [word for word in image.sentences[0].tokens if word in ("circle", "square", "triangle")]
        found.append(replace(store[image.key], labels=tuple(Label(1, word, 0.9) for word in words)))
    write_regions(path, store.envelope, [found], store.descriptor_size)
    return path


def test_names_are_learnt_from_sentences(drawn: Drawn, labels: Path) -> None:
    trained, store = read_labeller(labels, torch.device("cpu")), RegionStore(drawn.regions)
    right = 0
    images = read_corpus(drawn.corpus).split("val")
    for image in images:
        best = next(one for one in trained.model.labels(store[image.key], 0.0) if one.name != "blue")
        right += best.name in image.sentences[0].tokens
    assert right >= len(images) - 1
    assert trained.facts["trained_on"] == {"split": "train", "images": 40}
    assert trained.facts["scores"]["average precision"] > 0.8


def test_info_counts_names_and_shows_parents(vsa: Run, drawn: Drawn, labels: Path) -> None:
    facts = json.loads(vsa("info", labels, "--json").stdout)
    assert facts["format"] == "vsa-labeller"
    assert facts["config"]["model"]["names"] == 4
    assert facts["parents"]["corpus"]["sha256"] == read_corpus(drawn.corpus).sha256
    assert facts["parents"]["regions"]["sha256"] == RegionStore(drawn.regions).sha256
    assert facts["scores"]["split"] == "val"


def test_names_are_learnt_from_a_teacher_alone(vsa: Run, drawn: Drawn, names: Path, tmp_path: Path) -> None:
    teacher = taught(drawn, tmp_path / "teacher.h5")
    run = ("train-labels", drawn.regions, "--teacher", teacher, "--names", names, "-o", tmp_path / "labels", *QUICK)
    result = vsa(*run, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["epochs"][-1]["validation"]["average precision"] > 0.6
    facts = read_labeller(tmp_path / "labels", torch.device("cpu")).facts
    assert (facts["trained_on"]["images"], facts["scores"]["images"]) == (44, 4)


def test_same_seed_gives_the_same_labeller(vsa: Run, drawn: Drawn, labels: Path, names: Path, tmp_path: Path) -> None:
    run = ("train-labels", drawn.regions, "--corpus", drawn.corpus, "--names", names, "-o", tmp_path / "again", *QUICK)
    assert vsa(*run).exit_code == 0
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (labels / "model.safetensors").read_bytes()
    again = vsa(*run)
    assert again.exit_code == 2
    assert "--force" in again.output


def test_a_resumed_run_yields_the_same_weights(vsa: Run, drawn: Drawn, names: Path, tmp_path: Path) -> None:
    def train(out: Path, *options: object) -> Result:
        run = ("--corpus", drawn.corpus, "--names", names, *QUICK, "--folds", 2)
        return vsa("train-labels", drawn.regions, *run, "-o", out, *options)

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert train(whole).exit_code == 0
    write, written = train_module.write_training, 0

    def write_and_stop(*arguments: Any) -> None:
        nonlocal written
        write(*arguments)
        written += 1
        if written == 18:  # in the second fold
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_module, "write_training", write_and_stop)
        assert train(cut).exit_code == 130
    assert not (cut / "model.safetensors").exists()
    assert train(cut, "--resume", "--seed", 1).exit_code == 1
    other = train(cut, "--resume", "--folds", 3)
    assert (other.exit_code, "the saved run differs in folds" in other.stderr) == (1, True)
    assert train(cut, "--resume").exit_code == 0
    for folder in ("", "fold-1", "fold-2"):
        assert (cut / folder / "model.safetensors").read_bytes() == (whole / folder / "model.safetensors").read_bytes()


def test_each_fold_is_trained_without_its_part_of_the_photographs(
    vsa: Run, drawn: Drawn, names: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "labels"
    run = ("train-labels", drawn.regions, "--corpus", drawn.corpus, "--names", names, "-o", folder, *QUICK)
    done = vsa(*run, "--folds", 3, "--json")
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)["epochs"]) == 12
    trained, store = read_labeller(folder, torch.device("cpu")), RegionStore(drawn.regions)
    images = read_corpus(drawn.corpus).split("train")
    parts = [sum(fold_of(image.sha256, 3) == fold for image in images) for fold in (1, 2, 3)]
    folds = [read_labeller(fold_folder(folder, fold), torch.device("cpu")) for fold in (1, 2, 3)]
    assert [fold.facts["trained_on"]["images"] for fold in folds] == [40 - part for part in parts]
    assert trained.facts["trained_on"]["images"] == 40
    descriptors = torch.from_numpy(store.padded([image.key for image in images]))
    found = unseeing_probabilities(trained, descriptors, [image.sha256 for image in images])
    for image, own, row in zip(images, descriptors, found, strict=True):
        unseeing = folds[fold_of(image.sha256, 3) - 1].model
        torch.testing.assert_close(row, unseeing.of_images(own[None].float())[0])
    packed = tmp_path / "packed"
    assert vsa("pack", folder, "-o", packed).exit_code == 0
    copies = read_labeller(packed, torch.device("cpu")).folds
    for fold, copy in zip(trained.folds, copies, strict=True):
        torch.testing.assert_close(
            copy.of_images(descriptors[:2].float()), fold.of_images(descriptors[:2].float()), atol=1e-2, rtol=0
        )
    (fold_folder(folder, 2) / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(ArtifactError, match="fold-2"):
        read_labeller(folder, torch.device("cpu"))
    alone = vsa(*run, "--folds", 1, "--force")
    assert alone.exit_code == 2
    assert "at least 2" in alone.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give a --corpus or a --teacher"),
        (("--corpus", "CORPUS", "--validate", "train"), "are not trained on"),
        (("--corpus", "CORPUS", "--split", "test"), "nothing is known of the photographs"),
        (("--teacher", "REGIONS"), "nothing is known of the photographs|no photograph to train on shows"),
        (("--corpus", "CORPUS", "--names", "OTHER"), "no photograph to train on shows one of the names"),
    ],
)
def test_useless_combinations_are_one_line(
    vsa: Run, drawn: Drawn, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"names": {"zebra": ["zebra"]}}')
    paths = {"CORPUS": drawn.corpus, "REGIONS": drawn.regions, "OTHER": other}
    result = vsa("train-labels", drawn.regions, *(paths.get(one, one) for one in options), "-o", tmp_path / "labels")
    assert result.exit_code in (1, 2)
    lines = result.output.strip().splitlines()
    assert len(lines) == 1, lines
    assert re.search(message, lines[0])
    assert not (tmp_path / "labels").exists()


def test_dry_run_writes_nothing(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    result = vsa(
        "train-labels", drawn.regions, "--corpus", drawn.corpus, "-o", tmp_path / "labels", "--dry-run", "--json"
    )
    assert result.exit_code == 0
    assert json.loads(result.stdout)["training"]["mention_weight"] == 0.5
    assert not (tmp_path / "labels").exists()
