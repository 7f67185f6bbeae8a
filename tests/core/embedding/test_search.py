"""Search in chunks against scores of all pairs together, ties, and recall against ranks by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vsa_cli.core.config import EmbedConfig
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.embedding import search
from vsa_cli.core.embedding.batches import pack
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.search import (
    Query,
    combined_scores,
    look_up,
    read_query,
    read_sentence_list,
    recall_both_ways,
    search_images,
    search_sentences,
)
from vsa_cli.core.errors import DataError
from vsa_cli.core.io.envelope import EMBEDDING, VERSIONS, Envelope
from vsa_cli.core.io.sources import Photo
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.regions.image_regions import ImageRegions, pad

D, WORDS = 6, ("dog", "cat", "runs", "a")


@pytest.fixture(params=[0.0, 0.5])
def trained(request: pytest.FixtureRequest) -> Trained[Embedding]:
    torch.manual_seed(3)
    config = EmbedConfig(encoder="gru", word_size=5, hidden_size=4, size=7, whole_weight=request.param)
    vocabulary = Vocabulary(WORDS, (1,) * len(WORDS), "drop")
    model = Embedding(config, D, vocabulary.size).eval()
    envelope = Envelope(EMBEDDING, VERSIONS[EMBEDDING], {}, {}, 0)
    return Trained(model, vocabulary, None, envelope, {}, "")  # type: ignore[arg-type]


def images_of(count: int) -> list[tuple[Photo, ImageRegions]]:
    """Images of 1 to 4 regions."""
    rng = np.random.default_rng(0)
    images = []
    for i in range(count):
        n = i % 4 + 1
        descriptors = rng.normal(size=(n, D)).astype(np.float16)
        regions = ImageRegions(str(i), "", 10, 10, np.zeros((n, 4), np.float32), np.ones(n, np.float32), descriptors)
        images.append((Photo(f"{i}.jpg", i, Path(f"{i}.jpg")), regions))
    return images


@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_search_in_chunks_equals_the_scores_of_all_images(
    trained: Trained[Embedding], monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(search, "_SEARCHED", chunk)
    images = images_of(11)
    query = read_query("A dog, ran: runs!", trained.vocabulary)
    hits = search_images(trained, query, images, 11)
    with torch.inference_mode():
        descriptors = torch.from_numpy(pad([regions.descriptors for _, regions in images])).float()
        expected = combined_scores(trained.model, pack([query.ids]), descriptors)[0].numpy()
    assert [hit.index for hit in hits] == np.argsort(-expected, kind="stable").tolist()
    assert [hit.score for hit in hits] == pytest.approx(sorted(expected, reverse=True), abs=1e-5)
    assert all(hit.photo is images[hit.index][0] for hit in hits)
    assert search_images(trained, query, images, 4) == hits[:4]


def test_equal_scores_keep_the_order_given(trained: Trained[Embedding], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_SEARCHED", 1)  # equal to the last bit
    ((photo, regions),) = images_of(1)
    hits = search_images(trained, read_query("dog", trained.vocabulary), [(photo, regions)] * 5, 3)
    assert [hit.index for hit in hits] == [0, 1, 2]


def test_sentences_in_chunks_equal_each_alone(trained: Trained[Embedding], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_SENTENCES", 2)
    _, regions = images_of(4)[3]
    sentences = ["a dog", "zebra", "a cat runs", "", "cat", "dog runs a cat"]
    scores = search_sentences(trained, regions, sentences)
    assert np.isneginf(scores).tolist() == [False, True, False, True, False, False]
    for sentence, score in zip(sentences, scores.tolist(), strict=True):
        if np.isfinite(score):
            assert search_sentences(trained, regions, [sentence])[0] == pytest.approx(score, abs=1e-5)


def test_query_has_the_known_words_in_order(trained: Trained[Embedding]) -> None:
    query = read_query("The dog runs: a DOG", trained.vocabulary)
    assert query.words == ("dog", "runs", "a", "dog")
    assert [trained.vocabulary.encode([word])[0] for word in query.words] == list(query.ids)


@pytest.mark.parametrize(("text", "message"), [("Zebra crossing", "no word of 'zebra crossing'"), ("?!", "no word")])
def test_query_without_a_known_word_is_an_error(trained: Trained[Embedding], text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_query(text, trained.vocabulary)


@pytest.mark.parametrize("unknown", ["drop", "unk"])
def test_unknown_words_are_listed_and_never_looked_up_as_unk(unknown: Any) -> None:
    vocabulary = Vocabulary(("a", "dog", "runs"), (3, 2, 1), unknown)
    assert look_up("A Zebra runs, zebra: okapi!", vocabulary) == Query(
        "A Zebra runs, zebra: okapi!", ("a", "runs"), (1, 3), ("zebra", "okapi")
    )
    assert look_up("zebra", vocabulary) == Query("zebra", (), (), ("zebra",))
    assert look_up(" ?! ", vocabulary).unknown == ()
    with pytest.raises(DataError, match=r"^the model knows no word of 'dogs run'; did you mean dog, runs\?$"):
        read_query("dogs run", vocabulary)


def test_recall_both_ways_by_hand() -> None:
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], np.float32)  # the third sentence is of the second image
    found = recall_both_ways(scores, np.array([0, 1, 1]), out_of_vocabulary=1)
    assert found["i2t_R@1"] == 100
    assert found["t2i_R@1"] == 50  # the third sentence ranks second, and so does the unknown one
    assert found["t2i_meanr"] == pytest.approx(1.5)


def test_sentence_list_names_the_line_of_an_error(tmp_path: Path) -> None:
    path = tmp_path / "s.txt"
    path.write_bytes("\ufeffone dog\r\n\ntwo dogs".encode())
    assert read_sentence_list(path) == ["one dog", "two dogs"]
    path.write_bytes(b"one dog\n" + b"x" * 10_001)
    with pytest.raises(DataError, match=r"s\.txt, line 2: a sentence of 10001 characters"):
        read_sentence_list(path)
    path.write_bytes(b"\xff\xff\xff")
    with pytest.raises(DataError, match=r"s\.txt, line 1: is not UTF-8 text"):
        read_sentence_list(path)
    path.write_bytes("one dog\r\n\r\ntwo dogs".encode("utf-16"))  # as Windows programs write it
    assert read_sentence_list(path) == ["one dog", "two dogs"]
