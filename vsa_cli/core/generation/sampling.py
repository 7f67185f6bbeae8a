"""Sentences sampled from the model, over a batch of images. The network is called only through `step`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vsa_cli.core.generation.beam_search import Hypothesis, precise
from vsa_cli.core.generation.constraints import NEVER, DecoderState, Rule, StepFunction


@torch.inference_mode()
def sample(
    step: StepFunction,
    state: DecoderState,
    *,
    start: int | Tensor,
    end: int,
    max_length: int,
    draws: Tensor,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    rules: Sequence[Rule] = (),
) -> list[Hypothesis | None]:
    """One sentence for each of B images.

    At each step, the probabilities of the words that the rules allow are raised to the power 1 / temperature. Only the
    `top_k` most likely words are kept, and of these the fewest that together have the share `top_p` of the probability.
    The word is drawn from them.

    Args:
        step: the model's step.
        state: the model's state before START, of B rows.
        start: the id fed first, one for all images or (B,).
        end: the id that ends a sentence.
        max_length: the number of words after which a sentence is ended.
        draws: (B, max_length), uniform in [0, 1): the word of each step. They are the only source of randomness, so
            that the sentence of an image depends on its row only.
        temperature: above 0; 1 samples from the model itself.
        top_k: words to draw from; 0 is all.
        top_p: the probability mass to draw from; 1 is all.
        rules: the words that are forbidden.

    Returns:
        A hypothesis for each image, with the model's own log-probability, whatever the temperature; None if the rules
        allow no sentence.
    """
    images, device = len(state[0]), state[0].device
    draws = draws.to(device, precise(device))
    sentences: list[Hypothesis | None] = [None] * images
    image = torch.arange(images, device=device)
    words = torch.as_tensor(start, device=device).expand(images)
    prefix = torch.zeros(images, 0, dtype=torch.long, device=device)
    total = torch.zeros(images, dtype=draws.dtype, device=device)
    for length in range(max_length + 1):
        logprobs, state = step(words, state)
        allowed = logprobs.to(draws.dtype, copy=True)
        for rule in rules:
            rule(allowed, prefix)
        if length == max_length:
            words = torch.full_like(words, end)
        else:
            words = _draw(allowed / temperature, top_k, top_p, draws[image, length])
        reached = total + allowed.gather(1, words[:, None])[:, 0]
        ends = (words == end) & (reached > NEVER)
        found = zip(image[ends].tolist(), prefix[ends].tolist(), reached[ends].tolist(), strict=True)
        for owner, sentence, logprob in found:
            sentences[owner] = Hypothesis(tuple(sentence), logprob)
        going = (words != end) & (reached > NEVER)
        if not bool(going.any()):
            break
        image, words, total = image[going], words[going], reached[going]
        prefix = torch.cat([prefix[going], words[:, None]], 1)
        state = tuple(part[going] for part in state)
    return sentences


def _draw(logits: Tensor, top_k: int, top_p: float, uniform: Tensor) -> Tensor:
    """(N,) words drawn from softmax(logits), (N, V), cut to the most likely, by uniform numbers (N,) in [0, 1).

    Words are mapped to [0, 1) in the order of their ids, not of their probabilities: two words of almost equal
    probability would swap places with the rounding, which depends on the batch.
    """
    if 0 < top_k < logits.shape[1]:
        best, index = logits.topk(top_k, dim=1)
        logits = torch.full_like(logits, NEVER).scatter(1, index, best)
    # softmax is NaN where no word is allowed; any word can then be drawn, as its log-probability is NEVER
    p = torch.softmax(logits, 1).nan_to_num(0.0)
    if top_p < 1:
        falling, index = p.sort(dim=1, descending=True, stable=True)
        before = falling.cumsum(1) - falling
        p = torch.zeros_like(p).scatter(1, index, falling.masked_fill(before >= top_p, 0.0))
    heights = p.cumsum(1)
    whole = heights[:, -1:]
    # kept below the total, even if the product rounds up to it, so that the word drawn has a probability above 0
    aim = torch.minimum(uniform[:, None] * whole, torch.nextafter(whole, torch.zeros_like(whole)))
    return torch.searchsorted(heights, aim, right=True)[:, 0].clamp(max=logits.shape[1] - 1)
