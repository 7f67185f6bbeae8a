"""Evaluation of captions: matched with their references by image, then scored by BLEU, METEOR, ROUGE-L and CIDEr."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.corpus.split_names import resolve_split
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.errors import MAX_NAME, DataError, MissingError, one_line
from vsa_cli.core.evaluation.hypotheses import Hypotheses
from vsa_cli.core.evaluation.references import ReferenceImage, References
from vsa_cli.core.evaluation.results import CAPTION_FAMILIES, Evaluation, Note, Sample
from vsa_cli.core.metrics.captioning import (
    CAPTION_METRICS,
    DocumentFrequencies,
    MetricScores,
    Pair,
    bleu,
    cider,
    count_documents,
    meteor,
    rouge,
)
from vsa_cli.core.metrics.diversity import caption_diversity
from vsa_cli.core.metrics.ptb import Tokenizer

TOKENIZER = "PTB (Python)"
MIN_IMAGES_FOR_CIDER = 100
"""With fewer images, the document frequencies of their references are too rough for CIDEr's TF-IDF weights."""


@dataclass(frozen=True)
class Joined:
    """Captions with their references.

    Attributes:
        images: the captioned images, in the order of the references.
        captions: the caption of each of these images.
        split: the split that was scored.
        notes: captions and images that could not be matched.
    """

    images: list[ReferenceImage]
    captions: list[str]
    split: str
    notes: list[Note]


def evaluate_captions(
    hypotheses: Hypotheses,
    references: References,
    *,
    split: str | None = None,
    families: Sequence[str] | None = None,
    frequencies: DocumentFrequencies | None = None,
    count: bool = False,
) -> tuple[Evaluation, DocumentFrequencies | None]:
    """Score captions.

    Args:
        hypotheses: the captions.
        references: the reference sentences.
        split: the split of the references (default: the split that all captions belong to, or `all`).
        families: names from `CAPTION_FAMILIES` (default: all that can be computed).
        frequencies: CIDEr's document frequencies (default: those of the references that are scored).
        count: whether to return the document frequencies, to be saved.

    Returns:
        The scores, and with `count` the document frequencies that CIDEr used.

    Raises:
        ConfigError: the references have no such split.
        DataError: there is nothing to score.
        MissingError: METEOR is in `families` and cannot run.
    """
    joined = join_references(hypotheses, references, split)
    pairs = _tokenize(joined)
    counting = count and frequencies is None and "CIDEr" in (families or CAPTION_FAMILIES)
    counted = count_documents([sentences for _, sentences in pairs]) if counting else frequencies
    results, absent = _compute(pairs, families, counted)
    scores = {name: value for result in results for name, value in result.scores.items()}
    few = _few_images(len(pairs), frequencies) if "CIDEr" in scores else []
    evaluation = Evaluation(
        mode="captions",
        head={
            "split": joined.split,
            "n_images": len(pairs),
            "n_references": sum(len(sentences) for _, sentences in pairs),
            "tokenizer": TOKENIZER,
        },
        scores={name: scores[name] for name in CAPTION_METRICS if name in scores},
        extra=caption_diversity([tokenize(caption) for caption in joined.captions], references.training),
        absent=absent,
        notes=[*hypotheses.notes, *joined.notes, *few],
        rows=_rows(joined, results),
        sample=Sample(tuple(image.key for image in joined.images), (len(pairs),), _weighted_scores(results)),
    )
    return evaluation, counted


def join_references(hypotheses: Hypotheses, references: References, split: str | None) -> Joined:
    """Match captions with their references by image id or file name, whatever its spelling (see `PhotoNames`).

    Raises:
        ConfigError: the references have no such split.
        DataError: no caption can be matched.
    """
    names = references.names()
    captions: dict[str, str] = {}
    unknown, duplicate = [], []
    for name, caption in hypotheses.captions.items():
        found = (names.find(one) for one in (name, *hypotheses.files.get(name, ())))
        image = next((one for one in found if one is not None), None)
        if image is None:
            unknown.append(name)
        elif image.key in captions:
            duplicate.append(name)
        else:
            captions[image.key] = caption
    if not captions:
        theirs, ours = (one_line(next(iter(names)), MAX_NAME) for names in (hypotheses.captions, references.images))
        raise DataError(f"no image of the captions (such as {theirs}) is in the references (such as {ours})")
    split_name = resolve_split(split) if split else _only_split(references, captions)
    split_images = references.split(split_name)
    images = [image for image in split_images if image.key in captions]
    if not images:
        raise DataError(f"no image of the captions is in the split {split_name}")
    inside = {image.key for image in split_images}
    notes = [
        *_note("captions of images that are not in the references (left out)", unknown),
        *_note("further captions of images that were captioned under another name (left out)", duplicate),
        *_note(
            f"captions of images outside the split {split_name} (left out)", [k for k in captions if k not in inside]
        ),
        *_note("images of the references have no caption (left out)", sorted(inside - captions.keys())),
        *_note("captions are empty (scored as empty)", [i.key for i in images if not captions[i.key].strip()]),
    ]
    if references.malformed:
        notes.append(Note(f"{references.malformed} malformed references (left out)"))
    return Joined(images, [captions[image.key] for image in images], split_name, notes)


def _only_split(references: References, captions: dict[str, str]) -> str:
    splits = {references.images[key].split for key in captions}
    only = splits.pop() if len(splits) == 1 else None
    return only or "all"


def _note(message: str, names: Sequence[str]) -> list[Note]:
    return [Note(f"{len(names)} {message}", tuple(one_line(name, MAX_NAME) for name in names))] if names else []


def _tokenize(joined: Joined) -> list[Pair]:
    tokenizer = Tokenizer()
    captions = tokenizer.tokenize(joined.captions)
    sentences = iter(tokenizer.tokenize([sentence for image in joined.images for sentence in image.sentences]))
    return [
        (caption, [next(sentences) for _ in image.sentences])
        for caption, image in zip(captions, joined.images, strict=True)
    ]


def _compute(
    pairs: Sequence[Pair], families: Sequence[str] | None, frequencies: DocumentFrequencies | None
) -> tuple[list[MetricScores], dict[str, str]]:
    """The scores of each family; and why a family cannot be computed, unless it was requested by name."""
    scorers: dict[str, Callable[[], MetricScores]] = {
        "BLEU": lambda: bleu(pairs),
        "METEOR": lambda: meteor(pairs),
        "ROUGE-L": lambda: rouge(pairs),
        "CIDEr": lambda: cider(pairs, frequencies),
    }
    results, absent = [], {}
    for family in CAPTION_FAMILIES:
        if families is None or family in families:
            try:
                results.append(scorers[family]())
            except MissingError as error:
                if families is not None:
                    raise
                absent[family] = str(error)
    return results, absent


def _few_images(count: int, frequencies: DocumentFrequencies | None) -> list[Note]:
    counted = frequencies.images if frequencies is not None else count
    if counted >= MIN_IMAGES_FOR_CIDER:
        return []
    what = "CIDEr is 0 by definition" if counted == 1 else "CIDEr is not reliable"
    images = "1 image" if counted == 1 else f"{counted} images"
    return [
        Note(
            f"{what} with document frequencies of {images}; `document_frequencies` takes those of a larger set",
            kind="warning",
        )
    ]


def _rows(joined: Joined, results: Sequence[MetricScores]) -> list[dict[str, Any]]:
    each = {name: values for result in results for name, values in result.each.items()}
    return [
        {
            "image_id": image.key,
            "caption": caption,
            "references": len(image.sentences),
            **{name: float(values[number]) for name, values in each.items()},
        }
        for number, (image, caption) in enumerate(zip(joined.images, joined.captions, strict=True))
    ]


def _weighted_scores(
    results: Sequence[MetricScores],
) -> Callable[[NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    def measure(weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        return {name: values for result in results for name, values in result.finish(weights @ result.sums).items()}

    return measure
