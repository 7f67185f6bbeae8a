"""The result of an evaluation, the same for captions, rankings and word scores, and for all file formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from vsa_cli.core.errors import DataError
from vsa_cli.core.metrics.bootstrap import Measure

Mode = Literal["captions", "rankings", "alignments"]
CONTENTS: dict[Mode, str] = {"captions": "captions", "rankings": "rankings", "alignments": "word scores"}
"""What a file of each mode contains."""

CAPTION_FAMILIES = ("BLEU", "METEOR", "ROUGE-L", "CIDEr")
"""The caption metrics that can be selected. BLEU is four metrics, BLEU-1 to BLEU-4."""
LOWER_IS_BETTER = ("i2t_medr", "i2t_meanr", "t2i_medr", "t2i_meanr")
COUNTS = {"n_images": "images", "n_references": "references", "n_sentences": "sentences", "n_phrases": "phrases"}
"""The counts in `Evaluation.head`, and the nouns for them."""

_MAX_NAMES = 5


@dataclass(frozen=True)
class Note:
    """A fact about the input that affects how the scores should be read.

    Attributes:
        message: one line, with the number of cases.
        names: the images or lines concerned.
        kind: a `problem` makes a strict evaluation fail; a `warning` is shown even in quiet mode; an `info` is hidden
            in quiet mode.
    """

    message: str
    names: tuple[str, ...] = ()
    kind: Literal["problem", "warning", "info"] = "problem"

    @property
    def line(self) -> str:
        """The message with the first few names."""
        shown = ", ".join(self.names[:_MAX_NAMES])
        more = f" and {len(self.names) - _MAX_NAMES} more" if len(self.names) > _MAX_NAMES else ""
        return f"{self.message}: {shown}{more}" if self.names else self.message


@dataclass(frozen=True)
class Sample:
    """The data for bootstrap resampling.

    Attributes:
        units: names of the N units that are drawn; two files can be compared if their units are equal.
        strata: sizes of the groups of units that are resampled separately.
        measure: maps weights (S, N) to the scores (S,) of S resamples, by metric.
    """

    units: tuple[str, ...]
    strata: tuple[int, ...]
    measure: Measure


@dataclass(frozen=True)
class Evaluation:
    """Scores, and the data that they were computed from.

    Attributes:
        mode: the kind of file that was evaluated.
        head: split, counts and tokenizer.
        scores: score by metric.
        sample: the data for resampling.
        extra: further numbers: caption diversity, differences, intervals.
        absent: the reason why a metric could not be computed, by metric.
        notes: what was noticed about the input.
        rows: one object per image, query or phrase.
    """

    mode: Mode
    head: dict[str, Any]
    scores: dict[str, float]
    sample: Sample
    extra: dict[str, Any] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    notes: Sequence[Note] = ()
    rows: Sequence[dict[str, Any]] = ()

    def to_dict(self) -> dict[str, Any]:
        """Everything but the rows and the notes, as one flat object."""
        return {**self.head, **self.scores, **self.absences(), **self.extra}

    def absences(self) -> dict[str, Any]:
        """Null as `NAME` and the reason as `NAME_absent`, for each metric that could not be computed."""
        return {
            key: value for name, why in self.absent.items() for key, value in ((name, None), (f"{name}_absent", why))
        }

    def check_problems(self) -> None:
        """Fail if the input has any problem.

        Raises:
            DataError: listing every note of kind `problem`.
        """
        problems = [note.line for note in self.notes if note.kind == "problem"]
        if problems:
            raise DataError(f"`strict`: {'; '.join(problems)}")
