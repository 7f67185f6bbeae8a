"""Scoring alignments against true boxes: reads an alignment scores file and joins it to Flickr30k Entities.

After the envelope (`vsa-alignments`, its configuration naming split and beta) each line is a sentence::

    {"image_id", "sentence_id", "width", "height",     of the photograph's file, in pixels
     "boxes": [[x1, y1, x2, y2], ...],                 R regions in those pixels; region 0 is the whole image
     "tokens": [str],                                  all the paper's words of the sentence
     "positions": [int],                               which of them the model knows: K indices
     "scores": [[float] * R] * K, "choice": [int] * K} v_i . s_t, and the MRF's region for each known word

Sentences are joined by image and words, never by index: the two sets have them in different orders.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.corpus.records import is_id, printable
from vsa_cli.core.errors import ArtifactError, DataError
from vsa_cli.core.evaluation.entities import EntityImage, EntitySentence, as_boxes, as_numbers
from vsa_cli.core.evaluation.inputs import Document
from vsa_cli.core.evaluation.results import Evaluation, Note, Sample
from vsa_cli.core.metrics.bootstrap import SAMPLES, interval, resample
from vsa_cli.core.metrics.grounding import COLUMNS, MEASURES, Phrase, enclosing_box, grounding_accuracy

Array = NDArray[np.float64]

DIFFERENCES = (("mrf_", ""), ("", "whole_"), ("", "largest_"), ("mrf_", "whole_"), ("mrf_", "largest_"))
"""Pairs of sources whose difference is told with its own interval: both are right about the same phrases."""


@dataclass(frozen=True)
class Aligned:
    """A line of the file, checked."""

    image: str
    width: float
    height: float
    boxes: Array
    tokens: tuple[str, ...]
    positions: NDArray[np.int64]
    scores: Array
    choice: NDArray[np.int64]


def evaluate_alignments(
    document: Document, entities: Mapping[str, EntityImage], *, samples: int = SAMPLES, seed: int = 0
) -> Evaluation:
    """Measure how many phrases were put on their true box.

    Args:
        document: the alignment scores.
        entities: true boxes, by file name.
        samples: resamplings of the images for the intervals; 0 for none.
        seed: of the resampling.

    Raises:
        ArtifactError: a line is damaged.
        DataError: no phrase with a box could be joined.
    """
    waiting: dict[str, list[EntitySentence]] = {}
    judged: dict[str, list[Array]] = defaultdict(list)
    strays: list[str] = []
    rows: list[dict[str, Any]] = []
    for where, entry in document.entries():
        aligned = _read(where, entry)
        truth = entities.get(aligned.image) or entities.get(PurePosixPath(aligned.image).name)
        left = waiting.setdefault(aligned.image, list(truth.sentences)) if truth is not None else []
        match = next((sentence for sentence in left if sentence.words == aligned.tokens), None)
        if truth is None or match is None:
            strays.append(aligned.image)
            continue
        left.remove(match)
        for right, text in _judge(aligned, match, truth):
            judged[aligned.image].append(right)
            rows.append({"image_id": aligned.image, "phrase": text, **_named(right)})
    if not judged:
        raise DataError(
            f"{document.where}: none of its sentences has a phrase with a true box (joined by image and words)"
        )
    unused = [image for image, left in waiting.items() for sentence in left if sentence.phrases]
    sums = np.array([[*np.sum(of, axis=0), len(of)] for of in judged.values()])  # (N, C + 1)
    sample = Sample(tuple(judged), (len(judged),), lambda weights: _measure(weights @ sums))
    scores = {name: float(values[0]) for name, values in _measure(sums.sum(axis=0)[None]).items()}
    return Evaluation(
        mode="alignments",
        head={"split": document.split, "n_images": len(judged), "n_phrases": int(sums[:, -1].sum())},
        scores={name: value for name, value in scores.items() if "_minus_" not in name},
        extra=_intervals(scores, sample, samples, seed),
        notes=_notes(strays, unused),
        rows=rows,
        sample=sample,
    )


def _judge(aligned: Aligned, sentence: EntitySentence, truth: EntityImage) -> list[tuple[Array, str]]:
    scale = np.array([aligned.width / truth.width, aligned.height / truth.height] * 2)
    judged = []
    for phrase in sentence.phrases:
        mine = (aligned.positions >= phrase.start) & (aligned.positions < phrase.end)  # (K,)
        box = enclosing_box(phrase.boxes) * scale
        text = " ".join(aligned.tokens[phrase.start : phrase.end])
        judged.append(
            (grounding_accuracy(Phrase(box, aligned.boxes, aligned.scores[mine], aligned.choice[mine])), text)
        )
    return judged


def _named(right: Array) -> dict[str, float]:
    return dict(zip(COLUMNS, map(float, right), strict=True))


def _measure(sums: Array) -> dict[str, Array]:
    """Percent of phrases right, and differences of sources, from sums (S, C + 1)."""
    share = 100 * sums[:, :-1] / sums[:, -1:]
    scores = {name: share[:, column] for column, name in enumerate(COLUMNS)}
    for one, other in DIFFERENCES:
        for measure in MEASURES:
            scores[f"{one}{measure}_minus_{other}{measure}"] = scores[one + measure] - scores[other + measure]
    return scores


def _intervals(scores: dict[str, float], sample: Sample, samples: int, seed: int) -> dict[str, Any]:
    differences = {name: value for name, value in scores.items() if "_minus_" in name}
    if not samples:
        return differences
    drawn = resample(sample.measure, sample.strata, samples, seed)
    return differences | {key: value for name in drawn for key, value in interval(name, drawn[name]).items()}


def _notes(strays: list[str], unused: list[str]) -> list[Note]:
    told = (
        (strays, "aligned sentences are not among those with true boxes: left out"),
        (unused, "sentences with true boxes are not among the aligned ones of their image: left out"),
    )
    # Spellings differ between the two sets, so a few are always missing: no failure.
    return [
        Note(f"{len(names)} {what}", tuple(dict.fromkeys(map(printable, names))), fails=False, warns=False)
        for names, what in told
        if names
    ]


def _read(where: str, entry: dict[str, Any]) -> Aligned:
    image, tokens, positions, choice = (entry.get(key) for key in ("image_id", "tokens", "positions", "choice"))
    boxes, size = as_boxes(entry.get("boxes")), as_numbers([[entry.get("width"), entry.get("height")]], 2)
    if not is_id(image) or boxes is None or size is None or size.min() <= 0:
        raise ArtifactError(f"{where}: damaged (image_id, width, height or boxes)")
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ArtifactError(f"{where}: damaged (tokens)")
    if not _indices(positions, len(tokens)) or not _indices(choice, len(boxes)) or len(positions) != len(choice):
        raise ArtifactError(f"{where}: damaged (positions or choice)")
    scores = as_numbers(entry.get("scores"), len(boxes)) if positions else np.zeros((0, len(boxes)))
    if scores is None or len(scores) != len(positions):
        raise ArtifactError(f"{where}: damaged (scores)")
    width, height = size[0].tolist()
    known = np.array(positions, dtype=np.int64), np.array(choice, dtype=np.int64)
    return Aligned(str(image), width, height, boxes, tuple(tokens), known[0], scores, known[1])


def _indices(value: Any, limit: int) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(one) is int and 0 <= one < limit for one in value)
