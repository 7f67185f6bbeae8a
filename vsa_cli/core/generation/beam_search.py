"""Search for the likeliest sentence, over many images at once. Knows no network: it calls `step`.

`step(words, state)` takes the last word of N sentences and a tuple of N-row tensors, and gives (N, V)
log-probabilities and the next state. What comes back is exact for what a beam claims: of the sentences that END
closed while they were among the `width` best of their length, the one of highest total log-probability.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor

State = tuple[Tensor, ...]
Step = Callable[[Tensor, State], tuple[Tensor, State]]


@dataclass(frozen=True)
class Hypothesis:
    """A sentence, without START and END, and its log-probability (END's included), in nats."""

    words: tuple[int, ...]
    logprob: float


@torch.inference_mode()
def beam_search(
    step: Step,
    state: State,
    *,
    start: int,
    end: int,
    width: int,
    max_length: int,
    nbest: int = 1,
    banned: Collection[int] = (),
) -> list[list[Hypothesis]]:
    """The likeliest sentences for each of B images.

    A sentence of `max_length` words can only be ended. The search of an image stops when no live sentence can
    beat its `nbest`-th ended one: log-probabilities only fall.

    Args:
        step: the model.
        state: the model's state before START, of B rows.
        start: the id fed first.
        end: the id that ends a sentence.
        width: live sentences kept for each image; 1 is argmax.
        max_length: words of the longest sentence.
        nbest: sentences wanted for each image.
        banned: ids never emitted.

    Returns:
        For each image up to `nbest` hypotheses, best first (fewer where the beam ended fewer).
    """
    images = len(state[0])
    device = state[0].device
    ended: list[list[Hypothesis]] = [[] for _ in range(images)]
    # Rows of the search: `image` says whose each live sentence is, `width` or fewer of them an image.
    image = torch.arange(images, device=device)
    words = torch.full((images,), start, device=device)
    total = torch.zeros(images, device=device, dtype=torch.float64)
    prefix = torch.zeros(images, 0, dtype=torch.long, device=device)
    for length in range(max_length + 1):
        logprobs, state = step(words, state)
        if banned:
            logprobs[:, list(banned)] = -torch.inf
        if length == max_length:
            best, index = logprobs[:, end, None], torch.full_like(words, end)[:, None]
        else:
            best, index = logprobs.topk(min(width, logprobs.shape[1]), dim=1)
        rows, chosen, total = _best(total[:, None] + best.double(), index, image, images, width)
        image, prefix = image[rows], prefix[rows]
        _collect(ended, image, prefix, total, chosen == end)
        live = (chosen != end) & (total > _bar(ended, nbest, device)[image])
        if not bool(live.any()):
            break
        rows, image, total, words = rows[live], image[live], total[live], chosen[live]
        prefix = torch.cat([prefix[live], words[:, None]], 1)
        state = tuple(part[rows] for part in state)
    return [sorted(found, key=lambda h: -h.logprob)[:nbest] for found in ended]


def _best(scores: Tensor, words: Tensor, image: Tensor, images: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `width` best of each image among the best continuations of each live sentence.

    Args:
        scores: (N, K) total log-probabilities.
        words: (N, K) the words that reach them.
        image: (N,) whose each row is; the rows of one image lie together.
        images: how many images there are.
        width: how many to keep of each.

    Returns:
        Rows, words and scores of those kept, the rows of one image together again.
    """
    counts = torch.bincount(image, minlength=images)
    first = torch.cumsum(counts, 0) - counts
    slots, choices = int(counts.max()), scores.shape[1]
    # images with fewer live sentences are padded with -inf, so that one top-k serves all
    padded = scores.new_full((images, slots, choices), -torch.inf)
    padded[image, torch.arange(len(image), device=image.device) - first[image]] = scores
    best, index = padded.flatten(1).topk(min(width, slots * choices), dim=1)
    keep = best > -torch.inf
    rows = (first[:, None] + index.div(choices, rounding_mode="floor"))[keep]
    return rows, words[rows, (index % choices)[keep]], best[keep]


def _collect(ended: list[list[Hypothesis]], image: Tensor, prefix: Tensor, total: Tensor, ends: Tensor) -> None:
    if not bool(ends.any()):
        return
    found = zip(image[ends].tolist(), prefix[ends].tolist(), total[ends].tolist(), strict=True)
    for owner, words, logprob in found:
        ended[owner].append(Hypothesis(tuple(words), logprob))


def _bar(ended: list[list[Hypothesis]], nbest: int, device: torch.device) -> Tensor:
    """(images,) the log-probability that a live sentence must still exceed to matter."""
    bars = [
        sorted((h.logprob for h in found), reverse=True)[nbest - 1] if len(found) >= nbest else -torch.inf
        for found in ended
    ]
    return torch.tensor(bars, dtype=torch.float64, device=device)


@torch.inference_mode()
def sample(
    step: Step,
    state: State,
    *,
    start: int,
    end: int,
    max_length: int,
    temperature: float,
    generators: list[torch.Generator],
    banned: Collection[int] = (),
) -> list[Hypothesis]:
    """One sentence for each of B images, each word drawn from softmax(log p / temperature).

    Args:
        step: the model.
        state: its state before START, of B rows.
        start: the id fed first.
        end: the id that ends a sentence.
        max_length: words of the longest sentence; then it is ended.
        temperature: above 0; 1 draws from the model itself.
        generators: one an image, on the CPU, so that an image's draw does not depend on its batch.
        banned: ids never emitted.

    Returns:
        For each image a hypothesis; its log-probability is the model's own, not the tempered one.
    """
    images = len(state[0])
    device = state[0].device
    words = torch.full((images,), start, device=device)
    total = torch.zeros(images, dtype=torch.float64, device=device)
    sentences: list[list[int]] = [[] for _ in range(images)]
    live = torch.ones(images, dtype=torch.bool, device=device)
    for length in range(max_length + 1):
        logprobs, state = step(words, state)
        allowed = logprobs.double().clone()
        if banned:
            allowed[:, list(banned)] = -torch.inf
        if length == max_length:
            words = torch.full_like(words, end)
        else:
            noise = torch.stack([torch.rand(allowed.shape[1], generator=g, dtype=torch.float64) for g in generators])
            gumbel = -torch.log(-torch.log(noise.clamp(1e-12, 1 - 1e-12))).to(device)
            words = (allowed / temperature + gumbel).argmax(1)
        drawn = logprobs.double().gather(1, words[:, None])[:, 0]
        total += torch.where(live, drawn, 0.0)
        live &= words != end
        for owner in torch.nonzero(live)[:, 0].tolist():
            sentences[owner].append(int(words[owner]))
        if not bool(live.any()):
            break
    return [Hypothesis(tuple(s), p) for s, p in zip(sentences, total.tolist(), strict=True)]
