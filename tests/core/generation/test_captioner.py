"""The captioner over an untrained generator whose favourite word is UNK."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vsa_cli.core.config import DecodingConfig, GeneratorConfig, RegionConfig
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.generation import captioner as module
from vsa_cli.core.generation.captioner import Captioner
from vsa_cli.core.generation.model import Generator
from vsa_cli.core.io.envelope import Envelope
from vsa_cli.core.learning.model_dir import Trained
from vsa_cli.core.regions.feature_spec import FeatureSpec

VOCABULARY = Vocabulary(tuple(f"w{i}" for i in range(20)), tuple(range(40, 20, -1)), "unk")
MODES = [
    DecodingConfig(beam=3, nbest=2, max_length=8),
    DecodingConfig(beam=4, groups=2, nbest=2, length_norm=0.7, no_repeat_ngram=2, max_length=8),
    DecodingConfig(beam=2, require=("w3", "w7"), avoid=("w1",), max_length=8),
    DecodingConfig(sample=True, nbest=3, temperature=1.5, top_k=9, min_length=3, max_length=8),
]


@pytest.fixture(scope="module")
def trained() -> Trained[Generator]:
    torch.manual_seed(0)
    model = Generator(GeneratorConfig(word_size=8, hidden_size=8), 4, VOCABULARY.size).eval()
    assert VOCABULARY.unk is not None
    with torch.no_grad():
        model.W_oh.bias[VOCABULARY.unk] = 9.0
    feature_spec = FeatureSpec(RegionConfig(), "0" * 64, 4)
    return Trained(model, VOCABULARY, feature_spec, Envelope("vsa-generator", 1, {}, {}, 0), {}, "")


@pytest.fixture(scope="module")
def descriptors() -> NDArray[np.float16]:
    return np.random.default_rng(0).normal(size=(9, 4)).astype(np.float16)


KEYS = [f"{i}.jpg" for i in range(9)]


@pytest.mark.parametrize("decoding", MODES)
def test_unk_and_start_are_never_said(
    decoding: DecodingConfig, trained: Trained[Generator], descriptors: NDArray[np.float16]
) -> None:
    for candidates in Captioner(trained, decoding, 0).caption(descriptors, KEYS):
        assert candidates
        for candidate in candidates:
            said = candidate.caption.split()
            assert set(said) <= set(VOCABULARY.words) - set(decoding.avoid)
            assert set(decoding.require) <= set(said)
            assert decoding.min_length <= len(said) <= decoding.max_length


@pytest.mark.parametrize("decoding", MODES)
def test_batch_order_and_bounded_memory_change_nothing(
    decoding: DecodingConfig,
    trained: Trained[Generator],
    descriptors: NDArray[np.float16],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    captioner = Captioner(trained, decoding, 5)
    together = captioner.caption(descriptors, KEYS)
    backwards = captioner.caption(descriptors[::-1].copy(), KEYS[::-1])[::-1]
    alone = [captioner.caption(descriptors[i : i + 1], KEYS[i : i + 1])[0] for i in range(9)]
    monkeypatch.setattr(module, "ROWS", 10)
    pieces = captioner.caption(descriptors, KEYS)
    for other in (backwards, alone, pieces):
        for one, two in zip(together, other, strict=True):
            assert [c.caption for c in one] == [c.caption for c in two]
            assert [c.logprob for c in one] == pytest.approx([c.logprob for c in two], abs=1e-5)


def test_draws_differ_by_seed_by_image_and_by_number(
    trained: Trained[Generator], descriptors: NDArray[np.float16]
) -> None:
    decoding = DecodingConfig(sample=True, nbest=2, min_length=5)
    same = np.repeat(descriptors[:1], 2, axis=0)
    (a, b), (c, d) = Captioner(trained, decoding, 1).caption(same, ["one", "two"])
    (e, _), _ = Captioner(trained, decoding, 2).caption(same, ["one", "two"])
    assert len({a.caption, b.caption, c.caption, d.caption, e.caption}) == 5
