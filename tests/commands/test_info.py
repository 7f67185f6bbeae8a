"""`vsa info` on every artifact, and on other files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.conftest import Drawn
from vsa_cli.core.evaluation.frequencies import write_frequencies
from vsa_cli.core.metrics.captioning import DocumentFrequencies

Run = Callable[..., Result]


def test_corpus_sizes(vsa: Run, drawn: Drawn) -> None:
    facts = json.loads(vsa("info", drawn.corpus, "--json").stdout)
    written = json.loads(drawn.corpus.read_text())
    assert facts["images"] == len(written["images"]) == 48
    assert facts["sentences"] == sum(len(image["sentences"]) for image in written["images"])
    assert facts["splits"] == {"train": 40, "val": 8}
    assert facts["vocabulary_size"] == len(written["vocabulary"]["words"]) + 1


def test_regions_and_models_name_their_parents(vsa: Run, drawn: Drawn) -> None:
    corpus, regions, model = (
        json.loads(vsa("info", path, "--json").stdout) for path in (drawn.corpus, drawn.regions, drawn.model)
    )
    assert regions["parents"]["corpus"]["sha256"] == corpus["sha256"]
    assert model["parents"]["corpus"]["sha256"] == corpus["sha256"]
    assert model["parents"]["regions"]["sha256"] == regions["sha256"]
    assert (regions["images"], regions["regions"], regions["descriptor_size"]) == (48, 48 * 4, 1280)
    assert model["regions"]["cnn_sha256"] == regions["config"]["cnn_sha256"]
    assert model["trained_on"]["split"] == "train"


def test_json_lines_artifacts_show_format_parents_and_number_of_lines(
    vsa: Run, drawn: Drawn, embed: Path, tmp_path: Path
) -> None:
    snippets, scores, rankings = (tmp_path / f"{name}.jsonl" for name in ("snippets", "scores", "rankings"))
    split = ("--corpus", drawn.corpus, "--regions-file", drawn.regions, "--split", "val", "--model", embed)
    assert vsa("align", *split, "-o", snippets, "--scores", scores).exit_code == 0
    assert vsa("retrieve", *split, "-o", rankings).exit_code == 0
    corpus, model = (json.loads(vsa("info", path, "--json").stdout) for path in (drawn.corpus, embed))
    for path, name in ((snippets, "vsa-snippets"), (scores, "vsa-alignments"), (rankings, "vsa-rankings")):
        facts = json.loads(vsa("info", path, "--json").stdout)
        assert facts["format"] == name
        assert facts["lines"] == len(path.read_text().splitlines()) - 1
        assert facts["parents"]["corpus"]["sha256"] == corpus["sha256"]
    assert model["bytes"] == sum(path.stat().st_size for path in embed.iterdir())


def test_document_frequencies_show_images_and_ngrams(vsa: Run, tmp_path: Path) -> None:
    path = tmp_path / "frequencies.json"
    write_frequencies(path, DocumentFrequencies(3, {("a", "dog"): 2, ("dog",): 3}), {})
    facts = json.loads(vsa("info", path, "--json").stdout)
    assert (facts["format"], facts["images"], facts["ngrams"]) == ("vsa-document-frequencies", 3, 2)


def test_captions_are_not_an_artifact(vsa: Run, drawn: Drawn, tmp_path: Path) -> None:
    photo = drawn.photos / "000.png"
    for form in ("jsonl", "json", "coco", "csv"):
        path = tmp_path / f"captions.{form}"
        assert vsa("caption", photo, "--model", drawn.model, "--format", form, "-o", path).exit_code == 0
        result = vsa("info", path)
        assert result.exit_code == 1
        assert f"{path.name}: not a vsa artifact" in result.stderr


def test_default_output_is_one_line_per_fact(vsa: Run, drawn: Drawn) -> None:
    result = vsa("info", drawn.corpus)
    assert "format: vsa-corpus" in result.stdout.splitlines()
    assert "splits: train 40, val 8" in result.stdout.splitlines()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8 a photograph",
        b"{",
        b"[]",
        b'{"format": 3}',
        b'{"format": "vsa-rankings"}',
        b'{"format": "vsa-snippets", "version": 99}',
        b"\x89HDF junk",
    ],
)
def test_other_files_are_one_line_errors(vsa: Run, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    for path in (tmp_path / "x", tmp_path / "missing", tmp_path):
        result = vsa("info", path)
        assert result.exit_code == 1
        assert result.stderr.startswith("vsa: ")
        assert result.stderr.count("\n") == 1
