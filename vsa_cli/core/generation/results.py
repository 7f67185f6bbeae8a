"""What was said of a photograph, as plain records. Knows no model and no output format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.io.sources import Photo
from vsa_cli.core.regions.store import ImageRegions

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the upright original."""


@dataclass(frozen=True)
class Candidate:
    """A caption and its log-probability under the model, END's included, in nats; None where no model said it."""

    caption: str
    logprob: float | None

    @property
    def confidence(self) -> float | None:
        """The mean log-probability of a word, END counted, in nats."""
        return None if self.logprob is None else _mean(self.caption, self.logprob)


@dataclass(frozen=True)
class RegionCaption:
    """What is said of a box, and its log-probability, END's included, in nats."""

    box: Box
    caption: str
    logprob: float

    @property
    def confidence(self) -> float:
        """The mean log-probability of a word, END counted, in nats."""
        return _mean(self.caption, self.logprob)


def _mean(caption: str, logprob: float) -> float:
    return logprob / (len(caption.split()) + 1)


@dataclass(frozen=True)
class CaptionResult:
    """What became of a photograph.

    Attributes:
        photo: the photograph.
        candidates: best first; none where it failed.
        error: one line that says why it failed, wholly or in part.
        regions: what is said of its boxes, surest first; None where that was not asked.
        size: width and height of the upright original, in pixels; None where it was not looked at.
        sha256: of its file as it was looked at; None where nobody knows.
    """

    photo: Photo
    candidates: tuple[Candidate, ...]
    error: str | None
    regions: tuple[RegionCaption, ...] | None = None
    size: tuple[int, int] | None = None
    sha256: str | None = None


class CaptionModel(Protocol):
    """What says captions."""

    @property
    def uses_regions(self) -> bool:
        """Whether it wants descriptors of all regions, or of the whole image."""

    def caption(self, descriptors: NDArray[np.float16], keys: Sequence[str]) -> list[tuple[Candidate, ...]]:
        """Candidates for each of B images, best first; (B, D) descriptors, or (B, R, D) if it looks at regions."""


class RegionCaptionModel(Protocol):
    """What says captions of boxes."""

    def caption(
        self, images: Sequence[ImageRegions], said: Sequence[tuple[Candidate, ...]]
    ) -> list[tuple[RegionCaption, ...]]:
        """Captions of boxes of each image, surest first, given what is said of the images."""
