"""Hubness against sums by hand, what it is for, and banks that are damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core.config import EmbedConfig
from vsa_cli.core.embedding.compare import EncodedImages, EncodedSentences, compare
from vsa_cli.core.embedding.hubness import REGIONS, build_bank, read_bank, write_bank
from vsa_cli.core.errors import ArtifactError, ConfigError
from vsa_cli.core.learning.model_dir import read_tensors, write_tensors

SIZE, CPU = 8, torch.device("cpu")


def config_of(whole: float, similarity: str = "cosine") -> EmbedConfig:
    return EmbedConfig(size=SIZE, similarity=similarity, whole_weight=whole)  # type: ignore[arg-type]


def images_of(count: int, whole: float, seed: int = 0, regions: int = 4) -> EncodedImages:
    generator = torch.Generator().manual_seed(seed)
    drawn = F.normalize(torch.randn(count, regions + 1, SIZE, generator=generator), dim=-1)
    return EncodedImages(drawn[:, 1:], drawn[:, 0] if whole else None)


def sentences_of(lengths: tuple[int, ...], whole: float, seed: int = 1) -> EncodedSentences:
    generator = torch.Generator().manual_seed(seed)
    words = F.normalize(torch.randn(sum(lengths), SIZE, generator=generator), dim=-1)
    sentence = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    drawn = F.normalize(torch.randn(len(lengths), SIZE, generator=generator), dim=-1)
    return EncodedSentences(words, sentence, len(lengths), drawn if whole else None)


def score(config: EmbedConfig, sentences: EncodedSentences, images: EncodedImages) -> NDArray[np.float64]:
    """(L, K) scores one by one."""
    found = np.zeros((sentences.count, len(images.regions)))
    for row in range(sentences.count):
        words = sentences.words[sentences.sentence == row].double()
        for column, regions in enumerate(images.regions.double()):
            by_word = float((words @ regions.T).max(1).values.mean())
            if sentences.whole is None or images.whole is None:
                found[row, column] = by_word
            else:
                of_whole = float(sentences.whole[row].double() @ images.whole[column].double())
                found[row, column] = (1 - config.whole_weight) * by_word + config.whole_weight * of_whole
    return found


@pytest.mark.parametrize("whole", [0.0, 0.5])
def test_scores_are_those_of_the_equation(whole: float) -> None:
    config, temperature, weight = config_of(whole), 0.02, 0.5
    banked = images_of(6, whole, seed=5), images_of(5, whole, seed=6)
    said = sentences_of((3, 1), whole, seed=7), sentences_of((2, 2, 4), whole, seed=8)
    bank = build_bank(config, banked, said)
    images, sentences = images_of(9, whole), sentences_of((1, 5, 2, 3), whole)
    found = compare(config, bank.with_hubness_of_sentences(sentences), bank.with_hubness_of_images(images)).numpy()

    def hubness(scores: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        hubs: NDArray[np.float64] = temperature * np.log(np.exp(scores / temperature).mean(axis))
        return hubs

    of_bank = np.block([[score(config, one, other) for other in banked] for one in said])
    h_k = hubness(np.concatenate([score(config, one, images) for one in said]), 0) - hubness(of_bank, 0).mean()
    h_l = hubness(np.concatenate([score(config, sentences, one) for one in banked], 1), 1) - hubness(of_bank, 1).mean()
    expected = score(config, sentences, images) - weight * h_l[:, None] - weight * h_k[None]
    np.testing.assert_allclose(found, expected, atol=2e-3)  # the bank is in float16


def test_an_image_that_is_near_to_every_sentence_is_no_longer_the_first_of_all() -> None:
    config, generator = config_of(0.0), torch.Generator().manual_seed(0)
    common = F.normalize(torch.randn(SIZE, generator=generator), dim=0)

    def near(vectors: Tensor, share: float) -> Tensor:
        return F.normalize(share * common + (1 - share) * F.normalize(vectors, dim=-1), dim=-1)

    own = F.normalize(torch.randn(20, SIZE, generator=generator), dim=-1)
    sentences = EncodedSentences(near(own, 0.53), torch.arange(20), 20, None)
    images = EncodedImages(torch.cat([own, common[None]])[:, None], None)
    asked = near(torch.randn(50, SIZE, generator=generator), 0.53)
    bank = build_bank(
        config,
        [EncodedImages(near(torch.randn(50, SIZE, generator=generator), 0)[:, None], None)],
        [EncodedSentences(asked, torch.arange(50), 50, None)],
    )
    plain = compare(config, sentences, images).argmax(1)
    corrected = compare(config, sentences, bank.with_hubness_of_images(images)).argmax(1)
    assert int((plain == 20).sum()) > 5
    assert int((corrected == 20).sum()) < int((plain == 20).sum()) / 2
    assert int((corrected == torch.arange(20)).sum()) > int((plain == torch.arange(20)).sum())


def test_hubness_does_not_depend_on_what_else_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    config, images = config_of(0.5), images_of(7, 0.5)
    bank = build_bank(config, [images_of(6, 0.5, 5)], [sentences_of((3, 1), 0.5, 7)])
    together = bank.with_hubness_of_images(images).hubness
    monkeypatch.setattr("vsa_cli.core.embedding.hubness._TOGETHER", 2)
    apart = bank.with_hubness_of_images(images).hubness
    assert together is not None
    assert apart is not None
    torch.testing.assert_close(together, apart)


def test_the_regions_that_are_the_best_for_most_words_are_kept() -> None:
    images, sentences = images_of(3, 0.0, regions=REGIONS + 6), sentences_of((40, 30, 30), 0.0)
    bank = build_bank(config_of(0.0), [images], [sentences])
    assert bank.images.regions.shape == (3, REGIONS, SIZE)
    wins = (sentences.words @ images.regions.transpose(1, 2)).argmax(-1)
    for image, kept in enumerate(bank.images.regions):
        counts = torch.bincount(wins[image], minlength=REGIONS + 6)
        rows = counts.argsort(descending=True, stable=True)[:REGIONS].sort().values
        torch.testing.assert_close(kept @ bank.axes.T, images.regions[image, rows], atol=3e-3, rtol=0)


@pytest.mark.parametrize("whole", [0.0, 0.5])
def test_a_bank_is_read_as_it_was_written(tmp_path: Path, whole: float) -> None:
    config, path = config_of(whole), tmp_path / "bank.safetensors"
    bank = build_bank(config, [images_of(6, whole, 5)], [sentences_of((3, 1), whole, 7)])
    write_bank(path, bank, "ab")
    read, sha256 = read_bank(path, config, "ab", CPU)
    images, sentences = images_of(4, whole), sentences_of((2, 2), whole)
    for one in (read, bank):
        scores = compare(config, one.with_hubness_of_sentences(sentences), one.with_hubness_of_images(images))
        if one is read:
            expected = scores
    torch.testing.assert_close(scores, expected)
    write_bank(path, bank, "cd")
    assert read_bank(path, config, "cd", CPU)[1] != sha256
    with pytest.raises(ArtifactError, match="another model"):
        read_bank(path, config, "ab", CPU)


def test_models_that_compare_by_inner_products_have_no_bank() -> None:
    with pytest.raises(ConfigError, match="cosine"):
        build_bank(config_of(0.0, "dot"), [images_of(3, 0.0)], [sentences_of((2,), 0.0)])


DAMAGE: dict[str, Callable[[dict[str, Tensor]], object]] = {
    "missing": lambda tensors: tensors.pop("words"),
    "more": lambda tensors: tensors.update(other=torch.ones(1)),
    "not finite": lambda tensors: tensors["regions"].view(-1)[0].fill_(float("nan")),
    "shape": lambda tensors: tensors.update(axes=tensors["axes"][:, :-1].clone()),
    "dimensions": lambda tensors: tensors.update(regions=tensors["regions"][0].clone()),
    "few regions": lambda tensors: tensors.update(regions=tensors["regions"][:, :3].clone()),
    "integers": lambda tensors: tensors.update(centres=torch.ones(2, dtype=torch.int32)),
    "sentences": lambda tensors: tensors["sentence"][-1].fill_(1 << 30),
    "negative": lambda tensors: tensors["sentence"][0].fill_(-1),
    "a sentence without words": lambda tensors: tensors["sentence"].fill_(1),
    "no words": lambda tensors: tensors.update(words=tensors["words"][:0], sentence=tensors["sentence"][:0]),
    "no images": lambda tensors: tensors.update(regions=tensors["regions"][:0], whole_images=torch.empty(0, SIZE)),
    "type": lambda tensors: tensors.update(sentence=tensors["sentence"].long()),
    "whole": lambda tensors: tensors.update(whole_sentences=tensors["whole_sentences"][:1].clone()),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_banks_are_refused(tmp_path: Path, damage: str) -> None:
    config, path = config_of(0.5), tmp_path / "bank.safetensors"
    write_bank(path, build_bank(config, [images_of(6, 0.5, 5)], [sentences_of((3, 1), 0.5, 7)]), "ab")
    tensors, metadata = read_tensors(path)
    DAMAGE[damage](tensors)
    write_tensors(path, tensors, metadata)
    with pytest.raises(ArtifactError, match="damaged"):
        read_bank(path, config, "ab", CPU)
