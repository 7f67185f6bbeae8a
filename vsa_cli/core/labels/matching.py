"""Sentences for photographs that have none: those that mention what is seen in them, and nothing that is not.

The names of things seen in a photograph are a detector's labels, and what a labeller finds. A sentence fits if it
mentions at least one name that is surely seen, and none that is probably absent; names that neither can find play no
part. The sentences that fit best mention most of what is seen, a rare name counting more than a frequent one (by
inverse document frequency).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import log

import numpy as np
import torch
from numpy.typing import NDArray

from vsa_cli.core.errors import DataError
from vsa_cli.core.labels.labeller import Labeller
from vsa_cli.core.labels.names import Names
from vsa_cli.core.regions.store import RegionStore

SURE, UNSURE = 0.5, 0.15
"""Scores from which a name is surely seen, and below which it is probably absent."""

SENTENCES = 10
"""The maximum number of sentences for a photograph."""

_NEARLY = 0.75  # of the best fit: sentences that fit almost as well are drawn too, for variety
_BATCH = 500  # photographs


def seen_in(
    regions: RegionStore, names: Names, labeller: Labeller | None = None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """What is seen in the K photographs of a file.

    Args:
        regions: the regions.
        names: M names.
        labeller: finds these names in descriptors, in evaluation mode; None uses the labels of a detector alone.

    Returns:
        (K, M) the highest score of each name in each photograph, and (M,) whether a name can be found at all.

    Raises:
        DataError: the file has no labels of these names, and there is no labeller.
    """
    index_of = {name: index for index, name in enumerate(names.names)}
    known = np.full(len(index_of), labeller is not None)
    known[[index_of[name] for name in regions.label_names if name in index_of]] = True
    if not known.any():
        raise DataError(f"{regions.path}: its regions have no labels; extract them with a detector such as ssd")
    seen = np.zeros((len(regions.ids), len(index_of)), np.float32)
    if labeller is not None:
        for start in range(0, len(regions.ids), _BATCH):
            rows = slice(start, start + _BATCH)
            seen[rows] = _probabilities(labeller, regions.padded(regions.ids[rows]))
    for row, key in enumerate(regions.ids):
        for label in regions.labels_of(key):
            if (index := index_of.get(label.name)) is not None:
                seen[row, index] = max(seen[row, index], label.score)
    return seen, known


@torch.inference_mode()
def _probabilities(labeller: Labeller, descriptors: NDArray[np.float16]) -> NDArray[np.float32]:
    device = labeller.mean.device
    found: NDArray[np.float32] = labeller.of_images(torch.from_numpy(descriptors).float().to(device)).cpu().numpy()
    return found


def match_sentences(
    seen: NDArray[np.float32],
    known: NDArray[np.bool_],
    mentions: Sequence[Sequence[int]],
    generator: torch.Generator,
) -> list[tuple[int, int]]:
    """Draw up to `SENTENCES` of the best sentences for each photograph.

    Args:
        seen: (K, M) scores of the names in each photograph.
        known: (M,) whether a name can be seen at all.
        mentions: the indices of the names that each sentence mentions.
        generator: draws among sentences that fit about equally well.

    Returns:
        (photograph, sentence) indices, by photograph; a photograph without a fitting sentence has none.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for sentence, found in enumerate(mentions):
        if own := tuple(name for name in found if known[name]):
            groups.setdefault(own, []).append(sentence)
    if not groups:
        return []
    count = Counter(name for own, sentences in groups.items() for name in own for _ in sentences)
    # above 0 also for a name that all sentences mention
    rarity = np.array([log((len(mentions) + 1) / count[name]) if count[name] else 0.0 for name in range(len(known))])
    indicator = np.zeros((len(groups), len(known)), np.float32)
    for row, own in enumerate(groups):
        indicator[row, list(own)] = 1
    return list(_drawn(seen, indicator, rarity.astype(np.float32), list(groups.values()), generator))


def _drawn(
    seen: NDArray[np.float32],
    indicator: NDArray[np.float32],
    rarity: NDArray[np.float32],
    groups: Sequence[Sequence[int]],
    generator: torch.Generator,
) -> Iterator[tuple[int, int]]:
    for start in range(0, len(seen), _BATCH):
        part = seen[start : start + _BATCH]
        absent = (part < UNSURE).astype(np.float32) @ indicator.T  # (B, groups): names mentioned but not seen
        fit = np.where(part >= SURE, part, 0) * rarity @ indicator.T
        fit[absent > 0] = 0
        best = fit.max(1)
        for row in np.flatnonzero(best > 0).tolist():
            pool = [
                sentence
                for group in np.flatnonzero(fit[row] >= _NEARLY * best[row]).tolist()
                for sentence in groups[group]
            ]
            for chosen in torch.randperm(len(pool), generator=generator)[:SENTENCES].tolist():
                yield start + row, pool[chosen]
