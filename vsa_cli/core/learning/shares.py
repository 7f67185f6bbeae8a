"""A process's share of a batch that several processes compute together, and dropout that does not depend on shares.

All processes draw the same batches, and the same dropout masks for the whole of each; each then computes its own rows.
So the result is that of one process, whatever their number, up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vsa_cli.core.ranks import Ranks


@dataclass(frozen=True)
class Rows:
    """Which rows of a tensor of the whole batch a process computes.

    Attributes:
        count: the number of rows in the whole batch.
        own: (n,) int64 indices of the rows that this process computes, at least one.
    """

    count: int
    own: Tensor

    @classmethod
    def of_owner(cls, owner: Tensor, ranks: Ranks) -> Rows:
        """The rows of this process.

        A process without any computes the first row: its tensors then have the usual shapes and it draws the same
        random numbers as the others, but its result must not be counted.

        Args:
            owner: (count,) int64 the process to which each row belongs.
            ranks: this process.
        """
        own = (owner == ranks.rank).nonzero()[:, 0]
        return cls(len(owner), own if len(own) else torch.zeros(1, dtype=torch.int64))

    def to(self, device: torch.device) -> Rows:
        """The rows on a device."""
        return Rows(self.count, self.own.to(device))

    def take(self, whole: Tensor) -> Tensor:
        """The own rows of a tensor of the whole batch."""
        return whole.index_select(0, self.own)


def counts_of(owner: Tensor, ranks: Ranks) -> tuple[int, ...]:
    """The number of rows that belong to each process; `owner` is (count,), the process of each row."""
    return tuple(torch.bincount(owner, minlength=ranks.size).tolist())


def dropped(dropout: nn.Dropout, x: Tensor, rows: Rows | None) -> Tensor:
    """Dropout of the own rows of a batch, by the mask that one process would draw for the whole batch.

    Args:
        dropout: the layer, in training or evaluation mode.
        x: (n, ...) the own rows.
        rows: which rows these are; None if `x` is the whole batch.
    """
    if rows is None or not dropout.training:
        dropped_all: Tensor = dropout(x)
        return dropped_all
    return x * rows.take(F.dropout(x.new_ones(rows.count, *x.shape[1:]), dropout.p, inplace=True))


def own_images(found: Sequence[tuple[int, Tensor]], rows: Rows) -> list[tuple[int, Tensor]]:
    """The images of this process among those of a batch, by source as `corpora.images_of` returns them."""
    is_own = torch.zeros(rows.count, dtype=torch.bool)
    is_own[rows.own] = True
    parts = torch.split(is_own, [len(images) for _, images in found])
    own = [(number, images[part]) for (number, images), part in zip(found, parts, strict=True)]
    return [(number, images) for number, images in own if len(images)]
