"""Which process this is of those that train one model together, as `torchrun` states in the environment.

Reading the environment needs no PyTorch. The communication between processes is in `learning.distributed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Ranks:
    """This process among those of its run.

    Attributes:
        rank: its number, from 0. Process 0 validates, writes and prints.
        size: the number of processes, on all machines.
        local: its number among the processes on the same machine, from 0.
    """

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the process that validates, writes and prints."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        """Whether there is no other process."""
        return self.size == 1

    def owners(self, count: int) -> list[int]:
        """The process that has each of `count` rows of a batch: each process some that follow each other."""
        return [row * self.size // count for row in range(count)]


ALONE = Ranks()
"""A process that was not started by `torchrun`."""


def ranks_of(environment: Mapping[str, str]) -> Ranks:
    """The ranks that `torchrun` has set in the environment; `ALONE` if another program has started this process."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    if "TORCHELASTIC_RUN_ID" not in environment or not all(environment.get(name, "").isdecimal() for name in names):
        return ALONE
    rank, size, local = (int(environment[name]) for name in names)
    return Ranks(rank, size, local)
