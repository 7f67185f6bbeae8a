"""What an evaluation found, whatever was evaluated. Knows no file formats and no metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from vsa_cli.core.errors import DataError
from vsa_cli.core.metrics.bootstrap import Measure

Mode = Literal["captions", "rankings", "alignments"]

_SHOWN = 5
"""Names told of a note."""
LOWER_IS_BETTER = ("i2t_medr", "i2t_meanr", "t2i_medr", "t2i_meanr")


@dataclass(frozen=True)
class Note:
    """Something counted that the reader of the scores should know.

    Attributes:
        message: what, in one line, with its count.
        names: of the images or lines concerned.
        fails: whether it makes a strict evaluation fail.
        warns: whether it must be seen even by those who want quiet.
    """

    message: str
    names: tuple[str, ...] = ()
    fails: bool = True
    warns: bool = True

    @property
    def line(self) -> str:
        """The message with the first of its names."""
        shown = ", ".join(self.names[:_SHOWN])
        more = f" and {len(self.names) - _SHOWN} more" if len(self.names) > _SHOWN else ""
        return f"{self.message}: {shown}{more}" if self.names else self.message


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
        return {**self.head, **self.scores, **self.absences(), **self.extra}

    def absences(self) -> dict[str, Any]:
        """Null for each absent metric, and beside it the reason."""
        return {
            key: value for name, why in self.absent.items() for key, value in ((name, None), (f"{name}_absent", why))
        }

    def refuse_doubts(self) -> None:
        """Fail where anything was not as it should be (`--strict`).

        Raises:
            DataError: naming each.
        """
        doubts = [note.line for note in self.notes if note.fails]
        if doubts:
            raise DataError(f"--strict: {'; '.join(doubts)}")
