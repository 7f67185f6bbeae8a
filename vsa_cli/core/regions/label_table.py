"""The labels of all images of a `regions.h5`, as the columns in which the file holds them.

This module does not read or write the file: `core.regions.store` does.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.io.json import dump_json
from vsa_cli.core.regions.image_regions import MAX_LABEL_NAME, Label, check_labels, is_label_name

COLUMNS = ("label_names", "labels", "label_rows", "label_scores")
"""The datasets of a table."""


@dataclass(frozen=True)
class LabelTable:
    """L labels with M names.

    Attributes:
        names: the M distinct names.
        labels: (L,) int32, the index in `names`.
        rows: (L,) int64, the row of the region among all regions of the file, ascending.
        scores: (L,) float32, from 0 to 1.
    """

    names: tuple[str, ...]
    labels: NDArray[np.int32]
    rows: NDArray[np.int64]
    scores: NDArray[np.float32]

    @classmethod
    def read(cls, columns: Mapping[str, NDArray[Any]], regions: int) -> LabelTable:
        """The table in the datasets of `COLUMNS` that a file with this number of regions has.

        Raises:
            ValueError: some are missing, or they are inconsistent.
        """
        if not columns:
            return NO_LABELS
        if len(columns) < len(COLUMNS):
            raise ValueError(f"has /{next(iter(columns))}, but not all of {', '.join(f'/{name}' for name in COLUMNS)}")
        names, labels, rows, scores = (columns[name] for name in COLUMNS)
        table = cls(tuple(name.decode() for name in names), labels, rows, scores)
        table.check(regions)
        return table

    def check(self, regions: int) -> None:
        """Check columns that come from a file with this number of regions.

        Raises:
            ValueError: they are inconsistent.
        """
        if not all(map(is_label_name, self.names)):
            raise ValueError(f"a name of its labels is not a text of 1 to {MAX_LABEL_NAME} characters")
        consistent = (
            len(set(self.names)) == len(self.names)
            and len(self.labels) == len(self.rows) == len(self.scores)
            and _are_within(self.labels, len(self.names) - 1)
            and _are_within(self.rows, regions - 1)
            and bool((self.rows[:-1] <= self.rows[1:]).all())
            and _are_within(self.scores, 1)
        )
        if not consistent:
            raise ValueError("its labels are inconsistent")

    def between(self, start: int, end: int) -> tuple[Label, ...]:
        """The labels of the image whose regions have the rows from `start` to `end` - 1."""
        first, last = np.searchsorted(self.rows, [start, end])
        columns = (self.rows[first:last] - start, self.labels[first:last], self.scores[first:last])
        regions, labels, scores = (column.tolist() for column in columns)
        return tuple(map(Label, regions, (self.names[label] for label in labels), scores))


NO_LABELS = LabelTable((), np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.float32))
"""The labels of a file that has none."""


def _are_within(values: NDArray[Any], most: int) -> bool:
    """Whether all numbers are from 0 to `most`, which NaN is not."""
    return bool(((values >= 0) & (values <= most)).all())


class LabelCollector:
    """Collects the labels of images, in the order in which the images are written."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._labels, self._rows, self._scores = array("i"), array("q"), array("f")

    def add(self, labels: Sequence[Label], start: int, regions: int) -> bytes:
        """Add the labels of the image whose regions start at row `start`.

        Returns:
            What the hash of the file's contents covers; nothing without labels.

        Raises:
            ValueError: a label is wrong, or has a region that the image lacks.
        """
        if not labels:
            return b""
        check_labels(labels, regions)
        ordered = sorted(labels, key=lambda label: label.region)
        for label in ordered:
            self._labels.append(self._names.setdefault(label.name, len(self._names)))
            self._rows.append(start + label.region)
            self._scores.append(label.score)
        scores = self._scores[-len(ordered) :].tolist()
        return dump_json([[one.region, one.name, score] for one, score in zip(ordered, scores, strict=True)]).encode()

    def table(self) -> LabelTable:
        """All labels."""
        return LabelTable(
            tuple(self._names),
            np.array(self._labels, np.int32),
            np.array(self._rows, np.int64),
            np.array(self._scores, np.float32),
        )
