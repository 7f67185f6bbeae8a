"""Evaluation of a word-scores file: phrase-grounding accuracy against Flickr30k Entities.

After the envelope (`vsa-alignments`, the metadata line, whose configuration names split and beta), each line is a
sentence::

    {"image_id", "sentence_id", "width", "height",     size of the image file in pixels
     "boxes": [[x1, y1, x2, y2], ...],                 R regions in these pixels; region 0 is the whole image
     "tokens": [str],                                  all words of the sentence
     "positions": [int],                               indices of the K words that the model knows
     "scores": [[float] * R] * K, "choice": [int] * K} v_i . s_t, and the region that the MRF chose for each known word

Sentences are matched by image and words, not by index, because the two files list them in different orders.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.corpus.photo_names import PhotoNames
from vsa_cli.core.corpus.records import is_id
from vsa_cli.core.errors import MAX_NAME, ArtifactError, DataError, one_line
from vsa_cli.core.evaluation.entities import EntityImage, EntitySentence, as_boxes, as_numbers
from vsa_cli.core.evaluation.inputs import Input
from vsa_cli.core.evaluation.results import Evaluation, Note, Sample
from vsa_cli.core.metrics.bootstrap import SAMPLES, interval, resample
from vsa_cli.core.metrics.grounding import COLUMNS, MEASURES, Phrase, enclosing_box, grounding_accuracy

Array = NDArray[np.float64]

DIFFERENCES = (("mrf_", ""), ("", "whole_"), ("", "largest_"), ("mrf_", "whole_"), ("mrf_", "largest_"))
"""Pairs of predictors whose difference is reported with its own interval, since both answer the same phrases."""


@dataclass(frozen=True)
class AlignedSentence:
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
    source: Input, entities: Mapping[str, EntityImage], *, samples: int = SAMPLES, seed: int = 0
) -> Evaluation:
    """Compute the share of phrases whose predicted region matches their ground-truth box.

    Args:
        source: the word-scores file.
        entities: images with ground-truth boxes, by file name.
        samples: number of bootstrap resamples of the images for the intervals; 0 for no intervals.
        seed: random seed of the resampling.

    Raises:
        ArtifactError: a line is damaged.
        DataError: no sentence has a phrase with a ground-truth box.
    """
    names = PhotoNames(list(entities.values()))
    remaining: dict[str, list[EntitySentence]] = {}
    accuracies: dict[str, list[Array]] = defaultdict(list)
    unmatched: list[str] = []
    unknown: list[str] = []
    rows: list[dict[str, Any]] = []
    for where, record in source.records():
        aligned = _read(where, record)
        truth = names.find(aligned.image)
        if truth is None:
            unknown.append(aligned.image)
            continue
        candidates = remaining.setdefault(truth.file, list(truth.sentences))
        match = next((sentence for sentence in candidates if sentence.words == aligned.tokens), None)
        if match is None:
            unmatched.append(aligned.image)
            continue
        candidates.remove(match)
        for text, accuracy in _phrases(aligned, match, truth):
            accuracies[aligned.image].append(accuracy)
            named = dict(zip(COLUMNS, map(float, accuracy), strict=True))
            rows.append({"image_id": aligned.image, "phrase": text, **named})
    if not accuracies:
        raise DataError(f"{source.where}: no sentence matches one with ground-truth boxes (by image and words)")
    unused = [image for image, left in remaining.items() for sentence in left if sentence.phrases]
    sums = np.array([[*np.sum(phrases, axis=0), len(phrases)] for phrases in accuracies.values()])  # (N, C + 1)
    sample = Sample(tuple(accuracies), (len(accuracies),), lambda weights: _scores(weights @ sums))
    scores = {name: float(values[0]) for name, values in _scores(sums.sum(axis=0)[None]).items()}
    return Evaluation(
        mode="alignments",
        head={"split": source.split, "n_images": len(accuracies), "n_phrases": int(sums[:, -1].sum())},
        scores={name: value for name, value in scores.items() if "_minus_" not in name},
        extra=_differences_and_intervals(scores, sample, samples, seed),
        notes=[
            *_note("aligned sentences of images without ground-truth boxes (left out)", unknown, "problem"),
            *_note("aligned sentences that match no sentence with ground-truth boxes (left out)", unmatched),
            *_note("sentences with ground-truth boxes that match no aligned sentence (left out)", unused),
        ],
        rows=rows,
        sample=sample,
    )


def _phrases(aligned: AlignedSentence, sentence: EntitySentence, truth: EntityImage) -> list[tuple[str, Array]]:
    """The text of each phrase, and the accuracy of every predictor on it."""
    scale = np.array([aligned.width / truth.width, aligned.height / truth.height] * 2)
    phrases = []
    for phrase in sentence.phrases:
        known = (aligned.positions >= phrase.start) & (aligned.positions < phrase.end)  # (K,)
        box = enclosing_box(phrase.boxes) * scale
        text = " ".join(aligned.tokens[phrase.start : phrase.end])
        data = Phrase(box, aligned.boxes, aligned.scores[known], aligned.choice[known])
        phrases.append((text, grounding_accuracy(data)))
    return phrases


def _scores(sums: Array) -> dict[str, Array]:
    """Accuracies in percent of the phrases, and differences of predictors, from sums (S, C + 1)."""
    share = 100 * sums[:, :-1] / sums[:, -1:]
    scores = {name: share[:, column] for column, name in enumerate(COLUMNS)}
    for one, other in DIFFERENCES:
        for measure in MEASURES:
            scores[f"{one}{measure}_minus_{other}{measure}"] = scores[one + measure] - scores[other + measure]
    return scores


def _differences_and_intervals(scores: dict[str, float], sample: Sample, samples: int, seed: int) -> dict[str, Any]:
    differences = {name: value for name, value in scores.items() if "_minus_" in name}
    if not samples:
        return differences
    drawn = resample(sample.measure, sample.strata, samples, seed)
    return differences | {key: value for name in drawn for key, value in interval(name, drawn[name]).items()}


def _note(message: str, images: Sequence[str], kind: Literal["problem", "info"] = "info") -> list[Note]:
    # The two files spell some words differently, so a few sentences never match: not a problem.
    names = tuple(dict.fromkeys(one_line(name, MAX_NAME) for name in images))
    return [Note(f"{len(images)} {message}", names, kind)] if images else []


def _read(where: str, record: dict[str, Any]) -> AlignedSentence:
    image, tokens, positions, choice = (record.get(key) for key in ("image_id", "tokens", "positions", "choice"))
    boxes, size = as_boxes(record.get("boxes")), as_numbers([[record.get("width"), record.get("height")]], 2)
    if not is_id(image) or boxes is None or size is None or size.min() <= 0:
        raise ArtifactError(f"{where}: damaged (image_id, width, height or boxes)")
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ArtifactError(f"{where}: damaged (tokens)")
    if not _is_indices(positions, len(tokens)) or not _is_indices(choice, len(boxes)) or len(positions) != len(choice):
        raise ArtifactError(f"{where}: damaged (positions or choice)")
    scores = as_numbers(record.get("scores"), len(boxes)) if positions else np.zeros((0, len(boxes)))
    if scores is None or len(scores) != len(positions):
        raise ArtifactError(f"{where}: damaged (scores)")
    width, height = size[0].tolist()
    known, chosen = np.array(positions, dtype=np.int64), np.array(choice, dtype=np.int64)
    return AlignedSentence(str(image), width, height, boxes, tuple(tokens), known, scores, chosen)


def _is_indices(value: Any, limit: int) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(index) is int and 0 <= index < limit for index in value)
