"""Trainings whose regions stay in their file: the weights of those in memory, to the bit; resumed runs, too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import Result

from tests.conftest import SMALL, SMALL_EMBED, Drawn
from vsa_cli.core.alignment.snippets import Snippet
from vsa_cli.core.config import LabellerConfig
from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.generation.batches import shuffled_batches, snippet_pairs
from vsa_cli.core.generation.tags import PhotographTags, choose, probabilities_of
from vsa_cli.core.labels.labeller import Labeller
from vsa_cli.core.learning import run
from vsa_cli.core.learning.reading import Reading
from vsa_cli.core.learning.run import vocabulary_of
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.stored_descriptors import descriptors_of

Run = Callable[..., Result]
TINY = ("--memory", "4K")
COMMANDS = {
    "embed": ("train-embed", SMALL_EMBED),
    "gen": ("train-gen", (*SMALL, "--preset", "best", "--attention", 4, "--hidden-size", 48)),
}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of two photographs, in pools of four, so that the order differs from the usual one."""
    monkeypatch.setattr("vsa_cli.core.regions.stored_descriptors.CHUNK_ROWS", 8)
    monkeypatch.setattr("vsa_cli.core.learning.corpora.POOL", 4)


class StopError(Exception):
    """Ends a run after an epoch."""


def trained(vsa: Run, drawn: Drawn, name: str, out: Path, *options: object) -> Result:
    command, small = COMMANDS[name]
    return vsa(command, drawn.corpus, drawn.regions, "-o", out, *small, "--epochs", 2, *options)


def same_weights(one: Path, other: Path) -> bool:
    first, second = (load_file(folder / "model.safetensors") for folder in (one, other))
    return all(first[name].equal(second[name]) for name in first)


@pytest.mark.parametrize("name", COMMANDS)
def test_streamed_run_is_resumed_exactly_in_memory_too(
    vsa: Run, drawn: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    streamed, parts, usual = (tmp_path / folder for folder in ("streamed", "parts", "usual"))
    done = trained(vsa, drawn, name, streamed, *TINY)
    assert done.exit_code == 0, done.output
    assert "read from their file during training" in done.stderr
    assert json.loads((streamed / "config.json").read_text())["envelope"]["config"]["order"] == "blocks"

    write = run.write_training

    def stop(*arguments: object) -> None:
        write(*arguments)  # type: ignore[arg-type]
        raise StopError

    with monkeypatch.context() as patch:
        patch.setattr(run, "write_training", stop)
        with pytest.raises(StopError):
            trained(vsa, drawn, name, parts, *TINY)
    resumed = trained(vsa, drawn, name, parts, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert "read from their file" not in resumed.stderr
    assert same_weights(streamed, parts)

    assert trained(vsa, drawn, name, usual, "--epochs", 1).exit_code == 0
    assert "order" not in json.loads((usual / "config.json").read_text())["envelope"]["config"]
    refused = trained(vsa, drawn, name, usual, "--epochs", 1, "--resume", *TINY)
    assert refused.exit_code == 2
    assert "the run to resume needs its regions in memory" in refused.stderr
    assert "set --memory to" in refused.stderr


def test_a_streamed_run_that_starts_from_a_model_takes_blocks(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    out = tmp_path / "gen"
    start = ("--start", drawn.model, "--epochs", 1, "--validate", "none", "--batch-size", 8)
    done = vsa("train-gen", drawn.corpus, drawn.regions, "-o", out, *start, *TINY)
    assert done.exit_code == 0, done.output
    assert json.loads((out / "config.json").read_text())["envelope"]["config"]["order"] == "blocks"


def test_streamed_self_critical_training_has_the_usual_weights(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    for name, options in (("usual", ()), ("streamed", ("--memory", 100))):
        command = ("train-gen", drawn.corpus, drawn.regions, "-o", tmp_path / name, "--self-critical", drawn.model)
        done = vsa(*command, "--epochs", 1, "--batch-size", 16, *options)
        assert done.exit_code == 0, done.output
    assert same_weights(tmp_path / "usual", tmp_path / "streamed")


@pytest.mark.parametrize("with_whole_image", [True, False])
def test_batches_of_snippets_do_not_depend_on_the_readers(drawn: Drawn, with_whole_image: bool) -> None:
    corpus, regions = read_corpus(drawn.corpus), RegionStore(drawn.regions)
    vocabulary = vocabulary_of(corpus)
    snippets = [
        Snippet(image.key, number % 3, sentence.tokens[:3])
        for image in corpus.split("train")
        for number, sentence in enumerate(image.sentences)
    ]
    epochs = []
    for reading in (Reading(blocks=True), Reading(True, True, readers=1), Reading(True, True, readers=3)):
        options = {"with_whole_image": with_whole_image, "reading": reading}
        pairs = snippet_pairs(snippets, corpus, regions, "train", vocabulary, **options)  # type: ignore[arg-type]
        assert pairs is not None
        epochs.append(list(shuffled_batches([pairs], 8, torch.Generator().manual_seed(0), reading)))
    for batches in zip(*epochs, strict=True):
        for part in ("descriptors", "image", "inputs", "targets"):
            first, *others = (getattr(batch, part) for batch in batches)
            assert all(first.equal(other) for other in others)


def test_tags_of_streamed_photographs_are_those_in_memory(drawn: Drawn) -> None:
    corpus, regions = read_corpus(drawn.corpus), RegionStore(drawn.regions)
    keys = [image.key for image in corpus.split("train")]
    torch.manual_seed(0)
    labeller = Labeller(LabellerConfig(("a", "b", "c"), 4), regions.descriptor_size).eval()
    found = []
    for stream in (False, True):
        descriptors = descriptors_of(regions, keys, stream=stream)
        some = torch.tensor([5, 3, 17])
        assert probabilities_of(labeller, descriptors, some).shape == (3, 3)
        probabilities = probabilities_of(labeller, descriptors)
        found.append(PhotographTags(choose(probabilities, 2), choose(probabilities, 2), probabilities))
    assert found[0].probabilities.equal(found[1].probabilities)
    assert found[0].alone.equal(found[1].alone)
