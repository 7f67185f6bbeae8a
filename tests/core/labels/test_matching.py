"""Sentences matched with photographs mention what is seen, above all rare things, and nothing that is absent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from vsa_cli.core.labels.matching import SENTENCES, match_sentences

PERSON, ZEBRA, KITE, STREET = range(4)
KNOWN = np.array([True, True, True, False])
MENTIONS = ([PERSON], [PERSON, ZEBRA], [ZEBRA, STREET], [PERSON, KITE], [STREET], [], [PERSON], [PERSON])


def match(*seen: Sequence[float], mentions: Sequence[Sequence[int]] = MENTIONS, seed: int = 0) -> list[set[int]]:
    """The sentences of each photograph."""
    scores = np.array(seen, np.float32)
    found: list[set[int]] = [set() for _ in seen]
    for photograph, sentence in match_sentences(scores, KNOWN, mentions, torch.Generator().manual_seed(seed)):
        assert sentence not in found[photograph]
        found[photograph].add(sentence)
    return found


def test_best_sentences_mention_the_rare_things_that_are_seen() -> None:
    # a name that the detector does not know neither helps nor hinders
    assert match([0.9, 0.9, 0, 0], [0, 0.9, 0, 0]) == [{1}, {2}]
    assert match([0.5, 0.9, 0, 0]) == [{1, 2}]  # zebras alone fit almost as well as a zebra and someone unsure


def test_sentence_that_mentions_an_absent_thing_never_fits() -> None:
    assert match([0.9, 0, 0.1, 0]) == [{0, 6, 7}]
    assert match([0.9, 0, 0.2, 0]) == [{0, 3, 6, 7}]  # it may be there: no obstacle, and no reason


def test_photograph_without_a_sure_thing_has_no_sentence() -> None:
    assert match([0.4, 0.4, 0.4, 0], [0, 0, 0, 0.9]) == [set(), set()]


def test_many_equal_sentences_are_drawn_from() -> None:
    mentions = [[ZEBRA]] * 100 + [[PERSON]] * 900
    first, second = (match([0, 0.8, 0, 0], mentions=mentions, seed=seed)[0] for seed in (0, 1))
    assert len(first) == len(second) == SENTENCES
    assert first != second
    assert first | second <= set(range(100))
    assert match([0, 0.8, 0, 0], mentions=mentions, seed=0)[0] == first


def test_sentences_without_known_names_match_nothing() -> None:
    assert match([0.9, 0.9, 0.9, 0.9], mentions=[[], [STREET]]) == [set()]
