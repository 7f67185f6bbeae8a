"""The style of a photograph: that of the training photographs which show the most similar things.

    P(style | x) = softmax(W x + b), where x are the probabilities of the names that the labeller knows

A multinomial logistic regression on what is seen, and not on the CNN's descriptors, which would also recognise how the
photographs of a dataset were reduced and compressed. Every style is weighted as if it had the same number of
photographs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_DECAY = 0.01  # of the squared weights, beside the mean negative log-likelihood in nats
_STEPS = 100  # of L-BFGS, which needs fewer


def fit_styles(examples: Sequence[Tensor]) -> Tensor:
    """The (S, M + 1) float32 weights of S styles, the last column the bias b.

    Args:
        examples: for each style the (K_s, M) probabilities of names of its photographs; a style without photographs is
            never chosen.
    """
    names = examples[0].shape[1]
    x = torch.cat([*examples]).double()
    style = torch.arange(len(examples)).repeat_interleave(torch.tensor([len(own) for own in examples]))
    has_photographs = torch.tensor([len(own) > 0 for own in examples])
    share = 1 / torch.bincount(style, minlength=len(examples)).clamp(min=1).double()
    weight = torch.zeros(len(examples), names + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(_scores(weight, x), style, weight=share) + _DECAY * weight[:, :-1].square().sum()
        torch.autograd.backward(loss)
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    found = weight.detach()
    found[~has_photographs, -1] = -1e4
    return found.float()


def likeliest(weight: Tensor, probabilities: Tensor) -> Tensor:
    """(B,) int64 likeliest style of photographs, given the (B, M) probabilities of names."""
    return _scores(weight, probabilities).argmax(1)


def _scores(weight: Tensor, x: Tensor) -> Tensor:
    return x @ weight[:, :-1].T + weight[:, -1]
