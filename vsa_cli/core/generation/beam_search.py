"""Beam search for the most likely sentences, over a batch of images.

The network is called only through `step`.

`step(words, state)` takes the last word of N sentences and a tuple of N-row tensors, and returns (N, V)
log-probabilities, which the search may overwrite, and the next state. The search is exact for the given beam: it
returns the highest-scoring sentences among those that ended while they were among the `width` best of their length. The
score is the total log-probability, or this divided by a power of the length. Rules forbid words (see `constraints`);
the log-probabilities of the other words, and so those reported, are the model's.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vsa_cli.core.generation.consensus import most_agreeing
from vsa_cli.core.generation.constraints import NEVER, DecoderState, Diversity, Require, Rule, StepFunction


@dataclass(frozen=True)
class Hypothesis:
    """A sentence, without START and END, and its log-probability (END's included), in nats."""

    words: tuple[int, ...]
    logprob: float


@dataclass(frozen=True)
class Active:
    """N active hypotheses: unfinished sentences. A search is one group of one image, number `image * groups + group`.

    Attributes:
        search: (N,) int64, the search of each sentence.
        prefix: (N, L) int64, its words.
        total: (N,) its log-probability, of the dtype that `precise` returns.
    """

    search: Tensor
    prefix: Tensor
    total: Tensor


@dataclass(frozen=True)
class Choice:
    """M continuations: the row of `Active` that each extends, the word added, and the resulting total."""

    rows: Tensor
    words: Tensor
    total: Tensor


@torch.inference_mode()
def beam_search(
    step: StepFunction,
    state: DecoderState,
    *,
    start: int | Tensor,
    end: int,
    width: int,
    max_length: int,
    nbest: int = 1,
    length_norm: float = 0.0,
    consensus: bool = False,
    groups: int = 1,
    diversity: float = 0.0,
    rules: Sequence[Rule] = (),
    required: Sequence[int] = (),
) -> list[list[Hypothesis]]:
    """The best sentences for each of B images.

    A sentence of `max_length` words can only be ended. A sentence is dropped, and the search of an image stops,
    when no continuation can beat the `nbest`-th finished one: see `Finished`.

    Args:
        step: the model's step.
        state: the model's state before START, of B rows.
        start: the id fed first, one for all images or (B,).
        end: the id that ends a sentence.
        width: active hypotheses kept for each image, and for each set of required words; 1 is greedy decoding.
        max_length: maximum words of a sentence.
        nbest: maximum sentences returned for each image.
        length_norm: sentences are compared by log-probability / length ** length_norm, END counted; 0 or more.
        consensus: the first sentence returned is the one that agrees most with all finished ones (see `consensus`); the
            others follow by score. The search goes on until the `width` best are known, whatever `nbest`.
        groups: searches of width / groups for each image, one after the other within a step; divides `width`.
        diversity: the cost of a word for a group, in nats, for each time that an earlier group chose it at that step.
        rules: the words that are forbidden.
        required: words that every sentence contains; no more than `max_length` of them.

    Returns:
        Up to `nbest` distinct hypotheses for each image, best first (fewer if fewer were finished).

    Raises:
        ValueError: `consensus` and more than one group.
    """
    if consensus and groups > 1:
        raise ValueError("a consensus is found within one group")
    images, device = len(state[0]), state[0].device
    if groups > 1:
        state = tuple(part.repeat_interleave(groups, 0) for part in state)
    searches = images * groups
    wanted = max(nbest, width) if consensus else -(-nbest // groups)
    finished = Finished(searches, wanted, length_norm, max_length, device)
    require = Require(required, end, max_length, device) if required else None
    barred = rules if require is None else (*rules, require)
    words = torch.as_tensor(start, device=device).expand(images).repeat_interleave(groups)
    no_words = torch.zeros(searches, 0, dtype=torch.long, device=device)
    no_total = torch.zeros(searches, device=device, dtype=precise(device))
    active = Active(torch.arange(searches, device=device), no_words, no_total)
    for length in range(max_length + 1):
        scores, state = step(words, state)
        for rule in barred:
            rule(scores, active.prefix)
        if length == max_length:
            choice = _only(end, scores, active)
        elif groups == 1:
            choice = _best(scores, scores, active, width, require)
        else:
            costs = Diversity(diversity, images, scores.shape[1], end, scores)
            choice = _best_of_groups(scores, active, width // groups, require, groups, costs)
        search, prefix = active.search[choice.rows], active.prefix[choice.rows]
        ends = choice.words == end
        finished.add(search[ends], prefix[ends], choice.total[ends])
        going = ~ends & finished.can_win(search, choice.total)
        if not bool(going.any()):
            break
        rows, words = choice.rows[going], choice.words[going]
        active = Active(search[going], torch.cat([prefix[going], words[:, None]], 1), choice.total[going])
        state = tuple(part[rows] for part in state)
    if consensus:
        return [finished.by_consensus(image, nbest) for image in range(images)]
    return [finished.best(range(image * groups, (image + 1) * groups), nbest) for image in range(images)]


def precise(device: torch.device) -> torch.dtype:
    """The dtype in which log-probabilities are summed: float64 if the device supports it."""
    return torch.float32 if device.type == "mps" else torch.float64


def _only(end: int, scores: Tensor, active: Active) -> Choice:
    """End every sentence that the rules allow to end."""
    rows = (scores[:, end] > NEVER).nonzero()[:, 0]
    return Choice(rows, torch.full_like(rows, end), active.total[rows] + scores[rows, end])


def _best(ranks: Tensor, scores: Tensor, active: Active, width: int, require: Require | None) -> Choice:
    """The `width` best continuations in each search or, if words are required, in each bank of a search.

    Args:
        ranks: (N, V) scores that words are ranked by, added to the totals.
        scores: (N, V) log-probabilities, added to the totals that are kept.
        active: the N active hypotheses.
        width: continuations kept for each search and bank.
        require: the required words, if any.
    """
    if require is None:
        best, words = ranks.topk(min(width, ranks.shape[1]), dim=1)
        keys = active.search[:, None].expand_as(words)
    else:
        # a word that a sentence still lacks leads to another bank, so it does not compete with the others
        held = require.held(active.prefix)
        missing = ranks[:, require.words].masked_fill(held, NEVER)
        others = ranks.index_copy(1, require.words, ranks[:, require.words].masked_fill(~held, NEVER))
        best, words = others.topk(min(width, ranks.shape[1]), dim=1)
        bank = (held * require.bits).sum(1, keepdim=True)
        banks = torch.cat([bank.expand_as(words), bank | require.bits], 1)
        best, words = torch.cat([best, missing], 1), torch.cat([words, require.words.expand_as(missing)], 1)
        keys = active.search[:, None] * require.banks + banks
    reached = active.total[:, None] + best
    kept = _best_of_each(reached.flatten(), keys.flatten(), width)
    rows, chosen = kept.div(words.shape[1], rounding_mode="floor"), words.flatten()[kept]
    return Choice(rows, chosen, active.total[rows] + scores[rows, chosen])


def _best_of_each(values: Tensor, keys: Tensor, width: int) -> Tensor:
    """The indices of the `width` best of M values of each key, key by key, best first, except those that are `NEVER`.

    Ties keep their order, so that the result does not depend on the batch.
    """
    order = values.argsort(descending=True, stable=True)
    order = order[keys[order].argsort(stable=True)]
    ordered = keys[order]
    place = torch.arange(len(order), device=order.device) - torch.searchsorted(ordered, ordered)
    return order[(place < width) & (values[order] > NEVER)]


def _best_of_groups(
    scores: Tensor, active: Active, width: int, require: Require | None, groups: int, costs: Diversity
) -> Choice:
    """`_best`, group after group, each penalised for the words that earlier groups chose."""
    image, group = active.search.div(groups, rounding_mode="floor"), active.search % groups
    choices = []
    for number in range(groups):
        mine = (group == number).nonzero()[:, 0]
        if not len(mine):  # this group has ended in every image
            continue
        own = Active(active.search[mine], active.prefix[mine], active.total[mine])
        ranks = costs.rank(scores[mine], image[mine])
        choice = _best(ranks, scores[mine], own, width, require)
        costs.count(image[mine][choice.rows], choice.words)
        choices.append(Choice(mine[choice.rows], choice.words, choice.total))
    rows, words, total = (torch.cat([getattr(c, name) for c in choices]) for name in ("rows", "words", "total"))
    return Choice(rows, words, total)


class Finished:
    """The finished hypotheses of S searches, and the score that an active one must beat.

    A sentence of n words has the score log-probability / (n + 1) ** length_norm. An active one with log-probability L
    can reach at most L / (max_length + 1) ** length_norm: log-probabilities are never positive and only decrease, and
    the longest sentence has the largest divisor. So stopping at this bound loses nothing.
    """

    def __init__(self, searches: int, wanted: int, length_norm: float, max_length: int, device: torch.device) -> None:
        self._found: list[list[tuple[float, Hypothesis]]] = [[] for _ in range(searches)]
        self._wanted, self._power = wanted, length_norm
        self._longest = float((max_length + 1) ** length_norm)
        self._bar = torch.full((searches,), NEVER, dtype=precise(device), device=device)

    def add(self, search: Tensor, prefix: Tensor, total: Tensor) -> None:
        """Add sentences that ended: their searches (M,), words (M, L) and totals (M,)."""
        length = (prefix.shape[1] + 1) ** self._power
        bars: dict[int, float] = {}
        for owner, words, logprob in zip(search.tolist(), prefix.tolist(), total.tolist(), strict=True):
            found = self._found[owner]
            insort(found, (logprob / length, Hypothesis(tuple(words), logprob)), key=lambda scored: -scored[0])
            if len(found) >= self._wanted:
                bars[owner] = found[self._wanted - 1][0]
        if bars:
            self._bar[list(bars)] = self._bar.new_tensor(list(bars.values()))

    def can_win(self, search: Tensor, total: Tensor) -> Tensor:
        """(M,): whether active hypotheses of these searches (M,) and totals (M,) can still be among the best."""
        return total / self._longest > self._bar[search]

    def by_consensus(self, search: int, nbest: int) -> list[Hypothesis]:
        """The sentence of a search that agrees most with all of them, then the best others."""
        hypotheses = [hypothesis for _, hypothesis in self._found[search]]
        if hypotheses:
            scores = [score for score, _ in self._found[search]]
            hypotheses.insert(0, hypotheses.pop(most_agreeing([found.words for found in hypotheses], scores)))
        return hypotheses[:nbest]

    def best(self, searches: Sequence[int], nbest: int) -> list[Hypothesis]:
        """The best sentences of the searches of one image: the first of each search, then the second of each, ..."""
        picked: dict[tuple[int, ...], tuple[float, Hypothesis]] = {}
        deepest = max(len(self._found[search]) for search in searches)
        for place in range(deepest):
            for search in searches:
                if place < len(self._found[search]) and len(picked) < nbest:
                    scored = self._found[search][place]
                    picked.setdefault(scored[1].words, scored)
        return [hypothesis for _, hypothesis in sorted(picked.values(), key=lambda scored: -scored[0])]
