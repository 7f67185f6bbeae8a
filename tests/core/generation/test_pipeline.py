"""The stream of captions: what happens to photographs that nobody waits for any more."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vsa_cli.core import boxes as geometry
from vsa_cli.core.generation.pipeline import caption_photos
from vsa_cli.core.generation.results import Candidate
from vsa_cli.core.regions.store import ImageRegions

BATCH = 16


class Parrot:
    """Says the photograph's key."""

    uses_regions = False

    def caption(self, descriptors: NDArray[np.float16], keys: Sequence[str]) -> list[tuple[Candidate, ...]]:
        return [(Candidate(key, -1.0),) for key in keys]


def test_a_reader_who_leaves_waits_for_no_photograph_that_is_not_begun() -> None:
    looked: list[str] = []

    def look(source: Source) -> ImageRegions | str:
        looked.append(source.path)
        if len(looked) > BATCH:
            time.sleep(0.1)  # the second batch, while the first is read
        whole = geometry.whole(4, 3)
        return ImageRegions(source.path, "", 4, 3, whole, np.ones(1, np.float32), np.ones((1, 2), np.float16))

    sources = (Source(f"{number}.jpg", number, Path()) for number in range(1000))
    stream = caption_photos(Parrot(), look, torch.device("cpu"), sources, batch=BATCH, workers=1)
    assert next(stream).candidates[0].caption == "0"
    stream.close()  # type: ignore[attr-defined]
    assert BATCH <= len(looked) < BATCH + 8
