"""The files from which sentences are read, and how many candidates a query needs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.benchmarks.library_recall import compare_all, needed_candidates
from tests.core.library.conftest import images_of
from vsa_cli.core.config import LibrarySearch
from vsa_cli.core.embedding.batches import pack
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.search import encode_sentences, look_up, read_query
from vsa_cli.core.errors import ArtifactError, DataError, VsaError
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.library import search, segment, short_vectors, writer
from vsa_cli.core.library.library import empty_manifest, open_library, open_sentences
from vsa_cli.core.library.manifest import Manifest, write_manifest
from vsa_cli.core.library.search import search_library
from vsa_cli.core.library.sentences import read_texts
from vsa_cli.core.library.update import add_sentences
from vsa_cli.core.library.writer import writing, writing_sentences

CAPTIONS = [
    {"image_id": "1", "captions": ["A dog.", "A cat runs."]},
    {"image_id": "2", "captions": ["A dog.", "Rain."]},
]
COCO = {
    "images": [{"id": 1, "file_name": "a.jpg"}],
    "annotations": [
        {"id": i, "image_id": 1, "caption": text} for i, text in enumerate(("A dog.", "A cat runs.", "Rain."))
    ],
}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("s.txt", "A dog.\r\n\nA cat runs.\nA dog.\n  \nRain."),
        ("s.csv", "A dog.\nA cat runs.\nRain.\n"),
        ("s.jsonl", "\n".join(map(json.dumps, CAPTIONS))),
        ("s.json", json.dumps(COCO)),
        ("list.json", json.dumps({"a.jpg": ["A dog.", "A cat runs."], "b.jpg": "Rain."})),
    ],
)
def test_each_sentence_of_a_file_is_read_once(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_bytes(content.encode())
    assert read_texts(tmp_path / name) == ["A dog.", "A cat runs.", "Rain."]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no sentences"),
        (b"\n \n", "has no sentences"),
        (b"\xff\xff\n", "UTF-8"),
        (b"a " * 9000, "characters"),
        (b"{}", "no list 'images'"),
        (json.dumps({"a.jpg": "a " * 9000}).encode(), "characters"),
        (b'{"format": "vsa-corpus"}', "damaged|version"),
        (gzip.compress(b"a dog\n", mtime=0), "UTF-8"),
    ],
)
def test_file_without_sentences_is_one_error(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(VsaError, match=message) as error:
        read_texts(tmp_path / "s")
    assert str(tmp_path / "s") in str(error.value)
    with pytest.raises(DataError, match="No such file"):
        read_texts(tmp_path / "missing.txt")


def texts_in(folder: Path) -> list[str]:
    index = open_sentences(folder)
    places = map(index.place_of, index.valid_rows().tolist())
    return sorted(segment.entry(row).sentence for segment, row in places)


def test_killed_run_of_sentences_is_continued_and_a_second_writer_refused(
    trained: Trained[Embedding], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, texts = tmp_path / "index", [f"a dog {number}" for number in range(700)]

    def add(texts: list[str], model: Trained[Embedding] = trained) -> None:
        with writing_sentences(folder, empty_manifest(model, "sentences")) as writer:
            list(add_sentences(trained, writer, [look_up(text, trained.vocabulary) for text in texts]))

    add(texts[:10])
    written = []

    def killed(folder: Path, manifest: Manifest) -> None:
        written.append(manifest)
        if len(written) == 2:
            raise RuntimeError("killed")
        write_manifest(folder, manifest)

    monkeypatch.setattr(writer, "write_manifest", killed)
    with pytest.raises(RuntimeError):
        add(texts)
    monkeypatch.undo()
    assert texts_in(folder) == sorted(texts[: 10 + 256])  # what was saved before
    with writing_sentences(folder, empty_manifest(trained, "sentences")), pytest.raises(DataError, match="another pro"):
        add(texts)
    with pytest.raises(ArtifactError, match="another model"):
        add(texts, replace(trained, sha256="cd" * 32))
    with pytest.raises(DataError, match="an index of sentences"), writing(folder, empty_manifest(trained)):
        pass
    add(texts)
    assert texts_in(folder) == sorted(texts)
    files = {record.file for record in open_sentences(folder).manifest.segments}
    assert {path.name for path in folder.glob("*.safetensors")} == files


def test_needed_candidates_are_the_fewest_that_find_what_an_exhaustive_search_finds(
    fill: Callable[..., Path], trained: Trained[Embedding], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (segment, short_vectors):
        monkeypatch.setattr(module, "SHORT", 2)
    library = open_library(fill(trained, images_of(40)))
    queries = [read_query(text, trained.vocabulary) for text in ("dog", "a cat", "a dog runs", "cat runs a dog")]
    with torch.inference_mode():
        encoded = encode_sentences(trained.model, pack([query.ids for query in queries]))
    exact, short, similarity = compare_all(trained.model, library, [encoded])
    needed, first = needed_candidates(exact, short, 3), needed_candidates(exact, similarity, 3)
    assert len(set(needed.tolist())) > 1
    assert len(set(first.tolist())) > 1

    def best(query: int, config: LibrarySearch) -> list[str]:
        return [one.path for one in search_library(trained, library, queries[query], 3, config, explain=False)]

    for query, count in enumerate(needed.tolist()):
        exhaustive = best(query, LibrarySearch(exact=True))
        assert best(query, LibrarySearch(candidates=count)) == exhaustive
        if count > 3:
            assert best(query, LibrarySearch(candidates=count - 1)) != exhaustive
        monkeypatch.setattr(search, "_LEAST", int(first[query]))
        assert best(query, LibrarySearch(candidates=count)) == exhaustive
        if first[query] > count:
            monkeypatch.setattr(search, "_LEAST", int(first[query]) - 1)
            assert best(query, LibrarySearch(candidates=count)) != exhaustive
        monkeypatch.setattr(search, "_LEAST", 40)
    assert (needed <= 40).all()
    assert np.array_equal(needed_candidates(np.eye(5, dtype=np.float32), np.eye(5, dtype=np.float32), 1), np.ones(5))
