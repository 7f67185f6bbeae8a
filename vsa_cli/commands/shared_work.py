"""Work that several processes share: started together by `torchrun`, or one by one with `--shard` and then `--join`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import typer

from vsa_cli.core.ranks import ALONE, WHOLE, Ranks, Shard, parse_shard, ranks_of
from vsa_cli.options import OUTPUT, UsageError

ShardOption = Annotated[
    str | None,
    typer.Option("--shard", metavar="K/N", help="Do only part K of N of the work, for --join.", rich_help_panel=OUTPUT),
]
Join = Annotated[
    bool, typer.Option("--join", help="Write the output from the parts of --shard.", rich_help_panel=OUTPUT)
]


@dataclass(frozen=True)
class Share:
    """What this process does of the work.

    Attributes:
        ranks: this process among those of `torchrun`.
        part: its part of the work; all of it for a process that does not share it, or only joins.
        computes: whether it does its part.
        joins: whether it writes the output.
    """

    ranks: Ranks = ALONE
    part: Shard = WHOLE
    computes: bool = True
    joins: bool = True

    @property
    def only_part(self) -> bool:
        """Whether other processes, unknown to this one, do the rest and join it."""
        return self.ranks.alone and not self.joins

    @property
    def only_joins(self) -> bool:
        """Whether other processes have done everything else."""
        return not self.computes

    @property
    def is_shared(self) -> bool:
        """Whether there are other processes."""
        return not self.ranks.alone or self.only_part or self.only_joins


def share_of(shard: str | None, *, join: bool, force: bool, resume: bool) -> Share:
    """What this process does, by its options and the environment that `torchrun` sets.

    Raises:
        UsageError: the options contradict each other, or that environment.
        ConfigError: there is no such part.
    """
    ranks, part = ranks_of(os.environ), parse_shard(shard)
    if shard is None and not join:
        return Share(ranks, ranks.shard, joins=ranks.first)
    if not ranks.alone:
        raise UsageError("torchrun divides the work: --shard and --join are for processes that are started without it")
    if join and (shard is not None or resume):
        raise UsageError("--join takes the parts that are finished, and neither --shard nor --resume")
    if join:
        return Share(computes=False)
    if force:
        raise UsageError("--shard cannot be combined with --force, which would remove the other parts")
    return Share(part=part, joins=False)


@contextmanager
def connected(ranks: Ranks) -> Iterator[None]:
    """Within the block, the processes of `torchrun` are connected: one that ends early ends all.

    Raises:
        MissingError: they cannot be connected.
        EndedError: another process has ended within the block, or `torchrun` has sent SIGTERM.
    """
    if ranks.alone:
        yield
        return
    import torch

    from vsa_cli.core.learning.distributed import joined

    with joined(ranks, torch.device("cpu")):  # wherever they compute: they only exchange a few bytes
        yield


def first_alone(prepare: Callable[[], int | None], ranks: Ranks) -> int | None:
    """What the first process computes before the others continue: a number from 0, or nothing."""
    if ranks.alone:
        return prepare()
    import torch

    from vsa_cli.core.learning.distributed import from_first

    def facts() -> dict[str, float]:
        found = prepare()
        return {} if found is None else {"found": found}

    found = from_first(facts, ranks, torch.device("cpu")).get("found")
    return None if found is None else int(found)


def arrivals(ranks: Ranks) -> Iterator[bool]:
    """Several times a second, whether all other processes have done their parts; nothing for a process alone.

    Raises:
        EndedError: one of them has ended before.
    """
    if ranks.alone:
        return iter(())
    from vsa_cli.core.learning import distributed

    return distributed.arrivals()


def arrive(ranks: Ranks) -> None:
    """Wait until all processes have done their parts.

    Raises:
        EndedError: one of them has ended before.
    """
    next((arrived for arrived in arrivals(ranks) if arrived), None)


def total(count: int, ranks: Ranks) -> int:
    """The sum of a number over all processes, each of which waits for it.

    Raises:
        EndedError: one of them has ended.
    """
    if ranks.alone:
        return count
    import torch

    from vsa_cli.core.learning import distributed

    return int(distributed.total(count, ranks, torch.device("cpu")))
