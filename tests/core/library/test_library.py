"""Damaged, truncated and hostile indices: one error each, and nothing is read beyond a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.core.library.conftest import images_of
from vsa_cli.core.config import LibrarySearch
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.search import read_query
from vsa_cli.core.errors import ArtifactError, DataError, VsaError
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.library.library import open_library
from vsa_cli.core.library.manifest import MANIFEST
from vsa_cli.core.library.search import search_library

Fill = Callable[..., Path]


def search(trained: Trained[Embedding], folder: Path) -> None:
    query = read_query("a dog", trained.vocabulary)
    search_library(trained, open_library(folder), query, 9, LibrarySearch(), explain=True)


@pytest.mark.parametrize("size", [0, 5, 100, 2000])
def test_truncated_segment_is_refused_before_it_is_mapped(fill: Fill, trained: Trained[Embedding], size: int) -> None:
    folder = fill(trained, images_of(9))
    (path,) = folder.glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ArtifactError, match=rf"{path.name}: damaged \({size} bytes"):
        open_library(folder)


def test_file_of_the_right_size_with_other_contents_is_refused(fill: Fill, trained: Trained[Embedding]) -> None:
    folder = fill(trained, images_of(9))
    (path,) = folder.glob("*.safetensors")
    size = path.stat().st_size
    path.write_bytes(b"\x80\x04" + b"\0" * (size - 2))  # a pickle starts like this
    with pytest.raises(ArtifactError, match=r"damaged \(its header"):
        open_library(folder)
    save_file({"vectors": torch.zeros(3)}, path)
    listed = json.loads((folder / MANIFEST).read_text())
    listed["segments"][0]["bytes"] = path.stat().st_size
    (folder / MANIFEST).write_text(json.dumps(listed))
    with pytest.raises(ArtifactError, match="differ from the manifest"):
        open_library(folder)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("offsets", lambda a: a[::-1].copy()),
        ("offsets", lambda a: a + 2**40),
        ("offsets", lambda a: a - 3),
        ("text_offsets", lambda a: a + 2**50),
        ("text_offsets", lambda a: a * 0),
        ("name_lengths", lambda a: a - 2**30),
        ("name_lengths", lambda a: a + 2**20),
        ("texts", lambda a: a * 0),
        ("sizes", lambda a: a * -1),
        ("boxes", lambda a: a * np.nan),
        ("whole", lambda a: a * np.float16(np.nan)),
        ("whole", lambda a: a / np.float16(0)),
        ("vectors", lambda a: a * np.float16(np.nan)),
    ],
)
def test_wrong_numbers_are_one_error(
    fill: Fill, trained: Trained[Embedding], name: str, change: Callable[[Any], Any]
) -> None:
    folder = fill(trained, images_of(9))
    (path,) = folder.glob("*.safetensors")
    tensors = load_file(path)
    with np.errstate(all="ignore"):
        tensors[name] = torch.from_numpy(change(tensors[name].numpy()))
    save_file(tensors, path)
    with pytest.raises(ArtifactError, match=r"damaged"):
        search(trained, folder)


@pytest.mark.parametrize(
    "change",
    [
        {"file": "../../etc/passwd"},
        {"file": "/etc/passwd"},
        {"file": "segment-000001.safetensors/x"},
        {"file": 3},
        {"bytes": -1},
        {"photographs": 2**60},
        {"photographs": 1.5},
        {"regions": True},
        {"deleted": [3, 2]},
        {"deleted": [99]},
        {"deleted": [-1]},
        {"deleted": "all"},
        {"more": 1},
        {"photographs": 8},
        {"text": 1},
    ],
)
def test_wrong_manifest_is_one_error(fill: Fill, trained: Trained[Embedding], change: dict[str, Any]) -> None:
    folder = fill(trained, images_of(9))
    listed = json.loads((folder / MANIFEST).read_text())
    listed["segments"][0] |= change
    (folder / MANIFEST).write_text(json.dumps(listed))
    with pytest.raises(ArtifactError, match="damaged"):
        open_library(folder)


def test_next_segment_that_would_replace_a_listed_one_is_refused(fill: Fill, trained: Trained[Embedding]) -> None:
    folder = fill(trained, images_of(9))
    listed = json.loads((folder / MANIFEST).read_text())
    assert listed["next"] == 2
    (folder / MANIFEST).write_text(json.dumps({**listed, "next": 1}))
    with pytest.raises(ArtifactError, match=r"damaged \(next\)"):
        open_library(folder)


@pytest.mark.parametrize("change", [{"size": 6}, {"size": 2**31 - 1}, {"whole": False}])
def test_vectors_that_its_model_does_not_compute_are_refused(
    fill: Fill, trained: Trained[Embedding], change: dict[str, Any]
) -> None:
    folder = fill(trained, images_of(9))
    listed = json.loads((folder / MANIFEST).read_text())
    listed["envelope"]["config"] |= change
    (folder / MANIFEST).write_text(json.dumps({**listed, "segments": []}))
    for use in (lambda: search(trained, folder), lambda: fill(trained, images_of(3))):
        with pytest.raises(ArtifactError, match="its vectors are not those of its model"):
            use()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"envelope": 3}', "\0", '{"envelope": {"format": "vsa-corpus"}}'])
def test_manifest_of_something_else_is_one_error(fill: Fill, trained: Trained[Embedding], text: str) -> None:
    folder = fill(trained, images_of(2))
    (folder / MANIFEST).write_text(text)
    with pytest.raises(VsaError):
        open_library(folder)


def test_missing_segment_and_missing_index_are_errors(fill: Fill, trained: Trained[Embedding], tmp_path: Path) -> None:
    folder = fill(trained, images_of(2))
    next(folder.glob("*.safetensors")).unlink()
    with pytest.raises(ArtifactError, match="No such file"):
        open_library(folder)
    with pytest.raises(DataError, match=r"not an index .*`vsa index` makes one"):
        open_library(tmp_path / "missing")


def test_newer_version_is_refused(fill: Fill, trained: Trained[Embedding]) -> None:
    folder = fill(trained, images_of(2))
    listed = json.loads((folder / MANIFEST).read_text())
    listed["envelope"]["version"] = 2
    (folder / MANIFEST).write_text(json.dumps(listed))
    with pytest.raises(ArtifactError, match="version 2; this vsa reads up to 1"):
        open_library(folder)


def test_segment_replaced_while_the_index_is_opened_is_found_again(
    fill: Fill, trained: Trained[Embedding], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fill(trained, images_of(2))
    from vsa_cli.core.library import library as module

    current, stale = module.read_manifest(folder), []
    record = replace(current.segments[0], file="segment-000099.safetensors")

    def read(path: Path) -> Any:
        stale.append(path)
        return replace(current, segments=(record,)) if len(stale) == 1 else current

    monkeypatch.setattr(module, "read_manifest", read)
    assert len(module.open_library(folder)) == 2
