"""`vsa train-gen` on several corpora, on sentences without photographs, with tags and with snippets beside images."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import Result

from tests.conftest import SMALL, Drawn
from vsa_cli.core.config import GeneratorConfig
from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.generation.sources import SourceReader, Sources, complete
from vsa_cli.core.generation.tags import PhotographTags, probabilities_of, unseeing_probabilities
from vsa_cli.core.labels.labeller import read_labeller
from vsa_cli.core.learning.corpora import PhotographSource
from vsa_cli.core.regions.store import RegionStore

Run = Callable[..., Result]
ATTENTIVE = (*SMALL, "--preset", "best", "--attention", 4, "--cell", "gru")


@dataclass(frozen=True)
class Material:
    """A second corpus of the drawn photographs in another style, sentences without photographs, and a labeller."""

    also: str
    text: Path
    labels: Path


@pytest.fixture(scope="module")
def material(vsa: Run, drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp("sources")
    names = {"circle": ["circle"], "square": ["square"], "triangle": ["triangle"], "pentagon": ["pentagon"]}
    (folder / "names.json").write_text(json.dumps({"names": names}))
    other = folder / "other.csv"
    lines = ["image,caption,split"]
    for number, line in enumerate((drawn.folder / "captions.csv").read_text().splitlines()[1:]):
        image, _, split = line.split(",")[0], line, line.rsplit(",", 1)[1]
        lines.append(f"{image},look here number {number % 7},{split}")
    other.write_text("\n".join(lines))
    corpus = folder / "other.json"
    done = vsa("prep", other, "--images", drawn.folder / "photos", "--style", "odd", "-o", corpus)
    assert done.exit_code == 0, done.output
    text = folder / "sentences.txt"
    text.write_text("\n".join(f"a {colour} pentagon on a white ground" for colour in ("red", "green", "blue") * 8))
    done = vsa("prep", text, "-o", folder / "text.json")
    assert done.exit_code == 0, done.output
    labels = folder / "labels"
    options = ("--corpus", drawn.corpus, "--names", folder / "names.json", "--epochs", 8)
    done = vsa("train-labels", drawn.regions, *options, "-o", labels)
    assert done.exit_code == 0, done.output
    return Material(f"{corpus},{drawn.regions},0.5", folder / "text.json", labels)


def train(vsa: Run, drawn: Drawn, out: Path, *options: object) -> Result:
    return vsa("train-gen", drawn.corpus, drawn.regions, "-o", out, *ATTENTIVE, *options)


def captions(vsa: Run, drawn: Drawn, model: Path, *options: object, corpus: Path | None = None) -> list[str]:
    stored = ("--corpus", corpus or drawn.corpus, "--regions-file", drawn.regions, "--format", "jsonl")
    result = vsa("caption", *stored, "--model", model, *options)
    assert result.exit_code == 0, result.output
    return [json.loads(line)["caption"] for line in result.stdout.splitlines()]


def test_one_model_learns_several_styles_and_words_that_have_no_photograph(
    vsa: Run, drawn: Drawn, material: Material, tmp_path: Path
) -> None:
    further = ("--also", material.also, "--text", material.text, "--labels", material.labels, "--tags", 3)
    result = train(vsa, drawn, tmp_path / "gen", *further, "--epochs", 10, "--json")
    assert result.exit_code == 0, result.output
    epochs = json.loads(result.stdout)["epochs"]
    assert epochs[-1]["validation"]["perplexity"] < 0.6 * epochs[0]["validation"]["perplexity"]
    config = json.loads((tmp_path / "gen" / "config.json").read_text())
    assert "pentagon" in config["vocabulary"]["words"]
    assert config["envelope"]["config"]["model"]["styles"] == ["default", "odd"]
    assert config["envelope"]["config"]["also"][0]["weight"] == 0.5
    in_other = captions(vsa, drawn, tmp_path / "gen", "--style", "odd")
    assert sum(caption.startswith("look here") for caption in in_other) > 0.8 * len(in_other)
    assert not any(c.startswith("look here") for c in captions(vsa, drawn, tmp_path / "gen", "--style", "default"))
    assert captions(vsa, drawn, tmp_path / "gen")  # a style for each photograph
    own = captions(vsa, drawn, tmp_path / "gen", corpus=Path(material.also.split(",")[0]))  # the style of the corpus
    assert own == in_other
    wrong = vsa("caption", drawn.folder / "photos" / "000.png", "--model", tmp_path / "gen", "--style", "verse")
    assert wrong.exit_code == 2
    assert "default, odd" in wrong.stderr


def test_tags_in_training_are_those_of_labellers_that_have_not_seen_the_photographs(
    vsa: Run, drawn: Drawn, material: Material, tmp_path: Path
) -> None:
    options = ("--corpus", drawn.corpus, "--names", material.labels.parent / "names.json", "--epochs", 2, "--folds", 2)
    assert vsa("train-labels", drawn.regions, *options, "-o", tmp_path / "labels").exit_code == 0
    labeller = read_labeller(tmp_path / "labels", torch.device("cpu"))
    corpus, regions = read_corpus(drawn.corpus), RegionStore(drawn.regions)
    sources = Sources((PhotographSource(corpus, regions),), labeller=labeller)
    config = complete(GeneratorConfig(cell="gru", attention=1, tags=3), sources)
    reader = SourceReader(sources, config, sources.vocabulary("train"), labeller.model)
    (seen,), (unseen,) = (reader.photographs("train", seen=seen) for seen in (True, False))
    descriptors = torch.from_numpy(regions.padded(seen.photographs))
    hashes = [regions.hash_of(key) for key in seen.photographs]
    assert isinstance(seen.tags, PhotographTags)
    assert isinstance(unseen.tags, PhotographTags)
    torch.testing.assert_close(seen.tags.probabilities, unseeing_probabilities(labeller, descriptors, hashes))
    torch.testing.assert_close(unseen.tags.probabilities, probabilities_of(labeller.model, descriptors))
    assert not torch.equal(seen.tags.probabilities, unseen.tags.probabilities)


def test_objects_are_named_with_their_boxes(vsa: Run, drawn: Drawn, material: Material, tmp_path: Path) -> None:
    assert train(vsa, drawn, tmp_path / "gen", "--labels", material.labels, "--epochs", 1).exit_code == 0
    photos = (drawn.folder / "photos" / "000.png", drawn.folder / "captions.csv")
    options = ("--objects", "--json", "--detector", "selective-search", "--no-cache")
    result = vsa("caption", *photos, "--model", tmp_path / "gen", *options)
    assert result.exit_code == 3
    first, broken = json.loads(result.stdout)
    assert broken["objects"] == []
    assert broken["error"]
    for one in first["objects"]:
        assert one["name"] in ("circle", "square", "triangle", "pentagon")
        assert 0.33 <= one["score"] <= 1
        x1, y1, x2, y2 = one["box"]
        assert 0 <= x1 < x2 <= 128
        assert 0 <= y1 < y2 <= 96
    assert first["objects"] == sorted(first["objects"], key=lambda one: -one["score"])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--objects",), "--objects requires --format json, jsonl or html"),
        (("--objects", "--json"), "only one trained with a labeller"),
        (("--style", "verse"), "the model has no style 'verse'"),
    ],
)
def test_what_a_model_without_labeller_cannot_do_is_said(
    vsa: Run, drawn: Drawn, options: tuple[object, ...], problem: str
) -> None:
    result = vsa("caption", drawn.folder / "photos" / "000.png", "--model", drawn.model, *options)
    assert result.exit_code == 2
    assert problem in result.stderr


def test_a_detector_is_for_photographs(vsa: Run, drawn: Drawn) -> None:
    stored = ("--corpus", drawn.corpus, "--regions-file", drawn.regions)
    result = vsa("caption", *stored, "--model", drawn.model, "--detector", "ssd")
    assert result.exit_code == 2
    assert "already extracted" in result.stderr


def test_killed_run_of_several_sources_resumes_exactly(
    vsa: Run, drawn: Drawn, material: Material, tmp_path: Path
) -> None:
    further = ("--also", material.also, "--text", f"{material.text},0.5", "--labels", material.labels, "--epochs", 3)
    assert train(vsa, drawn, tmp_path / "whole", *further).exit_code == 0
    parts = iter((1, 2))

    class StopError(Exception):
        """Ends a run after an epoch."""

    from vsa_cli.core.learning import run

    saved = run.write_training

    def stop(*arguments: object) -> None:
        saved(*arguments)  # type: ignore[arg-type]
        if next(parts, None) is not None:
            raise StopError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "write_training", stop)
        for _ in range(2):
            with pytest.raises(StopError):
                train(vsa, drawn, tmp_path / "parts", *further, "--resume")
    assert train(vsa, drawn, tmp_path / "parts", *further, "--resume").exit_code == 0
    whole, parts_ = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert all(whole[name].equal(parts_[name]) for name in whole)


@pytest.mark.parametrize("preset", ["paper", "best"])
def test_styles_need_neither_tags_nor_attention(
    vsa: Run, drawn: Drawn, material: Material, tmp_path: Path, preset: str
) -> None:
    options = (*SMALL, "--preset", preset, "--also", material.also, "--epochs", 8)
    if preset == "best":
        options = (*options, "--cell", "gru", "--attention", 4)
    result = vsa("train-gen", drawn.corpus, drawn.regions, "-o", tmp_path / "gen", *options)
    assert result.exit_code == 0, result.output
    in_other = captions(vsa, drawn, tmp_path / "gen", "--style", "odd")
    assert sum(caption.startswith("look here") for caption in in_other) > 0.8 * len(in_other)
    by_default = captions(vsa, drawn, tmp_path / "gen")
    assert by_default == captions(vsa, drawn, tmp_path / "gen", "--style", "default")


def test_one_corpus_with_a_style_is_learnt(vsa: Run, drawn: Drawn, material: Material, tmp_path: Path) -> None:
    corpus, regions, _ = material.also.split(",")
    assert vsa("train-gen", corpus, regions, "-o", tmp_path / "gen", *SMALL, "--epochs", 1).exit_code == 0


def test_run_is_not_resumed_with_other_sources(vsa: Run, drawn: Drawn, material: Material, tmp_path: Path) -> None:
    further = ("--text", material.text, "--labels", material.labels, "--epochs", 1)
    assert train(vsa, drawn, tmp_path / "gen", *further).exit_code == 0
    result = train(vsa, drawn, tmp_path / "gen", "--labels", material.labels, "--epochs", 1, "--resume")
    assert result.exit_code == 1
    assert "differs in text" in result.stderr


def test_fine_tuning_keeps_tags_and_styles(vsa: Run, drawn: Drawn, material: Material, tmp_path: Path) -> None:
    further = ("--also", material.also, "--labels", material.labels, "--epochs", 4)
    assert train(vsa, drawn, tmp_path / "gen", *further).exit_code == 0
    common = ("train-gen", drawn.corpus, drawn.regions, "--also", material.also, "--threads", 1)
    tuned = vsa(*common, "--self-critical", tmp_path / "gen", "-o", tmp_path / "tuned", "--epochs", 1)
    assert tuned.exit_code == 0, tuned.output
    text = ("--text", material.text, "--labels", material.labels, "--epochs", 3, "--learning-rate", 1e-2, "--json")
    refined = vsa(*common, "--start", tmp_path / "gen", *text, "-o", tmp_path / "refined")
    assert refined.exit_code == 0, refined.output
    losses = [epoch["loss"] for epoch in json.loads(refined.stdout)["epochs"]]
    assert losses[-1] < losses[0]
    before, *after = (
        json.loads((tmp_path / name / "config.json").read_text())["envelope"]["config"]
        for name in ("gen", "tuned", "refined")
    )
    for config in after:
        assert config["model"] == before["model"]
        assert set(config["start"]) == {"sha256"}


def test_fine_tuning_refuses_an_unknown_style(vsa: Run, drawn: Drawn, material: Material, tmp_path: Path) -> None:
    corpus, regions, _ = material.also.split(",")
    result = vsa("train-gen", corpus, regions, "--start", drawn.model, "-o", tmp_path / "gen")
    assert result.exit_code == 2
    assert "does not know the style 'odd'" in result.stderr


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--also", "corpus.json"), "--also takes CORPUS,REGIONS[,W]"),
        (("--also", "a,b,0"), "--also takes CORPUS,REGIONS[,W]"),
        (("--also", "a,b,c"), "--also takes CORPUS,REGIONS[,W]"),
        (("--text", "t.json"), "--tags and --text require --labels"),
        (("--tags", 3), "--tags and --text require --labels"),
        (("--snippets", "s", "--also-snippets", "s"), "use one of them"),
        (("--snippets", "s", "--also", "c,r"), "--snippets trains on snippets alone"),
        (("--snippets", "s", "--text", "t", "--labels", "l"), "--snippets trains on snippets alone"),
        (("--start", "gen"), "--start keeps the model settings of its DIR"),
    ],
)
def test_wrong_sources_are_a_usage_error(
    vsa: Run, drawn: Drawn, tmp_path: Path, options: tuple[object, ...], problem: str
) -> None:
    result = train(vsa, drawn, tmp_path / "gen", *options)
    assert result.exit_code == 2
    assert problem in result.stderr


def test_dry_run_checks_every_source(vsa: Run, drawn: Drawn, material: Material, tmp_path: Path) -> None:
    result = train(vsa, drawn, tmp_path / "gen", "--also", f"{material.text},{drawn.regions}", "--dry-run")
    assert result.exit_code == 1
    assert "without photographs" in result.stderr
    assert not (tmp_path / "gen").exists()
