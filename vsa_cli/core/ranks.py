"""Which process this is of those that `torchrun` has started together, and which part of the work a process does.

Reading the environment needs no PyTorch. The communication between processes is in `learning.distributed`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from vsa_cli.core.errors import ConfigError


@dataclass(frozen=True)
class Shard:
    """One of several parts of the work, so that several processes or machines can share it.

    Attributes:
        number: the part, from 1.
        count: the number of parts.
    """

    number: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ConfigError: there is no such part.
        """
        if not 1 <= self.number <= self.count:
            raise ConfigError(f"`shard` {self.number}/{self.count}: the first number is from 1 to the second")

    def has(self, number: int) -> bool:
        """Whether a piece of work with this number is in this part."""
        return number % self.count == self.number - 1


WHOLE = Shard()
"""All of the work."""


def parse_shard(text: str | None) -> Shard:
    """A part written as `K/N`; all of the work if there is none.

    Raises:
        ConfigError: it is not written so, or there is no such part.
    """
    if text is None:
        return WHOLE
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if match is None:
        raise ConfigError(f"`shard` {text}: is not of the form K/N, such as 1/4")
    return Shard(int(match[1]), int(match[2]))


@dataclass(frozen=True)
class Ranks:
    """This process among those of its run.

    Attributes:
        rank: its number, from 0. Process 0 validates, writes and prints.
        size: the number of processes, on all machines.
        local: its number among the processes on the same machine, from 0.
        neighbours: the number of processes on the same machine, itself included.
    """

    rank: int = 0
    size: int = 1
    local: int = 0
    neighbours: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that validates, writes and prints."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        """Whether there is no other process."""
        return self.size == 1

    @property
    def shard(self) -> Shard:
        """The part of the work that this process does, if each does a part on its own."""
        return Shard(self.rank + 1, self.size)

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
    neighbours = environment.get("LOCAL_WORLD_SIZE", "")
    return Ranks(rank, size, local, max(1, int(neighbours)) if neighbours.isdecimal() else 1)
