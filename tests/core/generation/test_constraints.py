"""Each rule alone: the words it forbids, and that it changes nothing else."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.toy_models import END, WORDS, V, repeats
from vsa_cli.core.generation.constraints import NEVER, AtLeast, Avoid, Diversity, NoRepeat, Require, Rule

prefixes = st.integers(0, 6).flatmap(
    lambda length: st.lists(st.lists(st.sampled_from(WORDS), min_size=length, max_size=length), min_size=1, max_size=4)
)


def forbidden(rule: Rule, prefix: list[list[int]]) -> list[set[int]]:
    """The ids that a rule forbids after each prefix; all other scores must be unchanged."""
    before = torch.randn(len(prefix), V)
    after = before.clone()
    rule(after, torch.tensor(prefix, dtype=torch.long).reshape(len(prefix), -1))
    assert bool(((after == before) | (after == NEVER)).all())
    return [{*(row == NEVER).nonzero()[:, 0].tolist()} for row in after]


@given(prefix=prefixes, size=st.integers(1, 4))
def test_no_repeat_forbids_second_ngram(prefix: list[list[int]], size: int) -> None:
    for words, found in zip(prefix, forbidden(NoRepeat(size), prefix), strict=True):
        runs = [words[i : i + size] for i in range(len(words) - size + 1)]
        tail = words[len(words) - size + 1 :] if size > 1 else []
        assert found == {word for word in WORDS if len(tail) == size - 1 and [*tail, word] in runs}
        if not repeats(tuple(words), size):
            assert found == {word for word in WORDS if repeats((*words, word), size)}


@given(prefix=prefixes, length=st.integers(0, 7))
def test_at_least_forbids_early_end(prefix: list[list[int]], length: int) -> None:
    for words, found in zip(prefix, forbidden(AtLeast(length, END), prefix), strict=True):
        assert found == ({END} if len(words) < length else set())


@given(prefix=prefixes, avoided=st.sets(st.sampled_from(WORDS)))
def test_avoid_forbids_its_words(prefix: list[list[int]], avoided: set[int]) -> None:
    assert all(found == avoided for found in forbidden(Avoid(sorted(avoided)), prefix))


@given(prefix=prefixes, required=st.sets(st.sampled_from(WORDS), min_size=1), room=st.integers(0, 4))
def test_require_leaves_room_for_missing_words(prefix: list[list[int]], required: set[int], room: int) -> None:
    require = Require(sorted(required), END, len(prefix[0]) + room, torch.device("cpu"))
    for words, found in zip(prefix, forbidden(require, prefix), strict=True):
        lacking = required - {*words}
        if not lacking:
            assert found == set()
        elif len(lacking) < room:
            assert found == {END}
        else:
            assert found == {END, *WORDS} - lacking


def test_diversity_penalises_each_choice_but_not_end() -> None:
    scores = torch.zeros(3, V)
    costs = Diversity(0.5, 2, V, END, scores)
    costs.count(torch.tensor([0, 0, 1, 1]), torch.tensor([1, 1, 2, END]))
    expected = [[0.0, -1.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, -0.5, 0.0]]
    assert costs.rank(scores, torch.tensor([0, 0, 1])).tolist() == expected
    assert scores.eq(0).all()
