"""Captions of a photograph and of its regions, as plain records for all models and output formats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from vsa_cli.core.io.sources import Photo
from vsa_cli.core.regions.image_regions import ImageRegions

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the upright original."""


@dataclass(frozen=True)
class Candidate:
    """A caption.

    Attributes:
        caption: its words, with a space between two.
        logprob: its log-probability under the model, END's included, in nats; None for a baseline's caption.
        confidence: the probability that it is right, from 0 to 1; None if the model has no calibration
            (`core.generation.confidence`), and for sampled captions.
    """

    caption: str
    logprob: float | None
    confidence: float | None = None

    @property
    def mean_logprob(self) -> float | None:
        """The mean log-probability of a word, END counted, in nats."""
        return None if self.logprob is None else _per_word(self.caption, self.logprob)


@dataclass(frozen=True)
class RegionCaption:
    """The caption of a box, its log-probability, END's included, in nats, and its confidence, if there is one."""

    box: Box
    caption: str
    logprob: float
    confidence: float | None = None

    @property
    def mean_logprob(self) -> float:
        """The mean log-probability of a word, END counted, in nats."""
        return _per_word(self.caption, self.logprob)


def _per_word(caption: str, logprob: float) -> float:
    return logprob / (len(caption.split()) + 1)


@dataclass(frozen=True)
class SeenObject:
    """A thing that a photograph shows.

    Attributes:
        name: what it is.
        score: the confidence of the detector or labeller, from 0 to 1.
        box: the region that shows it best, in pixels of the upright original.
    """

    name: str
    score: float
    box: Box


@dataclass(frozen=True)
class CaptionResult:
    """The captions of one photograph, or the reason why there are none.

    Attributes:
        photo: the photograph.
        candidates: its captions, best first; empty if it failed, or if they are withheld.
        error: one line that names what failed; None if nothing did.
        regions: captions of its boxes, the likeliest first; None if they were not requested.
        objects: the things that it shows, surest first; None if they were not requested.
        size: width and height of the upright original, in pixels; None if it could not be read.
        sha256: SHA-256 of its file when it was read; None if that was not computed.
        confidence: that of the first candidate, also if it is withheld.
        withheld: why the candidates are withheld, in a few words; None if they are not.
    """

    photo: Photo
    candidates: tuple[Candidate, ...]
    error: str | None
    regions: tuple[RegionCaption, ...] | None = None
    objects: tuple[SeenObject, ...] | None = None
    size: tuple[int, int] | None = None
    sha256: str | None = None
    confidence: float | None = None
    withheld: str | None = None

    @property
    def path(self) -> str:
        """The photograph's path, as given."""
        return self.photo.path

    @property
    def caption(self) -> str | None:
        """The best caption."""
        return self.candidates[0].caption if self.candidates else None

    @property
    def logprob(self) -> float | None:
        """The log-probability of the best caption, END's included, in nats."""
        return self.candidates[0].logprob if self.candidates else None


class CaptionModel(Protocol):
    """A model that generates captions from descriptors."""

    @property
    def uses_regions(self) -> bool:
        """Whether the model takes the descriptors of all regions rather than only of the whole image."""

    def caption(
        self, images: Sequence[ImageRegions], keys: Sequence[str], style: str | None = None
    ) -> list[tuple[Candidate, ...]]:
        """Candidates for each of B images, best first.

        Args:
            images: the images; only region 0 of each is used unless the model `uses_regions`.
            keys: the identifier of each image.
            style: the style of the captions; None takes the one that suits each image.
        """


class RegionCaptionModel(Protocol):
    """A model that captions the regions of images."""

    def caption(
        self, images: Sequence[ImageRegions], captions: Sequence[tuple[Candidate, ...]]
    ) -> list[tuple[RegionCaption, ...]]:
        """Captions of the boxes of each image, the likeliest first, given the candidates for the whole image."""


def group_sizes(largest: int, done: int = 0) -> Iterator[int]:
    """How many photographs are captioned together: 1, 2, 4, ... up to `largest`, and so on.

    The first caption appears as soon as one photograph is encoded, and a run that is killed early has captions to
    continue from. The last digits of a log-probability depend on the other photographs of its group, so the groups
    depend on nothing but the number of photographs before them: a resumed run has those of an uninterrupted one.

    Args:
        largest: photographs in a group from the time when the groups no longer grow.
        done: photographs that an earlier run has captioned; the first group is the rest of that in which it stopped.
    """
    size, end = 1, 1
    while True:
        if end > done:
            yield min(size, end - done)
        size = min(2 * size, largest)
        end += size
