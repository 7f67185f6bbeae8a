"""`vsa calibrate`, `vsa pack --calibration` and `vsa caption --min-confidence`, from a model to confident captions."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from typer.testing import Result

import vsa_cli
from tests.conftest import Drawn
from tests.page_reader import read_page, with_class

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def unseen(vsa: Run, drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus in which every third photograph of the drawn one has wrong references, and the names that count."""
    folder = tmp_path_factory.mktemp("unseen")
    names = {one: [one] for one in ("circle", "square", "triangle", "red", "green", "blue", "yellow", "pentagon")}
    (folder / "names.json").write_text(json.dumps({"names": names}))
    lines = ["image,caption,split"]
    for row in csv.DictReader((drawn.folder / "captions.csv").read_text().splitlines()):
        wrong = int(row["image"].split(".")[0]) % 3 == 0
        lines.append(f"{row['image']},{'a pentagon' if wrong else row['caption'].replace(',', '')},val")
    (folder / "captions.csv").write_text("\n".join(lines))
    done = vsa("prep", folder / "captions.csv", "--images", drawn.photos, "-o", folder / "corpus.json")
    assert done.exit_code == 0, done.output
    return folder


def calibrate(vsa: Run, drawn: Drawn, unseen: Path, output: Path, *options: object) -> Result:
    names = ("--names", unseen / "names.json")
    return vsa("calibrate", unseen / "corpus.json", drawn.regions, "-m", drawn.model, *names, "-o", output, *options)


@pytest.fixture(scope="module")
def calibrated(vsa: Run, drawn: Drawn, unseen: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn model with a calibration."""
    folder = tmp_path_factory.mktemp("calibrated")
    done = calibrate(vsa, drawn, unseen, folder / "calibration.json")
    assert done.exit_code == 0, done.output
    done = vsa("pack", drawn.model, "--calibration", folder / "calibration.json", "-o", folder / "gen")
    assert done.exit_code == 0, done.output
    assert "another model" not in done.stderr
    return folder


@pytest.fixture
def photos(drawn: Drawn, tmp_path: Path) -> Path:
    """Eight photographs, and one that is broken."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(8):
        shutil.copy(drawn.photos / f"{number * 5:03d}.png", folder)
    (folder / "z.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut short")
    return folder


@pytest.fixture
def threshold(vsa: Run, calibrated: Path, photos: Path) -> float:
    """A confidence below which about half of the captions are."""
    records = json.loads(vsa("caption", photos, "-m", calibrated / "gen", "--json").stdout)
    known = sorted(record["confidence"] for record in records if record["error"] is None)
    assert len(set(known)) > 1
    above = min(one for one in known if one > known[0] and one >= known[len(known) // 2])
    return float(above)


def test_calibration_prints_its_scores_and_what_each_minimum_keeps(
    vsa: Run, drawn: Drawn, unseen: Path, tmp_path: Path
) -> None:
    done = calibrate(vsa, drawn, unseen, tmp_path / "a.json")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "captions  48"
    assert [line.split()[0] for line in lines[1:5]] == ["right", "Brier", "ECE", "minimum"]
    assert lines[5].split()[1:3] == ["100", "%"]
    assert "48 captions are few" in done.stderr
    again = calibrate(vsa, drawn, unseen, tmp_path / "a.json", "--force", "--json", "--batch-size", 7)
    facts = json.loads(again.stdout)
    assert (facts["captions"], facts["split"]) == (48, "val")
    assert 0 < facts["right"] <= 2 / 3
    assert sum(one["captions"] for one in facts["bins"]) == 48
    shown = json.loads(vsa("info", tmp_path / "a.json", "--json").stdout)
    assert (shown["format"], shown["names"], shown["scores"]["ece"]) == ("vsa-calibration", 8, facts["ece"])
    twice = calibrate(vsa, drawn, unseen, tmp_path / "b.json", "--also", f"{unseen / 'corpus.json'},{drawn.regions}")
    assert twice.stdout.startswith("captions  96\n")


def test_packed_model_has_the_calibration_and_its_weights_stay(vsa: Run, drawn: Drawn, calibrated: Path) -> None:
    facts = json.loads(vsa("info", calibrated / "gen", "--json").stdout)["calibration"]
    assert (facts["names"], facts["scores"]["captions"], facts["scores"]["sibling"]) == (8, 48, False)
    again = calibrated / "again"
    done = vsa("pack", calibrated / "gen", "--calibration", calibrated / "calibration.json", "-o", again, "--force")
    assert "was measured on another model" in done.stderr
    before, after = (load_file(folder / "model.safetensors") for folder in (calibrated / "gen", again))
    assert all(tensor.equal(after[name]) and tensor.dtype == after[name].dtype for name, tensor in before.items())
    assert json.loads(vsa("info", again, "--json").stdout)["calibration"]["scores"]["sibling"]
    plain = json.loads(vsa("caption", drawn.photos / "000.png", "-m", drawn.model, "--json").stdout)
    assert plain[0]["confidence"] is None


def test_low_captions_are_withheld_in_every_format(
    vsa: Run, calibrated: Path, photos: Path, threshold: float, tmp_path: Path
) -> None:
    options = ("-m", calibrated / "gen", "--min-confidence", threshold)
    done = vsa("caption", photos, *options, "--json")
    records = json.loads(done.stdout)
    kept = {record["path"]: record["caption"] for record in records if record["caption"] is not None}
    withheld = [record for record in records if record["withheld"] is not None]
    assert done.exit_code == 3, "one photograph is broken"
    assert 0 < len(withheld) == 8 - len(kept) < 8
    assert f"{len(withheld)} of 8 captions withheld: confidence below {threshold:g}" in done.stderr
    for record in records:
        assert (record["caption"] is None) == (record["confidence"] is None or record["confidence"] < threshold)
    text = vsa("caption", photos, *options).stdout
    assert dict(line.split("\t") for line in text.splitlines()) == kept
    rows = list(csv.DictReader(io.StringIO(vsa("caption", photos, *options, "--format", "csv").stdout)))
    assert {row["path"]: row["caption"] for row in rows if row["caption"]} == kept
    assert sum(row["withheld"].startswith("confidence 0") for row in rows) == len(withheld)
    coco = json.loads(vsa("caption", photos, *options, "--format", "coco").stdout)
    assert [one["caption"] for one in coco] == list(kept.values())
    assert vsa("caption", photos, *options, "--format", "html", "-o", tmp_path / "a.html").exit_code == 3
    notes = [one.text for one in with_class(read_page((tmp_path / "a.html").read_text()), "note")]
    assert sum(note.startswith("right with probability ") for note in notes) == len(kept)
    assert sum(note.startswith("caption withheld: ") for note in notes) == len(withheld)


def test_a_withheld_caption_alone_is_no_failure(vsa: Run, drawn: Drawn, calibrated: Path) -> None:
    done = vsa("caption", drawn.photos / "000.png", "-m", calibrated / "gen", "--min-confidence", 1)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "1 of 1 captions withheld: confidence below 1\n"


def test_split_is_captioned_with_confidence(vsa: Run, drawn: Drawn, calibrated: Path) -> None:
    stored = ("--corpus", drawn.corpus, "--regions-file", drawn.regions, "-m", calibrated / "gen", "--json")
    records = json.loads(vsa("caption", *stored, "--min-confidence", 0, "--nbest", 2).stdout)
    assert all(0 <= record["confidence"] <= 1 and record["withheld"] is None for record in records)
    sampled = json.loads(vsa("caption", *stored, "--sample").stdout)
    assert [record["confidence"] for record in sampled] == [None] * len(records)


def test_resumed_runs_have_the_same_minimum(
    vsa: Run, calibrated: Path, photos: Path, threshold: float, tmp_path: Path
) -> None:
    (photos / "z.jpg").unlink()
    lines, low = tmp_path / "c.jsonl", ("--min-confidence", threshold)
    run = ("caption", photos, "-m", calibrated / "gen", "--format", "jsonl", "-o", lines)
    assert vsa(*run, *low).exit_code == 0
    whole = lines.read_text()
    (tmp_path / "c.jsonl.part").write_text("".join(whole.splitlines(keepends=True)[:5]))
    lines.unlink()
    done = vsa(*run, *low, "--resume", "--batch-size", 1)
    assert done.exit_code == 0, done.output
    assert "5 captioned before" in done.stderr, "withheld captions are not tried again"
    assert [json.loads(line)["withheld"] for line in lines.read_text().splitlines()] == [
        json.loads(line)["withheld"] for line in whole.splitlines()
    ]
    other = vsa(*run, "--min-confidence", threshold / 2, "--resume")
    assert other.exit_code == 1
    assert "made with --min-confidence" in other.stderr
    assert "made with" in vsa(*run, "--resume").stderr


def test_sidecars_of_withheld_captions_are_missing(vsa: Run, calibrated: Path, photos: Path, threshold: float) -> None:
    (photos / "z.jpg").unlink()
    run = ("caption", photos, "-m", calibrated / "gen", "--sidecar", ".txt", "--min-confidence", threshold)
    done = vsa(*run)
    assert done.exit_code == 0
    count = len(list(photos.glob("*.txt")))
    assert f"{count} photographs captioned, 0 failed" in done.stderr
    assert f"{8 - count} of 8 captions withheld" in done.stderr
    assert 0 < count < 8
    again = vsa(*run, "--resume")
    assert f"0 photographs captioned, 0 failed, {count} captioned before" in again.stderr
    assert again.exit_code == 0


def test_python_programs_have_the_confidence(drawn: Drawn, calibrated: Path, photos: Path, threshold: float) -> None:
    captioner = vsa_cli.load_captioner(calibrated / "gen", device="cpu", cache=False)
    results = captioner.caption(photos, min_confidence=threshold)
    for result in results:
        if result.withheld is not None:
            assert result.confidence is not None
            assert result.confidence < threshold
            assert result.caption is None
        elif result.error is None:
            assert result.confidence == result.candidates[0].confidence is not None
    assert any(result.withheld for result in results)


def damage(model: Path, to: Path, change: dict[str, Any]) -> Path:
    from vsa_cli.core.learning.model_dir import read_model, write_model

    envelope, contents, weights = read_model(model, "vsa-generator", 1)
    write_model(to, envelope, {**contents, **change}, weights)
    return to


def test_wrong_uses_are_one_line_errors(
    vsa: Run, drawn: Drawn, embed: Path, calibrated: Path, unseen: Path, tmp_path: Path
) -> None:
    photo, calibration, model = drawn.photos / "000.png", calibrated / "calibration.json", calibrated / "gen"
    stored = ("--corpus", drawn.corpus, "--regions-file", drawn.regions)
    split = ("calibrate", drawn.corpus, drawn.regions, "-m", drawn.model, "-o", tmp_path / "new.json")
    damaged = damage(model, tmp_path / "damaged", {"calibration": {"weights": {"bias": 1}}})
    cases = [
        (("caption", photo, "-m", drawn.model, "--min-confidence", 0.5), 2, "`vsa pack --calibration` adds it"),
        (("caption", photo, "-m", model, "--min-confidence", 0.5, "--sample"), 2, "--min-confidence applies to beam"),
        (("caption", *stored, "--baseline", "nearest-neighbour", "--min-confidence", 0), 2, "need a model"),
        (("caption", photo, "-m", damaged), 1, "damaged calibration"),
        (("info", damaged), 1, "damaged calibration"),
        ((*split, "--split", "train"), 2, "--split train: the model was trained on it"),
        ((*split, "--split", "all"), 2, "--split all: the model was trained on it"),
        ((*split, "--split", "tune"), 1, "no images in the split tune"),
        ((*split, "--also", "a.json"), 2, "--also takes CORPUS,REGIONS, not 'a.json'"),
        ((*split, "--also", "a.json,b.h5,2"), 2, "--also takes CORPUS,REGIONS"),
        ((*split, "--names", calibration), 1, "not a file of names"),
        (split, 1, "0 of 8 captions mention something (--names)"),
        (("pack", embed, "--calibration", calibration, "-o", tmp_path / "p"), 1, "not a caption generator"),
        (("pack", drawn.model, "--calibration", drawn.corpus, "-o", tmp_path / "p"), 1, "`vsa calibrate` makes one"),
        (("pack", drawn.model, "--calibration", tmp_path / "none", "-o", tmp_path / "p"), 1, "calibrate` makes one"),
    ]  # fmt: skip
    for arguments, code, message in cases:
        done = vsa(*arguments)
        assert (done.exit_code, done.stderr.count("\n")) == (code, 1), (arguments, done.output)
        assert message in done.stderr
    assert not (tmp_path / "p").exists()
    assert not (tmp_path / "new.json").exists()
    assert vsa("caption", photo, "-m", model, "--min-confidence", 1.5).exit_code == 2
    assert calibrate(vsa, drawn, unseen, calibration).exit_code == 2, "it exists"
