"""The decoder: over an untrained generator that prefers UNK, and read from a damaged model directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import Drawn
from vsa_cli.core import boxes as geometry
from vsa_cli.core.config import DecodingConfig, GeneratorConfig, RegionConfig
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.errors import ArtifactError
from vsa_cli.core.generation import decoder as module
from vsa_cli.core.generation.attentive import AttentiveGenerator
from vsa_cli.core.generation.confidence import Calibration, Scores, Weights
from vsa_cli.core.generation.decoder import Decoder, read_generator
from vsa_cli.core.generation.model import Generator
from vsa_cli.core.io.envelope import GENERATOR, Envelope
from vsa_cli.core.labels.names import Names
from vsa_cli.core.learning.model_dir import Trained, read_model, write_model
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.image_regions import ImageRegions

VOCABULARY = Vocabulary(tuple(f"w{i}" for i in range(20)), tuple(range(40, 20, -1)), "unk")
MODES = [
    DecodingConfig(beam=3, nbest=2, max_length=8),
    DecodingConfig(beam=4, groups=2, nbest=2, length_norm=0.7, no_repeat_ngram=2, max_length=8),
    DecodingConfig(beam=2, require=("w3", "w7"), avoid=("w1",), max_length=8),
    DecodingConfig(beam=5, nbest=2, length_norm=0.7, max_length=8, consensus=True),
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
def images() -> list[ImageRegions]:
    descriptors = np.random.default_rng(0).normal(size=(9, 1, 4)).astype(np.float16)
    return [ImageRegions("", "", 8, 8, geometry.whole(8, 8), np.ones(1, np.float32), d) for d in descriptors]


KEYS = [f"{i}.jpg" for i in range(9)]


@pytest.mark.parametrize("decoding", MODES)
def test_captions_contain_neither_unk_nor_start(
    decoding: DecodingConfig, trained: Trained[Generator], images: list[ImageRegions]
) -> None:
    for candidates in Decoder(trained, decoding, 0).caption(images, KEYS):
        assert candidates
        for candidate in candidates:
            words = candidate.caption.split()
            assert set(words) <= set(VOCABULARY.words) - set(decoding.avoid)
            assert set(decoding.require) <= set(words)
            assert decoding.min_length <= len(words) <= decoding.max_length


def test_captions_have_the_confidence_of_a_calibration(trained: Trained[Generator], images: list[ImageRegions]) -> None:
    scores = Scores(captions=300, right=0.5, brier=0.2, ece=0.02, split="val", model_sha256="0" * 64)
    calibration = Calibration(Weights(1.0, 0.5, -0.1, -0.5, 0.3), scores, Names({"thing": ["w3", "w7"]}))
    plain = Decoder(trained, MODES[2], 0).caption(images, KEYS)
    rated = Decoder(trained, MODES[2], 0, calibration).caption(images, KEYS)
    assert rated == calibration.rate(plain, [{}] * len(images))
    assert {one.confidence for candidates in rated for one in candidates} - {0.0}


@pytest.mark.parametrize("decoding", MODES)
def test_captions_do_not_depend_on_batch_order_or_size(
    decoding: DecodingConfig,
    trained: Trained[Generator],
    images: list[ImageRegions],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoder = Decoder(trained, decoding, 5)
    together = decoder.caption(images, KEYS)
    backwards = decoder.caption(images[::-1], KEYS[::-1])[::-1]
    alone = [decoder.caption(images[i : i + 1], KEYS[i : i + 1])[0] for i in range(9)]
    monkeypatch.setattr(module, "ROWS", 10)
    pieces = decoder.caption(images, KEYS)
    for other in (backwards, alone, pieces):
        for one, two in zip(together, other, strict=True):
            assert [c.caption for c in one] == [c.caption for c in two]
            assert [c.logprob for c in one] == pytest.approx([c.logprob for c in two], abs=1e-5)


def test_the_caption_chosen_by_consensus_comes_first(trained: Trained[Generator], images: list[ImageRegions]) -> None:
    def captions(**settings: Any) -> list[list[str]]:
        found = Decoder(trained, DecodingConfig(nbest=5, min_length=3, max_length=8, **settings), 0).caption(
            images, KEYS
        )
        return [[candidate.caption for candidate in candidates] for candidates in found]

    likeliest, agreed = captions(), captions(consensus=True)
    assert likeliest != agreed
    for best_first, (chosen, *others) in zip(likeliest, agreed, strict=True):
        assert others == [caption for caption in best_first if caption != chosen][:4], "the others follow by score"
    assert captions(consensus=False) == likeliest, "the default of a model without attention"


def test_a_model_with_attention_chooses_by_consensus_but_not_between_groups(
    trained: Trained[Generator], images: list[ImageRegions]
) -> None:
    torch.manual_seed(0)
    model = AttentiveGenerator(GeneratorConfig("gru", 8, 8, attention=2), 4, VOCABULARY.size).eval()
    attentive = Trained(model, VOCABULARY, trained.feature_spec, trained.envelope, {}, "")

    def captions(**settings: Any) -> list[list[str]]:
        found = Decoder(attentive, DecodingConfig(min_length=3, max_length=8, **settings), 0).caption(images, KEYS)
        return [[candidate.caption for candidate in candidates] for candidates in found]

    assert captions(nbest=6) == captions(nbest=6, consensus=True) != captions(nbest=6, consensus=False)
    assert captions(beam=6, groups=2) == captions(beam=6, groups=2, consensus=False)
    assert all(map(len, captions(sample=True)))


def test_samples_differ_by_seed_image_and_number(trained: Trained[Generator], images: list[ImageRegions]) -> None:
    decoding = DecodingConfig(sample=True, nbest=2, min_length=5)
    same = images[:1] * 2
    (a, b), (c, d) = Decoder(trained, decoding, 1).caption(same, ["one", "two"])
    (e, _), _ = Decoder(trained, decoding, 2).caption(same, ["one", "two"])
    assert len({a.caption, b.caption, c.caption, d.caption, e.caption}) == 5


@pytest.mark.parametrize("power", [-0.5, 10.5, 1e308])
def test_length_norm_out_of_range_is_refused(drawn: Drawn, tmp_path: Path, power: float) -> None:
    envelope, contents, weights = read_model(drawn.model, GENERATOR, 1)
    model = {**envelope.config["model"], "length_norm": power}
    forged = replace(envelope, config={**envelope.config, "model": model})
    write_model(tmp_path / "gen", forged, contents, weights)
    with pytest.raises(ArtifactError, match="length_norm"):
        read_generator(tmp_path / "gen", torch.device("cpu"))
