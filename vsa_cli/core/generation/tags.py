"""Tags: the names of things in an image that a generator receives beside its descriptors.

The tags of a photograph are found by a labeller in its descriptors, and by a detector if its regions have labels. The
tags of an image without a photograph are drawn from what its sentences mention, with omissions and errors as often as
they occur on photographs, so that the generator learns how far it can trust tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from vsa_cli.core.labels.labeller import Labeller, TrainedLabeller, fold_of
from vsa_cli.core.labels.names import Names
from vsa_cli.core.regions.image_regions import Label
from vsa_cli.core.regions.stored_descriptors import Descriptors

AT_LEAST = 0.33
"""The probability from which a name is a tag."""

_BATCH = 256  # images
_SORTED = 4096  # images whose names are sorted together, which bounds the temporary memory
_PRIOR = 20.0  # images with the average rates, which are added to the counts of every name


class TagSource(Protocol):
    """The tags of K images."""

    def draw(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        """(B, G) int64 tags of the images with these (B,) indices, padded with M; the likeliest without a generator."""


@dataclass(frozen=True)
class PhotographTags:
    """Tags of photographs: those of the labeller alone, or of labeller and detector, each as often as the other.

    A generator that sees both in training can be used with and without the detector.

    Attributes:
        alone: (K, G) int64 tags of the labeller.
        both: (K, G) int64 tags of labeller and detector.
        probabilities: (K, M) float32 probability of each name by the labeller.
    """

    alone: Tensor
    both: Tensor
    probabilities: Tensor

    def draw(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        """(B, G) tags of images; without a generator, those of labeller and detector."""
        if generator is None:
            return self.both[images]
        use_both = torch.rand(len(images), 1, generator=generator) < 0.5
        return torch.where(use_both, self.both[images], self.alone[images])


@dataclass(frozen=True)
class GivenTags:
    """Tags that are the same in every batch.

    Attributes:
        tags: (K, G) int64.
    """

    tags: Tensor

    def draw(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        """(B, G) tags of images."""
        return self.tags[images]


@dataclass(frozen=True)
class Rates:
    """How often tags of photographs are right.

    Attributes:
        found: (M,) float32 share of the images mentioning a name of which it is a tag.
        invented: (M,) float32 share of the other images of which it is a tag.
    """

    found: Tensor
    invented: Tensor

    @classmethod
    def measure(cls, is_tag: Tensor, is_mentioned: Tensor) -> Rates:
        """The rates of photographs with sentences.

        Args:
            is_tag: (K, M) bool, whether a name is a tag of a photograph.
            is_mentioned: (K, M) bool, whether one of its sentences mentions the name.
        """

        def rate(of: Tensor) -> Tensor:
            hits, cases = (is_tag & of).sum(0).double(), of.sum(0).double()
            average = hits.sum() / cases.sum().clamp(min=1)
            return ((hits + _PRIOR * average) / (cases + _PRIOR)).float()

        return cls(rate(is_mentioned), rate(~is_mentioned))


@dataclass(frozen=True)
class DrawnTags:
    """Tags of images without photographs, drawn from what their sentences mention.

    Attributes:
        mentioned: the names that the sentences of each of the K images mention, as indices.
        rates: how often tags are omitted or wrong.
        limit: the maximum number of tags.
    """

    mentioned: tuple[tuple[int, ...], ...]
    rates: Rates
    limit: int

    def draw(self, images: Tensor, generator: torch.Generator | None) -> Tensor:
        """(B, G) tags of images; without a generator, all names that are mentioned."""
        names = len(self.rates.found)
        rows = [(row, name) for row, image in enumerate(images.tolist()) for name in self.mentioned[image]]
        mentioned = torch.zeros(len(images), names, dtype=torch.bool)
        if rows:
            mentioned[tuple(torch.tensor(rows).T)] = True
        if generator is None:
            return choose(mentioned.float(), self.limit)
        chance = torch.where(mentioned, self.rates.found, self.rates.invented)
        drawn = torch.rand(mentioned.shape, generator=generator)
        # a random number from AT_LEAST to 1, so that too many tags are shortened at random
        return choose(torch.where(drawn < chance, 1 - drawn / chance * (1 - AT_LEAST), 0.0), self.limit)


def choose(probabilities: Tensor, limit: int) -> Tensor:
    """(B, G) int64 tags, surest first: up to `limit` of the names with a probability of at least `AT_LEAST`.

    Args:
        probabilities: (B, M) of each name in each image.
        limit: G, the maximum number of tags; missing ones are M.
    """
    names = probabilities.shape[1]
    chosen = []
    for part in torch.split(probabilities, _SORTED):
        order = part.argsort(dim=1, descending=True, stable=True)[:, :limit]
        sure = part.gather(1, order) >= AT_LEAST
        chosen.append(torch.where(sure, order, names))
    tags = torch.cat(chosen)
    return torch.nn.functional.pad(tags, (0, limit - tags.shape[1]), value=names)


@torch.inference_mode()
def probabilities_of(labeller: Labeller, descriptors: Descriptors, images: Tensor | None = None) -> Tensor:
    """(B, M) float32 probability of each name in each of B images.

    Args:
        labeller: the labeller.
        descriptors: (K, R, D) of any precision, in memory or in their file, through which this passes once.
        images: (B,) int64 indices of the images; None takes all.
    """
    device = next(labeller.parameters()).device
    parts = torch.split(torch.arange(len(descriptors)) if images is None else images, _BATCH)
    return torch.cat([labeller.of_images(descriptors[part].float().to(device)).cpu() for part in parts])


def unseeing_probabilities(labeller: TrainedLabeller, descriptors: Descriptors, hashes: Sequence[str]) -> Tensor:
    """(K, M) as `probabilities_of`, each photograph's by the labeller of a fold that was not trained on it.

    Args:
        labeller: the labeller, with its folds.
        descriptors: (K, R, D) of any precision.
        hashes: SHA-256 of the photographs.
    """
    found = torch.zeros(len(descriptors), len(labeller.names))
    fold = torch.tensor([fold_of(sha256, len(labeller.folds)) for sha256 in hashes])
    for number, model in enumerate(labeller.folds, start=1):
        rows = (fold == number).nonzero()[:, 0]
        if len(rows):
            found[rows] = probabilities_of(model, descriptors, rows)
    return found


def with_labels(probabilities: Tensor, labels: Sequence[Sequence[Label]], names: Sequence[str]) -> Tensor:
    """(K, M) probabilities, each raised to the highest score of a detector's label of that name."""
    index_of = {name: index for index, name in enumerate(names)}
    raised = probabilities.clone()
    for row, found in enumerate(labels):
        for label in found:
            if (index := index_of.get(label.name)) is not None:
                raised[row, index] = max(float(raised[row, index]), label.score)
    return raised


def mentions_of(sentences: Sequence[Sequence[Sequence[str]]], names: Names) -> tuple[tuple[int, ...], ...]:
    """The names that the sentences of each image mention, as indices; each sentence is a sequence of tokens."""
    return tuple(
        tuple(sorted({name for tokens in of_image for name in names.mentions(tokens)})) for of_image in sentences
    )
