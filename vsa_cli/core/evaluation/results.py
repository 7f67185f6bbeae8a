"""What an evaluation found, whatever was evaluated. Knows no file formats and no metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from vsa_cli.core.errors import DataError
from vsa_cli.core.metrics.bootstrap import Measure

Mode = Literal["captions", "rankings", "alignments"]

LOWER_IS_BETTER = ("i2t_medr", "i2t_meanr", "t2i_medr", "t2i_meanr")


@dataclass(frozen=True)
class Note:
    """Something counted that the reader of the scores should know.

    Attributes:
        message: what, in one line, with its count.
        names: of the images or lines concerned.
        fails: whether it makes a strict evaluation fail; other notes only inform.
    """

    message: str
    names: tuple[str, ...] = ()
    fails: bool = True


@dataclass(frozen=True)
class Sample:
    """What resampling needs.

    Attributes:
        units: what is drawn, in the order of the weights; two files can be compared where theirs are equal.
        strata: sizes of groups of units that are drawn each for itself.
        measure: from weights (S, N) to the scores of S resamplings.
    """

    units: tuple[str, ...]
    strata: tuple[int, ...]
    measure: Measure


@dataclass(frozen=True)
class Evaluation:
    """Scores and all that belongs to them.

    Attributes:
        mode: what was evaluated.
        head: what the scores are of: split, counts, tokenizer.
        scores: metric to value.
        extra: beside the scores: caption health, intervals.
        absent: metric to the reason why it is not there.
        notes: what was counted on the way.
        rows: one object an image (or a query), for a JSON Lines file.
        sample: for resampling.
    """

    mode: Mode
    head: dict[str, Any]
    scores: dict[str, float]
    sample: Sample
    extra: dict[str, Any] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    notes: Sequence[Note] = ()
    rows: Sequence[dict[str, Any]] = ()

    def flat(self) -> dict[str, Any]:
        """Everything but the rows as one flat object; an absent metric is null beside `NAME_absent`, its reason."""
        absent: dict[str, Any] = {}
        for name, why in self.absent.items():
            absent |= {name: None, f"{name}_absent": why}
        return {**self.head, **self.scores, **absent, **self.extra}

    def refuse_doubts(self) -> None:
        """Fail where anything was not as it should be (`--strict`).

        Raises:
            DataError: naming the first doubt and how many more there are.
        """
        doubts = [note.message for note in self.notes if note.fails]
        if doubts:
            more = f" (and {len(doubts) - 1} more)" if len(doubts) > 1 else ""
            raise DataError(f"--strict: {doubts[0]}{more}")
