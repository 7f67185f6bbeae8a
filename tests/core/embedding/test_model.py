"""The alignment model against loops that follow the equations word by word."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vsa_cli.core.config import EmbedConfig
from vsa_cli.core.embedding.batches import pack
from vsa_cli.core.embedding.model import Brnn, Embedding
from vsa_cli.core.embedding.score import contrastive_loss
from vsa_cli.core.embedding.search import combined_scores

V, D, W, HIDDEN, H = 9, 6, 4, 5, 7
SENTENCES = ([3, 1, 4], [2], [5, 6, 7, 8, 1], [1, 1], [8, 2, 3])


def small(**options: object) -> Embedding:
    torch.manual_seed(0)
    config = EmbedConfig(word_size=W, hidden_size=HIDDEN, size=H, dropout=0.0, **options)  # type: ignore[arg-type]
    return Embedding(config, D, V).double().eval()


@torch.no_grad()
def paper_word_vectors(model: Embedding, sentence: list[int]) -> Tensor:
    """s_t of one sentence by the paper's equations, one word after the other."""
    net = model.encoder
    assert isinstance(net, Brnn)
    e = [F.relu(net.W_e.weight @ model.W_w.weight[word] + net.W_e.bias) for word in sentence]
    forward, backward = [], []
    h = torch.zeros(HIDDEN, dtype=torch.float64)
    for e_t in e:
        h = F.relu(e_t + h @ net.W_fb[0] + net.b_fb[0, 0])
        forward.append(h)
    h = torch.zeros(HIDDEN, dtype=torch.float64)
    for e_t in reversed(e):
        h = F.relu(e_t + h @ net.W_fb[1] + net.b_fb[1, 0])
        backward.insert(0, h)
    return torch.stack(
        [F.relu(net.W_d.weight @ (f + b) + net.W_d.bias) for f, b in zip(forward, backward, strict=True)]
    )


def test_brnn_equals_the_papers_equations() -> None:
    model = small()
    with torch.no_grad():
        for recurrent in (model.encoder.W_fb, model.encoder.b_fb):
            torch.nn.init.normal_(recurrent, std=0.4)  # type: ignore[arg-type]
        packed = pack(SENTENCES)
        s = model.encode_words(packed).words
    for index, sentence in enumerate(SENTENCES):
        mine = packed.sentence == index
        ordered = s[mine][packed.position[mine].argsort()]
        torch.testing.assert_close(ordered, paper_word_vectors(model, sentence))


@pytest.mark.parametrize("encoder", ["brnn", "gru"])
def test_score_does_not_depend_on_the_batch(encoder: str) -> None:
    model = small(encoder=encoder, whole_weight=0.5, similarity="cosine")
    regions = torch.randn(4, 3, D, dtype=torch.float64)
    with torch.no_grad():
        together = combined_scores(model, pack(SENTENCES), regions)
        alone = torch.cat([combined_scores(model, pack([sentence]), regions) for sentence in SENTENCES])
    torch.testing.assert_close(together, alone)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=7), min_size=1, max_size=8))
def test_packing_keeps_every_word_and_position(sentences: list[list[int]]) -> None:
    packed = pack(sentences)
    assert len(packed.words) == sum(map(len, sentences))
    for word, sentence, position in zip(packed.words, packed.sentence, packed.position, strict=True):
        assert sentences[int(sentence)][int(position)] == int(word)
    assert packed.mirror[packed.mirror].equal(torch.arange(len(packed.words)))
    for place, other in enumerate(packed.mirror.tolist()):
        assert packed.sentence[place] == packed.sentence[other]
        length = len(sentences[int(packed.sentence[place])])
        assert int(packed.position[place] + packed.position[other]) == length - 1


def test_empty_sentence_cannot_be_packed() -> None:
    with pytest.raises(ValueError, match="empty sentence"):
        pack([[1], []])


def test_initial_vectors_have_the_same_size_for_any_cnn() -> None:
    torch.manual_seed(0)
    model = Embedding(EmbedConfig(word_size=50, hidden_size=64, size=128), D, V)
    descriptors = torch.rand(200, D) * torch.logspace(-3, 3, D) + 50
    model.initialise(descriptors, pack(SENTENCES))
    with torch.no_grad():
        v, s = model.encode_regions(descriptors), model.encode_words(pack(SENTENCES)).words
    assert float(v.square().sum(1).mean()) == pytest.approx(1.4**2, rel=0.02)
    assert float(s.square().sum(1).mean()) == pytest.approx(2.0**2, rel=0.3)
    assert (s > 0).any(0).float().mean() > 0.95  # every unit is active
    torch.testing.assert_close(v.mean(0), torch.zeros(128), atol=1e-3, rtol=0)


def test_initial_word_vectors_are_short_and_their_mappings_of_one_size() -> None:
    torch.manual_seed(0)
    model = Embedding(EmbedConfig(word_size=50, hidden_size=64, size=128), D, V)
    with torch.no_grad():
        model.W_w.weight.mul_(5.6)  # as long as GloVe's
    directions = F.normalize(model.W_w.weight.detach().clone(), dim=1)
    model.initialise(torch.rand(200, D), pack(SENTENCES))
    with torch.no_grad():
        x = model.W_w(pack(SENTENCES).words)
        e = model.encoder.W_e(x)  # type: ignore[union-attr,operator]
        length = model.W_w.weight.square().sum(1).mean().sqrt()
    assert float(length) == pytest.approx(0.1, rel=1e-4)
    torch.testing.assert_close(F.normalize(model.W_w.weight.detach(), dim=1), directions)
    assert float(e.square().sum(1).mean()) == pytest.approx(2.0**2, rel=0.3)


@pytest.mark.parametrize("encoder", ["brnn", "gru"])
def test_gradients_agree_with_finite_differences(encoder: str) -> None:
    model = small(encoder=encoder, similarity="cosine", whole_weight=0.3)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)  # biases of zero would put ReLUs exactly on their kinks
    packed, regions = pack(SENTENCES), torch.randn(3, 2, D, dtype=torch.float64)
    image = torch.tensor([0, 1, 2, 2, 0])

    def loss() -> Tensor:
        return contrastive_loss(combined_scores(model, packed, regions), image, 0.3)

    loss().backward()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            flat, gradient = parameter.view(-1), parameter.grad
            assert gradient is not None, name
            for i in range(0, flat.numel(), max(1, flat.numel() // 4)):
                kept, epsilon = float(flat[i]), 1e-6
                flat[i] = kept + epsilon
                above = float(loss())
                flat[i] = kept - epsilon
                below = float(loss())
                flat[i] = kept
                assert float(gradient.view(-1)[i]) == pytest.approx((above - below) / (2 * epsilon), abs=1e-4), name
