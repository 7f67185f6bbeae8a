"""The nearest training image's sentence, against a brute-force search, for any block size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Drawn
from vsa_cli.core.corpus.corpus import Corpus, Sentence, read_corpus
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.errors import DataError
from vsa_cli.core.generation import baseline as module
from vsa_cli.core.generation.baseline import NearestNeighbour, by_consensus
from vsa_cli.core.regions.store import RegionStore


def sentences(*texts: str) -> list[Sentence]:
    return [Sentence(str(i), text, tuple(tokenize(text))) for i, text in enumerate(texts)]


def test_sentence_that_agrees_most_is_first() -> None:
    given = sentences("A red fish .", "A dog runs in the  snow .", "The dog runs in snow .", "A dog in snow")
    assert by_consensus(given)[0] == "A dog runs in the snow ."
    assert by_consensus(given)[-1] == "A red fish ."


def test_ties_keep_their_order() -> None:
    assert by_consensus(sentences("b c", "c b", "b c")) == ["b c", "b c", "c b"]
    assert by_consensus(sentences("b", "a")) == ["b", "a"]
    assert by_consensus(sentences("only")) == ["only"]


@pytest.fixture(scope="module")
def corpus(drawn: Drawn) -> Corpus:
    return read_corpus(drawn.corpus)


@pytest.mark.parametrize("exclude_self", [True, False])
def test_neighbour_is_the_most_similar_for_any_block_size(
    drawn: Drawn, corpus: Corpus, exclude_self: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RegionStore(drawn.regions)
    train, queries = corpus.split("train"), corpus.split("all")
    by_id = {key: store[key].descriptors[0].astype(np.float64) for key in store.ids}
    unit = {key: row / np.linalg.norm(row) for key, row in by_id.items()}
    keys = [image.key for image in queries]
    images = [store[key] for key in keys]
    for block in (4096, 7):
        monkeypatch.setattr(module, "_BLOCK", block)
        captions = NearestNeighbour(corpus, store, 9, exclude_self=exclude_self).caption(images, keys)
        for image, candidates in zip(queries, captions, strict=True):
            allowed = [one for one in train if not (exclude_self and one.key == image.key)]
            nearest = max(allowed, key=lambda one: float(unit[one.key] @ unit[image.key]))
            assert [candidate.caption for candidate in candidates] == by_consensus(nearest.sentences)
            assert all(candidate.logprob is None for candidate in candidates)


def test_corpus_without_enough_sentences_is_refused(drawn: Drawn, corpus: Corpus, tmp_path: Path) -> None:
    one = Corpus(corpus.envelope, corpus.root, corpus.split("train")[:1], None)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="too few"):
        NearestNeighbour(one, RegionStore(drawn.regions), 1, exclude_self=True)
    assert NearestNeighbour(one, RegionStore(drawn.regions), 1, exclude_self=False)
