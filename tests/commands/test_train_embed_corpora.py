"""`vsa train-embed` on several corpora: words, weights, validation, resuming, sweeps, and inputs that do not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import Result

from tests.conftest import SMALL_EMBED, Drawn
from vsa_cli.core.regions.image_regions import ImageRegions, Label
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.store_writer import write_regions

Run = Callable[..., Result]


@dataclass(frozen=True)
class Further:
    """A second corpus of the drawn photographs, described in other words, with regions of another count."""

    corpus: Path
    regions: Path

    def weighing(self, weight: str) -> str:
        """The value of `--also` with a weight."""
        return f"{self.corpus},{self.regions},{weight}"


@pytest.fixture(scope="module")
def further(vsa: Run, drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> Further:
    folder = tmp_path_factory.mktemp("further")
    _, *rows = drawn.captions.read_text().splitlines()
    described = [row.replace("circle", "zebra").replace("square", "giraffe") for row in rows]
    (folder / "captions.csv").write_text("\n".join(["image,caption,split", *described]))
    corpus, regions = folder / "corpus.json", folder / "regions.h5"
    photos = ("--images", drawn.photos)
    assert vsa("prep", folder / "captions.csv", *photos, "-o", corpus, "--min-count", 3).exit_code == 0
    top = ("--detector", "grid", "--top", 1, "--side", 96)
    done = vsa("extract-regions", corpus, "-o", regions, *top)
    assert done.exit_code == 0, done.output
    return Further(corpus, regions)


@pytest.fixture(scope="module")
def unpaired(vsa: Run, drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Regions of photographs whose circles are labelled as zebras, and sentences about zebras and giraffes."""
    folder = tmp_path_factory.mktemp("unpaired")
    with_circle = {row.split(",")[0] for row in drawn.captions.read_text().splitlines() if "circle" in row}
    store = RegionStore(drawn.regions)
    images, start = [], 0
    for key in store.ids:
        rows = slice(start, start := start + store.count_of(key))
        labels = (Label(0, "zebra", 0.9),) if Path(key).name in with_circle else ()
        descriptors = store.padded([key])[0]
        parts = (store.boxes[rows], store.scores[rows], descriptors, labels)
        images.append(ImageRegions(key, store.hash_of(key), 128, 96, *parts))
    write_regions(folder / "labelled.h5", store.envelope, [images], store.descriptor_size)
    store.close()
    (folder / "text.txt").write_text("a zebra on grass\ntwo giraffes eat\n" * 6)
    done = vsa("prep", folder / "text.txt", "-o", folder / "text.json", "--min-count", 1)
    assert done.exit_code == 0, done.output
    return f"{folder / 'labelled.h5'},{folder / 'text.json'}"


def test_photographs_without_sentences_teach_words_by_their_labels(
    vsa: Run, drawn: Drawn, unpaired: str, tmp_path: Path
) -> None:
    out = tmp_path / "embed"
    result = train(vsa, drawn, out, "--unpaired", f"{unpaired},2", "--epochs", 12)
    assert result.exit_code == 0, result.output
    config = json.loads((out / "config.json").read_text())
    assert config["envelope"]["config"]["unpaired"][0]["weight"] == 2
    assert "zebra" in config["vocabulary"]["words"]
    circles = {row.split(",")[0] for row in drawn.captions.read_text().splitlines() if "circle" in row}
    circle_count = len(circles)
    found = vsa(
        "retrieve", "a zebra", drawn.photos, "--model", out, "--top", circle_count, "--format", "jsonl",
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    hits = [name for name in circles if name in found.stdout]
    assert len(hits) > 0.8 * circle_count
    resumed = train(vsa, drawn, out, "--epochs", 12, "--resume")
    assert "differs in unpaired" in resumed.stderr


def test_regions_without_labels_are_refused(vsa: Run, drawn: Drawn, unpaired: str, tmp_path: Path) -> None:
    text = unpaired.split(",")[1]
    result = train(vsa, drawn, tmp_path / "embed", "--unpaired", f"{drawn.regions},{text}")
    assert result.exit_code == 1
    assert "have no labels" in result.stderr
    assert result.stderr.count("\n") == 1


def train(vsa: Run, drawn: Drawn, out: Path, *options: object) -> Result:
    return vsa("train-embed", drawn.corpus, drawn.regions, "-o", out, *SMALL_EMBED, *options)


def test_model_knows_and_finds_the_words_of_both_corpora(
    vsa: Run, drawn: Drawn, further: Further, tmp_path: Path
) -> None:
    result = train(vsa, drawn, tmp_path / "embed", "--also", further.weighing("1.5"), "--epochs", 10, "--json")
    assert result.exit_code == 0, result.output
    epochs = json.loads(result.stdout)["epochs"]
    assert epochs[-1]["loss"] < 0.9 * epochs[0]["loss"]
    last = epochs[-1]["validation"]
    assert {"rsum", "i2t_R@1", "also1_rsum", "also1_i2t_R@1"} <= set(last)
    assert "also1_rsum" in result.stderr
    best = max(epochs, key=lambda epoch: float(epoch["validation"]["rsum"]))
    assert best["best"]  # by the recalls of the first corpus alone
    config = json.loads((tmp_path / "embed" / "config.json").read_text())
    assert {"circle", "zebra", "giraffe"} <= set(config["vocabulary"]["words"])
    (recorded,) = config["envelope"]["config"]["also"]
    assert recorded["weight"] == 1.5
    assert all(len(recorded[name]) == 64 for name in ("corpus", "regions"))
    own = sum(split == "train" for split in splits(drawn.corpus))
    assert config["trained_on"]["sentences"] == own + round(1.5 * sum(s == "train" for s in splits(further.corpus)))
    found = vsa(
        "retrieve", "--corpus", further.corpus, "--regions-file", further.regions, "--model", tmp_path / "embed",
        "--split", "val", "-o", tmp_path / "r.jsonl",
    )  # fmt: skip
    assert found.exit_code == 0, found.output


def splits(corpus: Path) -> list[str]:
    """The split of each sentence of a corpus."""
    images = json.loads(corpus.read_text())["images"]
    return [image["split"] for image in images for _ in image["sentences"]]


def test_interrupted_run_of_two_corpora_resumes_exactly(
    vsa: Run, drawn: Drawn, further: Further, tmp_path: Path
) -> None:
    options = ("--also", further.weighing("0.5"), "--also", further.weighing("0.3"), "--epochs", 3)
    assert train(vsa, drawn, tmp_path / "whole", *options).exit_code == 0

    class StopError(Exception):
        """Ends a run after an epoch."""

    from vsa_cli.core.learning import run

    saved = run.write_training

    def stop(*arguments: object) -> None:
        saved(*arguments)  # type: ignore[arg-type]
        raise StopError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "write_training", stop)
        with pytest.raises(StopError):
            train(vsa, drawn, tmp_path / "parts", *options)
    assert train(vsa, drawn, tmp_path / "parts", *options, "--resume").exit_code == 0
    names = ("config.json", "model.safetensors")
    whole, parts = ([(tmp_path / out / name).read_bytes() for name in names] for out in ("whole", "parts"))
    assert whole == parts


@pytest.mark.parametrize("changed", ["weight", "none"])
def test_run_is_not_resumed_with_other_corpora(
    vsa: Run, drawn: Drawn, further: Further, tmp_path: Path, changed: str
) -> None:
    assert train(vsa, drawn, tmp_path / "embed", "--also", further.weighing("1"), "--epochs", 1).exit_code == 0
    other = ("--also", further.weighing("2")) if changed == "weight" else ()
    result = train(vsa, drawn, tmp_path / "embed", *other, "--epochs", 1, "--resume")
    assert result.exit_code == 1
    assert "differs in also" in result.stderr


def test_corpus_without_the_validation_split_is_trained_on_only(
    vsa: Run, drawn: Drawn, further: Further, tmp_path: Path
) -> None:
    lines = (further.corpus.parent / "captions.csv").read_text().splitlines()
    rows = [line for line in lines[1:] if line.endswith(",train")]
    (tmp_path / "c.csv").write_text("\n".join(["image,caption,split", *rows]))
    assert vsa("prep", tmp_path / "c.csv", "--images", drawn.photos, "-o", tmp_path / "c.json").exit_code == 0
    also = f"{tmp_path / 'c.json'},{further.regions}"
    result = train(vsa, drawn, tmp_path / "embed", "--also", also, "--epochs", 1, "--json")
    assert result.exit_code == 0, result.output
    measured = json.loads(result.stdout)["epochs"][0]["validation"]
    assert "rsum" in measured
    assert not any(name.startswith("also") for name in measured)


def test_sweep_of_two_corpora_trains_its_winner_on_both(
    vsa: Run, drawn: Drawn, further: Further, tmp_path: Path
) -> None:
    options = [option for option in SMALL_EMBED if option not in ("--learning-rate", 3e-3)]
    options += ["--epochs", 1, "--sweep", "--sweep-rates", "1e-3,3e-3", "--sweep-decays", "0"]
    command = ("train-embed", drawn.corpus, drawn.regions, "-o", tmp_path / "embed", *options)
    result = vsa(*command, "--also", further.weighing("1"))
    assert result.exit_code == 0, result.output
    config = json.loads((tmp_path / "embed" / "config.json").read_text())
    assert config["envelope"]["config"]["also"][0]["weight"] == 1
    again = vsa(*command, "--also", further.weighing("2"), "--resume")
    assert again.exit_code == 1
    assert "differs in also" in again.stderr


@pytest.mark.parametrize("value", ["corpus.json", "a,b,0", "a,b,c", "a,b,101", ",b", "a,b,1,2"])
def test_malformed_value_is_a_usage_error(vsa: Run, drawn: Drawn, tmp_path: Path, value: str) -> None:
    result = train(vsa, drawn, tmp_path / "embed", "--also", value)
    assert result.exit_code == 2
    assert "--also takes CORPUS,REGIONS[,W]" in result.stderr
    assert result.stderr.count("\n") == 1


def test_regions_of_another_size_are_refused(vsa: Run, drawn: Drawn, further: Further, tmp_path: Path) -> None:
    regions = tmp_path / "r.h5"
    extract = ("--detector", "grid", "--top", 1, "--side", 64)
    assert vsa("extract-regions", further.corpus, "-o", regions, *extract).exit_code == 0
    result = train(vsa, drawn, tmp_path / "embed", "--also", f"{further.corpus},{regions}", "--dry-run")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert str(regions) in result.stderr


def test_photographs_without_sentences_are_matched_by_the_names_of_a_labeller(
    vsa: Run, drawn: Drawn, tmp_path: Path
) -> None:
    names = {shape: [shape, "ring"] if shape == "circle" else [shape] for shape in ("circle", "square", "triangle")}
    (tmp_path / "names.json").write_text(json.dumps({"names": names}))
    labels, text = tmp_path / "labels", tmp_path / "text"
    options = (
        "--corpus",
        drawn.corpus,
        "--names",
        tmp_path / "names.json",
        "--epochs",
        30,
        "--patience",
        30,
        "--batch-size",
        8,
    )
    assert vsa("train-labels", drawn.regions, *options, "-o", labels).exit_code == 0
    text.with_suffix(".txt").write_text("one ring here\n" * 20)
    assert vsa("prep", text.with_suffix(".txt"), "-o", text.with_suffix(".json")).exit_code == 0
    unpaired = ("--unpaired", f"{drawn.regions},{text.with_suffix('.json')},2")
    result = train(vsa, drawn, tmp_path / "embed", *unpaired, "--labels", labels, "--epochs", 2)
    assert result.exit_code == 0, result.output
    config = json.loads((tmp_path / "embed" / "config.json").read_text())
    assert "ring" in config["vocabulary"]["words"]
    assert config["envelope"]["config"]["unpaired"][0]["weight"] == 2
    alone = train(vsa, drawn, tmp_path / "other", "--labels", labels)
    assert alone.exit_code == 2
    assert "--labels requires --unpaired" in alone.stderr
