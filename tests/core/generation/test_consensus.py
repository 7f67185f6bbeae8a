"""Consensus against coco-caption's CIDEr-D and against a plain double loop, and what it chooses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vsa_cli.core.generation.beam_search import Hypothesis
from vsa_cli.core.generation.consensus import Consensus
from vsa_cli.core.metrics.captioning import DocumentFrequencies, cider

WORDS = ("a", "dog", "cat", "runs", "on", "grass")
SENTENCES = ((1, 2, 4, 5, 6), (1, 2, 4), (1, 3, 4, 5, 6), (1, 2, 5, 1, 2), (1, 2, 4, 5, 1, 6), ())


def hypotheses(*logprobs: float) -> list[Hypothesis]:
    return [Hypothesis(words, logprob) for words, logprob in zip(SENTENCES, logprobs, strict=False)]


def text(words: tuple[int, ...]) -> str:
    return " ".join(WORDS[word - 1] for word in words)


def test_agreement_is_cider_where_all_words_weigh_the_same() -> None:
    found = Consensus([3] * len(WORDS), 1.0, 0.7).agreement(hypotheses(*[-1.0] * 6))
    weightless = DocumentFrequencies(7, {})  # no n-gram is in any document, so all have one weight
    for i, caption in enumerate(SENTENCES[:5]):
        for j, reference in enumerate(SENTENCES[:5]):
            expected = cider([(text(caption), (text(reference),))], weightless).each["CIDEr"][0] / 10
            assert found[i, j] == pytest.approx(expected, abs=1e-9), (i, j)
    assert not found[5].any()
    assert not found[:, 5].any()


def test_order_is_that_of_the_equations() -> None:
    counts, norm, weight = [90, 20, 10, 5, 40, 2], 0.5, 3.0
    given = hypotheses(-4.0, -3.0, -4.5, -6.0, -5.0)
    consensus = Consensus(counts, weight, norm)
    agreement = consensus.agreement(given)
    score = [one.logprob / math.pow(len(one.words) + 1, norm) for one in given]
    total = sum(math.exp(value) for value in score)
    rank = [
        score[i] + weight * sum(math.exp(score[j]) / total * agreement[i, j] for j in range(len(given)))
        for i in range(len(given))
    ]
    expected = [given[i] for i in np.argsort(np.negative(rank), kind="stable")]
    assert consensus.order(given) == expected
    assert Consensus(counts, 0.0, norm).order(given) == sorted(given, key=lambda one: -score[given.index(one)])


def test_rare_words_weigh_more() -> None:
    """Two captions that share a rare word agree more than two that share a frequent one."""
    consensus = Consensus([1000, 1, 1, 1, 1000, 1], 1.0, 0.0)
    found = consensus.agreement([Hypothesis(words, -1.0) for words in ((1, 2), (3, 2), (1, 4))])
    assert found[0, 1] > found[0, 2] > 0


def test_a_caption_that_others_support_beats_a_likelier_one_alone() -> None:
    given = [Hypothesis(words, logprob) for words, logprob in (((3, 6), -2.0), ((1, 2, 4), -2.1), ((1, 2, 4, 5), -2.2))]
    assert Consensus([9] * 6, 0.0, 0.0).order(given)[0].words == (3, 6)
    assert Consensus([9] * 6, 4.0, 0.0).order(given)[0].words[:3] == (1, 2, 4)


def test_few_or_unknown_words_are_no_trouble() -> None:
    consensus = Consensus([9] * 6, 4.0, 0.7)
    assert consensus.order([]) == []
    one = Hypothesis((7, 1), -1.0)  # 7 is UNK
    assert consensus.order([one]) == [one]
    assert len(consensus.order([one, Hypothesis((7,), -2.0), Hypothesis((), -3.0)])) == 3
