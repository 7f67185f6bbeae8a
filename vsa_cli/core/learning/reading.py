"""Whether training holds all regions in memory or reads them from their files, in which order, and in which views.

Regions that need more than `SHARE` of the memory are left in their files, and are read batch by batch while earlier
batches are computed. Only then do the batches follow the blocks of the files; a run that was started in this order
keeps it when it is resumed, wherever its regions are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from vsa_cli.core.errors import ConfigError
from vsa_cli.core.io.threads import computed_ahead
from vsa_cli.core.learning.checkpoint import saved_settings
from vsa_cli.core.learning.model_dir import has_training
from vsa_cli.core.regions.stored_descriptors import CAN_STREAM

BatchT = TypeVar("BatchT")

SHARE = 4
"""Regions are held in memory if they need at most one part in `SHARE` of it."""

READERS, AHEAD = 2, 2
"""Threads that read batches, and how many batches they may be ahead."""


@dataclass(frozen=True)
class Reading:
    """How regions are read.

    Attributes:
        stream: leave them in their files, and read them batch by batch.
        blocks: take the sentences in the order of `corpora.shuffled_in_blocks`.
        readers: the number of threads that read; the batches do not depend on it.
        mirrored: take the mirrored view of a photograph half of the times that it occurs in a batch.
    """

    stream: bool = False
    blocks: bool = False
    readers: int = READERS
    mirrored: bool = False

    def record(self) -> dict[str, Any]:
        """The order and the views, for the envelope of the model; empty for the usual ones."""
        return {**({"order": "blocks"} if self.blocks else {}), **({"mirrored": True} if self.mirrored else {})}

    def ahead(self, calls: Iterable[Callable[[], BatchT]]) -> Iterator[BatchT]:
        """The batches that calls make: ahead of the step that needs them, if regions are streamed."""
        return computed_ahead(calls, self.readers, AHEAD) if self.stream else (call() for call in calls)


IN_MEMORY = Reading()
"""All regions in memory, and the usual order."""


def plan_reading(
    size: int, memory: float, resumed: Path | None, *, by_image: bool = False, mirrored: bool = False
) -> Reading:
    """How the regions of a run are read.

    Args:
        size: the bytes that they need in memory.
        memory: the bytes of memory that the run may use.
        resumed: the model directory of the run to resume, if there is one.
        by_image: whether the run has an order of its own, image by image, in memory and streamed.
        mirrored: whether to take mirrored views, too.

    Raises:
        ConfigError: the regions do not fit in memory, and the run to resume needs them there, or the system cannot
            stream.
    """
    stream = size * SHARE > memory
    needed = f"needs its regions in memory, {size / 1e9:.1f} GB: set `memory` to {SHARE * size / 1e9:.1f}G or more"
    if stream and not CAN_STREAM:
        raise ConfigError(f"training {needed}")
    if by_image:
        return Reading(stream, mirrored=mirrored)
    if resumed is None or not has_training(resumed):
        return Reading(stream, stream, mirrored=mirrored)
    blocks = saved_settings(resumed).get("order") == "blocks"
    if stream and not blocks:
        raise ConfigError(f"{resumed}: the run to resume {needed}")
    return Reading(stream, blocks, mirrored=mirrored)
