"""Scores and losses against loops that follow the equations, and scoring in blocks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vsa_cli.core.config import EmbedConfig
from vsa_cli.core.embedding import score, search
from vsa_cli.core.embedding.batches import Pairs, pack
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.score import contrastive_loss, ranking_loss, sentence_scores, word_scores
from vsa_cli.core.embedding.search import combined_scores, score_pairs

H, D, V = 5, 6, 9
SENTENCES = ([3, 1, 4], [2], [5, 6, 7, 8, 1], [1, 1], [8, 2, 3])


@pytest.mark.parametrize("mean", [False, True])
def test_sentence_scores_equal_the_triple_loop(mean: bool) -> None:
    torch.manual_seed(3)
    packed = pack(SENTENCES)
    s, v = torch.randn(len(packed.words), H), torch.randn(4, 3, H)
    computed = sentence_scores(word_scores(s, v), packed.sentence, packed.count, mean=mean)
    for index, sentence in enumerate(SENTENCES):
        for k in range(4):
            total = sum(max(float(v[k, i] @ word) for i in range(3)) for word in s[packed.sentence == index])
            expected = total / len(sentence) if mean else total
            assert float(computed[index, k]) == pytest.approx(expected, abs=1e-4)


def loop_ranking_loss(S: Tensor, image: list[int], margin: float) -> float:
    """Equation 9; sentences of the same image are not negatives of each other."""
    total = 0.0
    for pair, k in enumerate(image):
        own = float(S[pair, k])
        total += sum(max(0.0, float(S[pair, other]) - own + margin) for other in range(S.shape[1]) if other != k)
        total += sum(max(0.0, float(S[m, k]) - own + margin) for m in range(len(image)) if image[m] != k)
    return total


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=7), st.integers(0, 10**6), st.sampled_from([0.2, 1.0]))
def test_ranking_loss_equals_the_double_loop(image: list[int], seed: int, margin: float) -> None:
    S = torch.randn(len(image), 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    computed = ranking_loss(S, torch.tensor(image), margin)
    assert float(computed) == pytest.approx(loop_ranking_loss(S, image, margin))


def test_ranking_loss_is_zero_when_pairs_win_by_the_margin() -> None:
    S = torch.eye(4) * 1.0
    assert float(ranking_loss(S, torch.arange(4), 1.0)) == 0.0
    assert float(ranking_loss(S * 0.99, torch.arange(4), 1.0)) > 0.0


def test_contrastive_loss_is_two_cross_entropies_without_sentences_of_the_same_image() -> None:
    torch.manual_seed(0)
    image = [0, 1, 1, 2]
    S = torch.randn(4, 3, dtype=torch.float64)
    logits = S / 0.5
    expected = 0.0
    for pair, k in enumerate(image):
        expected -= float(logits[pair].log_softmax(0)[k]) / 4
        rivals = [pair, *(m for m in range(4) if image[m] != k)]
        expected -= float(logits[rivals, k].log_softmax(0)[0]) / 4
    assert float(contrastive_loss(S, torch.tensor(image), 0.5)) == pytest.approx(expected)


@pytest.mark.parametrize("whole_weight", [0.0, 0.5])
def test_scores_in_blocks_equal_scores_together(monkeypatch: pytest.MonkeyPatch, whole_weight: float) -> None:
    torch.manual_seed(0)
    config = EmbedConfig("gru", 4, 5, 7, similarity="cosine", whole_weight=whole_weight)
    model = Embedding(config, D, V).eval()
    sentences = tuple(tuple(torch.randint(0, V, (n,)).tolist()) for n in (3, 1, 5, 2, 2, 4, 1, 3))
    regions, names = torch.randn(7, 3, D).half(), tuple("abcdefgh")
    pairs = Pairs(names[:7], regions, torch.arange(8) % 7, sentences, names, ())
    for module, name, size in ((search, "_IMAGES", 4), (search, "_SENTENCES", 3), (search, "_PART", 3)):
        monkeypatch.setattr(module, name, size)
    monkeypatch.setattr(search, "has_fast_bfloat16", lambda _: False)
    with torch.no_grad():
        expected = combined_scores(model, pack(sentences), regions.float())
    torch.testing.assert_close(torch.from_numpy(score_pairs(model, pairs)), expected)


@pytest.mark.parametrize("loss", [contrastive_loss, ranking_loss])
def test_gradients_do_not_depend_on_the_order_of_threads(loss: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    S, image = torch.randn(300, 200, generator=torch.Generator().manual_seed(0)), torch.arange(300) % 200
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = [
            torch.autograd.grad(loss(x, image, 0.5), x)[0] for x in (S.clone().requires_grad_() for _ in range(20))
        ]
    finally:
        torch.set_num_threads(threads)
    assert all(gradient.equal(found[0]) for gradient in found)


def definition(s: Tensor, v: Tensor) -> Tensor:
    """As in the docstring of `word_scores`, except that of equal maxima the first has the gradient."""
    return (s @ v.flatten(0, 1).T).unflatten(1, v.shape[:2]).max(2).values


def drawn(words: int, images: int, regions: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Small whole numbers: their products are exact, and many are equal."""
    generator = torch.Generator().manual_seed(seed)
    s = torch.randint(-2, 3, (words, H), generator=generator).double()
    v = torch.randint(-2, 3, (images, regions, H), generator=generator).double()
    return s.requires_grad_(), v.requires_grad_()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 7), st.integers(0, 10**6))
def test_best_region_and_its_gradient_equal_the_definition(words: int, images: int, regions: int, seed: int) -> None:
    s, v = drawn(words, images, regions, seed)
    weight = torch.randn(words, images, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found, expected = word_scores(s, v), definition(s, v)
    assert found.equal(expected)
    mine = torch.autograd.grad((found * weight).sum(), (s, v))
    for gradient, torchs in zip(mine, torch.autograd.grad((expected * weight).sum(), (s, v)), strict=True):
        torch.testing.assert_close(gradient, torchs)


def test_more_than_256_regions() -> None:
    s, v = drawn(4, 2, 700)
    with torch.no_grad():
        v[:, -1] = 9 * s[0].sign()  # the first word finds the last region
    for gradient, torchs in zip(
        torch.autograd.grad(word_scores(s, v).sum(), (s, v)),
        torch.autograd.grad(definition(s, v).sum(), (s, v)),
        strict=True,
    ):
        torch.testing.assert_close(gradient, torchs)


@pytest.mark.parametrize("edge", [1, 3, 7])
def test_tiles_do_not_change_scores(monkeypatch: pytest.MonkeyPatch, edge: int) -> None:
    s, v = drawn(11, 8, 3)
    monkeypatch.setattr(score, "_CACHE_EDGE", edge)
    with torch.no_grad():
        assert word_scores(s, v).equal(definition(s, v))


def test_autocast_multiplies_in_bfloat16_and_gradients_keep_their_dtype() -> None:
    s, v = (tensor.detach().float().requires_grad_() for tensor in drawn(6, 3, 4))
    with torch.autocast("cpu", torch.bfloat16):
        found = word_scores(s, v)
    assert found.dtype == torch.bfloat16
    expected = definition(s, v)
    assert found.float().equal(expected)  # whole numbers below 256 are exact
    mine = torch.autograd.grad(found.float().sum(), (s, v))
    for gradient, torchs in zip(mine, torch.autograd.grad(expected.sum(), (s, v)), strict=True):
        assert gradient.dtype == torch.float32
        assert gradient.equal(torchs)
