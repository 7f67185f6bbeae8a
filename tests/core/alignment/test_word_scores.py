"""Scores of words for regions: in the sentence, alone, and by the names of things."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.core.library.conftest import D, images_of, model_of
from vsa_cli.core.alignment.align import locate_words
from vsa_cli.core.alignment.evidence import unary_term
from vsa_cli.core.alignment.word_scores import RegionScorer, WordScores, encode_alone, known_words
from vsa_cli.core.config import AlignConfig, LabellerConfig
from vsa_cli.core.embedding.batches import pack
from vsa_cli.core.embedding.model import TrainedEmbedding
from vsa_cli.core.embedding.search import read_query
from vsa_cli.core.io.envelope import LABELLER, Envelope
from vsa_cli.core.labels.labeller import Labeller, TrainedLabeller
from vsa_cli.core.labels.names import Names

NAMES = Names({"dog": ["dog", "hot dog"], "animal": ["dog", "cat"], "cat that runs": ["cat runs"]})


@pytest.fixture
def labelled() -> TrainedEmbedding:
    """A model with a labeller, both with random weights."""
    trained = model_of(0.5)
    labeller = Labeller(LabellerConfig(NAMES.names, 4), D).eval()
    found = TrainedLabeller(labeller, NAMES, trained.feature_spec, Envelope(LABELLER, 1, {}, {}, 0), {}, "")
    return replace(trained, labeller=found)


@torch.inference_mode()
def score(trained: TrainedEmbedding, tokens: tuple[str, ...]) -> tuple[WordScores, np.ndarray]:
    """The scores of a sentence for the regions of an image, and the descriptors of these."""
    _, regions = images_of(4)[3]
    words = known_words(tokens, trained.vocabulary)
    s = trained.model.encode_words(pack([words.ids])).words
    return RegionScorer(trained, regions).score(s, words), regions.descriptors


@torch.inference_mode()
def test_a_word_alone_is_a_sentence_of_one_word() -> None:
    model = model_of(0.0).model
    found = encode_alone(model, [2, 0, 2, 1])
    for row, word in zip(found, [2, 0, 2, 1], strict=True):
        torch.testing.assert_close(row, model.encode_words(pack([[word]])).words[0])


@torch.inference_mode()
def test_named_things_equal_the_equation_and_unknown_words_are_left_out(labelled: TrainedEmbedding) -> None:
    found, descriptors = score(labelled, ("a", "hot", "dog", "and", "a", "cat", "runs"))  # hot and and are not known
    assert labelled.labeller is not None
    logits = labelled.labeller.model.logits(torch.from_numpy(descriptors).float()).numpy()
    dog, cat_that_runs = (logits[:, name] - logits[:, name].mean() for name in (0, 2))
    expected = [0 * dog, dog, 0 * dog, cat_that_runs, cat_that_runs]  # "hot dog" mentions no animal
    np.testing.assert_allclose(found.named, expected, atol=1e-6)


@torch.inference_mode()
def test_a_word_of_several_names_takes_the_surest(labelled: TrainedEmbedding) -> None:
    found, descriptors = score(labelled, ("dog",))
    assert labelled.labeller is not None
    logits = labelled.labeller.model.logits(torch.from_numpy(descriptors).float()).numpy()[:, :2].max(1)
    np.testing.assert_allclose(found.named[0], logits - logits.mean(), atol=1e-6)


def test_the_labeller_decides_where_scores_do_not(labelled: TrainedEmbedding) -> None:
    _, regions = images_of(4)[3]
    flat = np.zeros((1, len(regions.boxes)), np.float32)
    named = np.eye(len(regions.boxes), dtype=np.float32)[[-1]]
    psi = unary_term(regions.boxes, AlignConfig(own_weight=1))(WordScores(flat, flat, named))
    assert psi.argmax() == len(regions.boxes) - 1 > 0
    without = replace(labelled, labeller=None)
    query = read_query("a dog runs", labelled.vocabulary)
    assert [word.word for word in locate_words(labelled, query, regions)] == ["a", "dog", "runs"]
    assert not score(without, ("dog",))[0].named.any()
