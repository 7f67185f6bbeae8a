"""Sentences and similar photographs for a photograph, against searches without an index and against the definition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from tests.core.library.conftest import images_of, model_of
from vsa_cli.core.alignment.align import locate_words
from vsa_cli.core.config import LibrarySearch
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.search import encode_images, look_up, search_sentences
from vsa_cli.core.errors import ArtifactError, DataError, VsaError
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.library import by_photograph
from vsa_cli.core.library import writer as writer_module
from vsa_cli.core.library.by_photograph import rank_sentences, similar_photos
from vsa_cli.core.library.library import empty_manifest, open_library, open_sentences
from vsa_cli.core.library.update import add_sentences, merge_indices
from vsa_cli.core.library.writer import writing, writing_sentences

Fill = Callable[..., Path]
EXACT = LibrarySearch(exact=True)
WORDS = ("dog", "cat", "runs", "a")


def sentences_of(count: int) -> list[str]:
    """Different sentences of 1 to 6 known words, every seventh without any, every third with an unknown one."""
    rng = np.random.default_rng(5)
    found = []
    for i in range(count):
        words = rng.choice(WORDS, i % 6 + 1).tolist()
        found.append(f"zeppelin {i}" if i % 7 == 3 else " ".join([*words, *(["zeppelin"] if i % 3 == 0 else [])]))
    return list(dict.fromkeys(found))


def index_of(trained: Trained[Embedding], folder: Path, texts: list[str]) -> list[str]:
    """Make or extend an index of sentences; return what became of each."""
    with writing_sentences(folder, empty_manifest(trained, "sentences")) as writer:
        queries = [look_up(text, trained.vocabulary) for text in texts]
        return [outcome.change for outcome in add_sentences(trained, writer, queries)]


@pytest.mark.parametrize(("whole_weight", "config"), [(0.0, LibrarySearch()), (0.5, EXACT), (0.5, LibrarySearch())])
def test_sentences_are_ranked_as_without_an_index(
    tmp_path: Path, whole_weight: float, config: LibrarySearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_photograph, "_WORDS", 16)
    monkeypatch.setattr(writer_module, "_UNSAVED", 8)
    monkeypatch.setattr(writer_module, "_FULL", 16)
    trained, texts = model_of(whole_weight), sentences_of(40)
    assert index_of(trained, tmp_path / "i", texts[:20]) == ["encoded"] * 20
    assert set(index_of(trained, tmp_path / "i", texts[15:])) == {"encoded", "unchanged"}
    index = open_sentences(tmp_path / "i")
    assert len(index) == len(texts)
    assert len(index.segments) > 1
    regions = images_of(4)[3][1]
    expected = dict(zip(texts, search_sentences(trained, regions, texts).tolist(), strict=True))
    found = rank_sentences(trained, index, regions, len(texts), config, explain=True)
    assert {one.sentence for one in found} == set(texts)
    scores = [-np.inf if one.score is None else one.score for one in found]
    assert scores == sorted(scores, reverse=True)
    assert scores == pytest.approx([expected[one.sentence] for one in found], abs=2e-3)
    for one in found:
        query = look_up(one.sentence, trained.vocabulary)
        assert one.unknown == query.unknown
        assert one.words == (locate_words(trained, query, regions) if query.words else ())
    best = rank_sentences(trained, index, regions, 5, config, explain=False)
    assert [one.sentence for one in best] == [one.sentence for one in found[:5]]
    few = rank_sentences(trained, index, regions, 5, LibrarySearch(candidates=7), explain=False)
    assert [one.score for one in few if one.score is not None] == pytest.approx(
        [expected[one.sentence] for one in few if one.score is not None], abs=2e-3
    )


@pytest.mark.parametrize("whole_weight", [0.0, 0.5])
def test_similar_photographs_have_the_score_of_the_definition(fill: Fill, whole_weight: float) -> None:
    trained, images = model_of(whole_weight), images_of(23)
    library = open_library(fill(trained, images))
    regions = images[6][1]
    with torch.inference_mode():
        encoded = [encode_images(trained.model, torch.from_numpy(r.descriptors)[None].float()) for _, r in images]
    u = F.normalize(encoded[6].regions[0], dim=-1)
    expected = {}
    for (photo, _), other in zip(images, encoded, strict=True):
        score = (u @ F.normalize(other.regions[0], dim=-1).T).amax(1).mean().item()
        if encoded[6].whole is not None and other.whole is not None:
            score = 0.5 * score + 0.5 * (encoded[6].whole @ other.whole.T).item()
        expected[photo.path] = score
    found = similar_photos(trained, library, regions, 23, EXACT)
    assert found[0].path == images[6][0].path
    assert found[0].score == pytest.approx(1, abs=2e-3)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert [one.score for one in found] == pytest.approx([expected[one.path] for one in found], abs=2e-3)
    for one in similar_photos(trained, library, regions, 3, LibrarySearch(candidates=5)):
        assert one.score == pytest.approx(expected[one.path], abs=2e-3)
        assert (one.size, one.words) == ((40, 30), ())


def test_merged_indices_have_each_sentence_once(tmp_path: Path, trained: Trained[Embedding]) -> None:
    texts = sentences_of(40)
    index_of(trained, tmp_path / "a", texts[:20])
    for part in (texts[20:], texts[10:20]):  # the batches of the whole index: vectors depend on them in the last bits
        index_of(trained, tmp_path / "b", part)
    parts = [open_sentences(tmp_path / name) for name in "ab"]
    with writing_sentences(tmp_path / "all", parts[0].manifest.emptied()) as writer:
        changes = [one.change for one in merge_indices(writer, parts)]
    assert (changes.count("copied"), changes.count("unchanged")) == (len(texts), 10)
    regions = images_of(4)[3][1]
    for part in (texts[:20], texts[20:]):
        index_of(trained, tmp_path / "whole", part)
    merged, whole = (
        rank_sentences(trained, open_sentences(tmp_path / name), regions, 99, EXACT, explain=False)
        for name in ("all", "whole")
    )
    assert merged == whole


def test_the_other_kind_of_index_another_model_and_an_empty_one_are_refused(
    fill: Fill, trained: Trained[Embedding], tmp_path: Path
) -> None:
    photos, sentences, regions = fill(trained, images_of(3)), tmp_path / "s", images_of(1)[0][1]
    index_of(trained, sentences, ["a dog"])
    with pytest.raises(DataError, match="index of photographs, not of sentences"):
        index_of(trained, photos, ["a dog"])
    with pytest.raises(DataError, match="index of sentences, not of photographs"):
        fill(trained, images_of(3), "s")
    with (
        pytest.raises(DataError, match="index of sentences, not of photographs"),
        writing(tmp_path / "all", empty_manifest(trained)) as writer,
    ):
        list(merge_indices(writer, [open_sentences(sentences)]))  # type: ignore[list-item]
    other = replace(trained, sha256="cd" * 32)
    with pytest.raises(ArtifactError, match="another model"):
        rank_sentences(other, open_sentences(sentences), regions, 3, EXACT, explain=False)
    with pytest.raises(ArtifactError, match="another model"):
        similar_photos(other, open_library(photos), regions, 3, EXACT)
    index_of(trained, tmp_path / "empty", [])
    with pytest.raises(DataError, match="has no sentences"):
        rank_sentences(trained, open_sentences(tmp_path / "empty"), regions, 3, EXACT, explain=False)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("offsets", lambda a: a + 2**40),
        ("offsets", lambda a: -a),
        ("offsets", lambda a: a.flip(0)),
        ("text_offsets", lambda a: a * 0),
        ("texts", lambda a: a * 0 + 255),
        ("vectors", lambda a: a * torch.nan),
        ("whole", lambda a: a * torch.nan),
    ],
)
def test_damaged_segment_of_sentences_is_one_error(
    trained: Trained[Embedding], tmp_path: Path, name: str, change: Callable[[Any], Any]
) -> None:
    index_of(trained, tmp_path / "s", sentences_of(20))
    (path,) = (tmp_path / "s").glob("*.safetensors")
    tensors = load_file(path)
    save_file({**tensors, name: change(tensors[name])}, path)
    with pytest.raises(VsaError, match="damaged"):
        rank_sentences(trained, open_sentences(tmp_path / "s"), images_of(1)[0][1], 3, LibrarySearch(), explain=False)
