"""Search in an index against search without one; candidates, ties, damage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.core.library.conftest import entry_of, images_of, model_of
from vsa_cli.core.alignment.align import locate_words
from vsa_cli.core.config import LibrarySearch
from vsa_cli.core.embedding.batches import pack
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.search import encode_sentences, read_query, search_images
from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.library import search
from vsa_cli.core.library.library import empty_manifest, open_library
from vsa_cli.core.library.search import nearest_rows, search_library
from vsa_cli.core.library.writer import writing

Fill = Callable[..., Path]
EXACT = LibrarySearch(exact=True)


@pytest.mark.parametrize("whole_weight", [0.0, 0.5])
@pytest.mark.parametrize("config", [EXACT, LibrarySearch(), LibrarySearch(candidates=5)])
def test_results_equal_those_of_a_search_without_an_index(
    fill: Fill, whole_weight: float, config: LibrarySearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_SCORED", 3)
    monkeypatch.setattr(search, "_BLOCK", 4)
    trained, images = model_of(whole_weight), images_of(23)
    fill(trained, images[:20])
    library = open_library(fill(trained, images[20:]))
    query = read_query("A dog, ran: runs!", trained.vocabulary)
    found = search_library(trained, library, query, 5, config, explain=True)
    expected = search_images(trained, query, images, 23)
    if config.candidates == 5 and whole_weight:  # the five candidates, in their order among all
        assert [one.path for one in found] == [
            h.photo.path for h in expected if h.photo.path in {f.path for f in found}
        ]
    else:
        assert [one.path for one in found] == [hit.photo.path for hit in expected[:5]]
    scores = {hit.photo.path: (hit.score, images[hit.index][1]) for hit in expected}
    for one in found:
        score, regions = scores[one.path]
        assert one.row is not None
        assert library.has(one.row)
        assert library.photo(one.row) == one.photo
        assert one.score == pytest.approx(score, abs=2e-3)
        assert (one.size, one.sha256, one.photo.image_id) == ((40, 30), regions.sha256, regions.image_id)
        assert [word.word for word in one.words] == ["a", "dog", "runs"]
        for word, other in zip(one.words, locate_words(trained, query, regions), strict=True):
            assert word.box == pytest.approx(other.box, abs=1e-2)
            assert word.score == pytest.approx(other.score, abs=2e-3)


def test_candidates_are_the_nearest_whole_images(
    fill: Fill, trained: Trained[Embedding], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_BLOCK", 4)
    images = images_of(31)
    folder = fill(trained, images)
    with writing(folder, empty_manifest(trained)) as writer:
        for photo, _ in images[::3]:
            writer.remove(photo.path)
    library = open_library(folder)
    assert [library.has(row) for row in range(-1, 32)] == [False, *(row % 3 != 0 for row in range(31)), False]
    sentence = encode_sentences(trained.model, pack([read_query("a dog", trained.vocabulary).ids]))
    assert sentence.whole is not None
    vector = sentence.whole[0].detach()
    vectors = [entry_of(trained, *image).vectors for image in images]
    whole = torch.stack([one.whole.float() for one in vectors])  # type: ignore[union-attr]
    similarity = (whole @ vector).numpy() - [one.hubness or 0 for one in vectors]
    similarity[::3] = -np.inf
    for count in (1, 7, 1000):
        most = min(count, 20)
        assert nearest_rows(library, vector, count).tolist() == sorted(np.argsort(-similarity)[:most].tolist())


def test_scores_do_not_depend_on_how_many_regions_are_scored_together(
    fill: Fill, trained: Trained[Embedding], monkeypatch: pytest.MonkeyPatch
) -> None:
    library, query = open_library(fill(trained, images_of(31))), read_query("a dog", trained.vocabulary)
    found = []
    for regions in (1 << 14, 8, 1):  # 64 photographs, 2 and 1
        monkeypatch.setattr(search, "_REGIONS", regions)
        results = search_library(trained, library, query, 9, LibrarySearch(exact=True), explain=False)
        found.append(results)
    for other in found[1:]:
        assert [one.path for one in other] == [one.path for one in found[0]]
        assert [one.score for one in other] == pytest.approx([one.score for one in found[0]], abs=1e-6)


def test_equal_scores_keep_the_order_of_the_index(fill: Fill, trained: Trained[Embedding]) -> None:
    ((photo, regions),) = images_of(1)
    same = [(replace(photo, path=f"/photos/{i}.jpg", image_id=f"{i}.jpg"), regions) for i in range(6)]
    library = open_library(fill(trained, same))
    query = read_query("dog", trained.vocabulary)
    found = search_library(trained, library, query, 3, LibrarySearch(), explain=False)
    assert [one.path for one in found] == ["/photos/0.jpg", "/photos/1.jpg", "/photos/2.jpg"]


def test_photographs_are_found_in_the_folder_where_they_are_now(
    fill: Fill, trained: Trained[Embedding], tmp_path: Path
) -> None:
    folder = fill(trained, images_of(12))
    query = read_query("dog", trained.vocabulary)
    found = search_library(trained, open_library(folder, tmp_path), query, 12, LibrarySearch(), explain=False)
    assert {one.path for one in found} == {f"{tmp_path}/{i // 10}/{i}.jpg" for i in range(12)}
    with pytest.raises(DataError, match="not a folder"):
        open_library(folder, tmp_path / "missing")


def test_empty_index_and_another_model_are_errors(fill: Fill, trained: Trained[Embedding]) -> None:
    query = read_query("dog", trained.vocabulary)
    with pytest.raises(DataError, match="no photographs"):
        search_library(trained, open_library(fill(trained, [])), query, 3, LibrarySearch(), explain=False)
    other = replace(trained, sha256="cd" * 32)
    with pytest.raises(ArtifactError, match="another model"):
        search_library(other, open_library(fill(trained, images_of(3))), query, 3, LibrarySearch(), explain=False)
