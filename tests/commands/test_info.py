"""`vsa info` on every artifact, and on what is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.conftest import Drawn

Run = Callable[..., Result]


def test_a_corpus_tells_its_sizes(vsa: Run, drawn: Drawn) -> None:
    facts = json.loads(vsa("info", drawn.corpus, "--json").stdout)
    written = json.loads(drawn.corpus.read_text())
    assert facts["images"] == len(written["images"]) == 48
    assert facts["sentences"] == sum(len(image["sentences"]) for image in written["images"])
    assert facts["splits"] == {"train": 40, "val": 8}
    assert facts["vocabulary_size"] == len(written["vocabulary"]["words"]) + 1


def test_descendants_name_their_parents(vsa: Run, drawn: Drawn) -> None:
    corpus, regions, model = (
        json.loads(vsa("info", path, "--json").stdout) for path in (drawn.corpus, drawn.regions, drawn.model)
    )
    assert regions["parents"]["corpus"]["sha256"] == corpus["sha256"]
    assert model["parents"]["corpus"]["sha256"] == corpus["sha256"]
    assert model["parents"]["regions"]["sha256"] == regions["sha256"]
    assert (regions["images"], regions["regions"], regions["descriptor_size"]) == (48, 48 * 4, 1280)
    assert model["regions"]["cnn_sha256"] == regions["config"]["cnn_sha256"]
    assert model["trained_on"]["split"] == "train"


def test_for_people_it_is_a_line_a_fact(vsa: Run, drawn: Drawn) -> None:
    result = vsa("info", drawn.corpus)
    assert "format: vsa-corpus" in result.stdout.splitlines()
    assert "splits: train 40, val 8" in result.stdout.splitlines()


@pytest.mark.parametrize("content", [b"", b"\xff\xd8 a photograph", b"{", b"[]", b'{"format": 3}', b"\x89HDF junk"])
def test_what_is_no_artifact_is_refused_in_a_line(vsa: Run, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    for path in (tmp_path / "x", tmp_path / "missing", tmp_path):
        result = vsa("info", path)
        assert result.exit_code == 1
        assert result.stderr.startswith("vsa: ")
        assert result.stderr.count("\n") == 1
