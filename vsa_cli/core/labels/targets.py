"""What is known of photographs for the training of the labeller: the names that they show, or do not show.

There are two sources, and a photograph may have either or both: its sentences in a corpus, and a teacher, which is a
regions file whose regions carry the labels of a detector. Photographs are recognised by the SHA-256 of their files,
because different files may use the same id for different photographs.

    source    shows the name (1)            does not (0)                          unknown
    corpus    a sentence mentions it        no sentence does (mention_weight)
    teacher   score of at least `sure`      the teacher knows it, and its score   the rest
                                            is at most `unsure`

If the sources differ, the one that shows the name is right; a teacher's "does not" overrides that of the corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsa_cli.core.config import LabellerTraining
from vsa_cli.core.corpus.corpus import Corpus
from vsa_cli.core.errors import DataError
from vsa_cli.core.labels.names import Names
from vsa_cli.core.learning.corpora import same_count
from vsa_cli.core.regions.image_regions import Label
from vsa_cli.core.regions.store import RegionStore


class Teacher(Protocol):
    """A regions file whose regions carry the labels of a detector."""

    ids: list[str]

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names that its labels have."""

    def labels_of(self, image_id: str) -> tuple[Label, ...]:
        """The labels of an image."""

    def hash_of(self, image_id: str) -> str:
        """SHA-256 of the photograph."""


@dataclass(frozen=True)
class Known:
    """What is known of K photographs.

    Attributes:
        descriptors: (K, R, D) float16; photographs with fewer than R regions repeat their whole image.
        shown: (K, M) float32, 1 if a photograph shows a name, else 0.
        weight: (K, M) float32, how much each counts in the loss; 0 if it is unknown.
    """

    descriptors: Tensor
    shown: Tensor
    weight: Tensor

    def __len__(self) -> int:
        """The number of photographs."""
        return len(self.descriptors)


class Sources:
    """Corpora and teachers, by the hashes of photographs.

    Attributes:
        names: the names to be learnt.
    """

    def __init__(
        self, names: Names, corpora: Iterable[Corpus], teachers: Iterable[Teacher], training: LabellerTraining
    ) -> None:
        self.names, self._training = names, training
        self._splits: dict[str, set[str]] = {}
        self._mentioned: dict[str, set[int]] = {}
        self._taught: dict[str, tuple[NDArray[np.bool_], NDArray[np.float32]]] = {}
        for corpus in corpora:
            for image in corpus.images:
                self._splits.setdefault(image.sha256, set()).add(image.split)
                if image.sentences:
                    mentioned = self._mentioned.setdefault(image.sha256, set())
                    mentioned.update(*(names.mentions(sentence.tokens) for sentence in image.sentences))
        for teacher in teachers:
            self._learn_from(teacher)

    def _learn_from(self, teacher: Teacher) -> None:
        numbers = {label: names for label in teacher.label_names if (names := self.names.of_label(label))}
        taught = np.zeros(len(self.names), bool)
        taught[[number for names in numbers.values() for number in names]] = True
        for image_id in teacher.ids:
            score = np.zeros(len(self.names), np.float32)
            for label in teacher.labels_of(image_id):
                for number in numbers.get(label.name, ()):
                    score[number] = max(score[number], label.score)
            self._taught[teacher.hash_of(image_id)] = taught, score

    def splits_of(self, sha256: str) -> Set[str]:
        """The splits of a photograph: one, none if it is in no corpus, or several if corpora differ."""
        return self._splits.get(sha256, frozenset())

    def known(self, sha256: str) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """(M,) whether a photograph shows each name, and (M,) the weight of that; None if nothing is known."""
        mentioned, taught = self._mentioned.get(sha256), self._taught.get(sha256)
        if mentioned is None and taught is None:
            return None
        shown = np.zeros(len(self.names), bool)
        weight = np.zeros(len(self.names), np.float32)
        if mentioned is not None:
            shown[list(mentioned)] = True
            weight[:] = self._training.mention_weight
        if taught is not None:
            taught_names, score = taught
            shown |= score >= self._training.sure
            weight[taught_names] = np.where(score[taught_names] <= self._training.unsure, 1, 0)
        weight[shown] = 1
        return shown.astype(np.float32), weight


def read_known(sources: Sources, regions: Sequence[RegionStore], wanted: Callable[[str], bool]) -> Known:
    """The photographs of regions files that are wanted, and of which something is known; each once.

    Args:
        sources: what is known of photographs.
        regions: the regions files.
        wanted: whether to read the photograph with a SHA-256.

    Raises:
        DataError: nothing is known of any photograph.
        ArtifactError: the descriptors cannot be read.
    """
    seen: set[str] = set()
    descriptors: list[Tensor] = []
    facts: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
    for store in regions:
        ids: list[str] = []
        for image_id, sha256 in zip(store.ids, store.hashes, strict=True):
            known = sources.known(sha256)
            if known is None or sha256 in seen or not wanted(sha256):
                continue
            seen.add(sha256)
            ids.append(image_id)
            facts.append(known)
        if ids:
            descriptors.append(torch.from_numpy(store.padded(ids)))
    if not facts:
        raise DataError(
            "nothing is known of the photographs: none is in the `split` of a `corpus` with sentences, or in a "
            "`teacher` with labels"
        )
    shown, weight = (torch.from_numpy(np.stack(part)) for part in zip(*facts, strict=True))
    return Known(same_count(descriptors), shown, weight)


def held_out(known: Known) -> tuple[Known, Known]:
    """All but the last tenth of the photographs, and that tenth.

    Raises:
        DataError: there is only one photograph.
    """
    if len(known) < 2:
        raise DataError("one photograph is too few: some are trained on, and others held out")
    cut = len(known) - max(1, len(known) // 10)
    parts = (slice(None, cut), slice(cut, None))
    first, last = (Known(known.descriptors[part], known.shown[part], known.weight[part]) for part in parts)
    return first, last
