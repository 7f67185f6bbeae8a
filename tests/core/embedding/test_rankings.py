"""Rankings computed in strips and blocks against those of the whole score matrix."""

from __future__ import annotations

import io
import tempfile

import numpy as np
import pytest
import torch

from vsa_cli.core.config import EmbedConfig
from vsa_cli.core.embedding import rankings, search
from vsa_cli.core.embedding.batches import Pairs
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.errors import DataError


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> Pairs:
    """Seven images, one without a known word, and sentences in no order, with small blocks and strips."""
    torch.manual_seed(1)
    monkeypatch.setattr(search, "_IMAGES", 3)
    monkeypatch.setattr(rankings, "_ROWS", 4)
    sentences = tuple(tuple(torch.randint(0, 9, (n,)).tolist()) for n in (3, 1, 5, 2, 2, 4, 1, 3, 2))
    names = tuple(f"s{n}" for n in range(9))
    image = torch.tensor([5, 0, 1, 1, 3, 4, 0, 2, 5])
    return Pairs(tuple("abcdefg"), torch.randn(7, 2, 6).half(), image, sentences, names, ((6, "unknown"),))


@pytest.fixture
def model() -> Embedding:
    torch.manual_seed(0)
    return Embedding(EmbedConfig("gru", 4, 5, 7, similarity="cosine", whole_weight=0.5), 6, 9).eval()


def test_ranks_and_results_equal_those_of_the_score_matrix(model: Embedding, pairs: Pairs) -> None:
    scores, image = search.score_pairs(model, pairs), pairs.image.numpy()
    lines = list(rankings._rank(model, pairs, top=3))
    assert [line["direction"] for line in lines] == ["i2t"] * 7 + ["t2i"] * 10
    for row, line in enumerate(lines[:7]):
        mine = image == row
        better = (scores[~mine, row] >= scores[mine, row].max()).sum() + 1 if mine.any() else 10
        assert line["best_rank"] == better
        order = np.argsort(-scores[:, row], kind="stable")[:3]
        assert [answer[0] for answer in line["top"]] == [f"{'abcdefg'[image[i]]}/s{i}" for i in order]
    for number, line in enumerate(lines[7:16]):
        own = scores[number, image[number]]
        assert line["best_rank"] == (scores[number] >= own).sum()
        assert [answer[0] for answer in line["top"]] == ["abcdefg"[i] for i in np.argsort(-scores[number])[:3]]
    assert lines[16] == {"direction": "t2i", "query_id": "g/unknown", "best_rank": 7, "top": []}


def test_validation_metrics_equal_the_rankings_and_never_find_an_image_without_sentences(
    model: Embedding, pairs: Pairs
) -> None:
    scores, image = search.score_pairs(model, pairs), pairs.image.numpy()
    measured = search.recall_both_ways(scores, image, len(pairs.out_of_vocabulary))
    ranks = {"i2t": [], "t2i": []}
    for line in rankings._rank(model, pairs, top=1):
        ranks[line["direction"]].append(line["best_rank"])
    for way, of in ranks.items():
        assert measured[f"{way}_meanr"] == pytest.approx(np.mean(of))
        assert measured[f"{way}_R@10"] == 100.0 * np.mean(np.array(of) <= 10)
    few = search.recall_both_ways(np.eye(2, dtype=np.float32)[:1], np.array([0]))  # of two images one has no sentence
    assert few["i2t_R@1"] == 50.0


def test_full_disk_raises_data_error(model: Embedding, pairs: Pairs, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    with pytest.raises(DataError, match="No space left on device; the variable TMPDIR"):
        list(rankings._rank(model, pairs, top=1))
