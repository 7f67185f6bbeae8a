"""Captions find their references: by id, by path, by file name. What has no partner is counted and named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.corpus.records import printable
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.errors import DataError, MissingError
from vsa_cli.core.evaluation.evaluate import FAMILIES
from vsa_cli.core.evaluation.hypotheses import Hypotheses
from vsa_cli.core.evaluation.references import Referenced, References
from vsa_cli.core.evaluation.results import Evaluation, Note, Sample
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


@dataclass(frozen=True)
class Joined:
    """Captions with their references.

    Attributes:
        images: in the references' order.
        captions: of those images.
        split: which split was scored: the one asked for, or the only one that the captions are of.
        notes: what did not fit.
    """

    images: list[Referenced]
    captions: list[str]
    split: str
    notes: list[Note]


def join(hypotheses: Hypotheses, references: References, split: str | None) -> Joined:
    """Find the references of captions, and count what has no partner.

    Raises:
        UsageError: no such split.
        DataError: nothing fits.
    """
    find = references.find()
    captions: dict[str, str] = {}
    unknown, twice = [], []
    for name, caption in hypotheses.captions.items():
        key = find.get(name) or find.get(name.replace("\\", "/").rpartition("/")[2])
        if key is None:
            unknown.append(name)
        elif key in captions:
            twice.append(name)
        else:
            captions[key] = caption
    if not captions:
        theirs, ours = (printable(next(iter(some))) for some in (hypotheses.captions, references.images))
        raise DataError(f"no caption's image is in the references: captions are of {theirs}, references of {ours}")
    name = split or _only_split(references, captions)
    wanted = references.split(name)
    images = [image for image in wanted if image.key in captions]
    if not images:
        raise DataError(f"no caption is of an image in the split {name}")
    inside = {image.key for image in wanted}
    notes = [
        _note("captions of images that the references do not have: left out", unknown),
        _note("captions of images that another name has named already: left out", twice),
        _note(f"captions of images outside the split {name}: left out", [key for key in captions if key not in inside]),
        _note("images of the references have no caption: left out", sorted(inside - captions.keys())),
        _note("captions are empty: scored as they are", [i.key for i in images if not captions[i.key].strip()]),
        Note(f"{references.odd} references could not be understood: left out") if references.odd else None,
    ]
    return Joined(images, [captions[image.key] for image in images], name, [note for note in notes if note is not None])


def _only_split(references: References, captions: dict[str, str]) -> str:
    splits = {references.images[key].split for key in captions}
    only = splits.pop() if len(splits) == 1 else None
    return only or "all"


def _note(what: str, names: Sequence[str]) -> Note | None:
    return Note(f"{len(names)} {what}", tuple(map(printable, names))) if names else None


FEW_FOR_CIDER = 100
"""Below so many images CIDEr's document frequencies, which come from the references, mean little."""
TOKENIZER = "PTB (Python)"


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
        references: what humans said.
        split: of the references; the one that all captions are of, else `all`, if not given.
        families: which of `FAMILIES`; all that can be had if not given.
        frequencies: for CIDEr; counted from the references scored if not given.
        count: whether to return those counts, for other evaluations.

    Returns:
        The scores, and the document frequencies that CIDEr used where they are known.

    Raises:
        UsageError: no such split.
        DataError: nothing to score.
        MissingError: METEOR was asked for by name, and cannot be had.
    """
    joined = join(hypotheses, references, split)
    pairs = _tokenise(joined)
    absent: dict[str, str] = {}
    measured: list[MetricScores] = []
    scorers: dict[str, Callable[[], MetricScores]] = {
        "BLEU": lambda: bleu(pairs),
        "METEOR": lambda: meteor(pairs),
        "ROUGE-L": lambda: rouge(pairs),
        "CIDEr": lambda: cider(pairs, counted),
    }
    counting = count and frequencies is None and "CIDEr" in (families or FAMILIES)
    counted = count_documents([said for _, said in pairs]) if counting else frequencies
    for family in FAMILIES:
        if families is None or family in families:
            try:
                measured.append(scorers[family]())
            except MissingError as error:
                if families is not None:
                    raise
                absent[family] = str(error)
    scores = {name: value for one in measured for name, value in one.scores.items()}
    each = {name: values for one in measured for name, values in one.each.items()}
    evaluation = Evaluation(
        mode="captions",
        head={
            "split": joined.split,
            "n_images": len(pairs),
            "n_references": sum(len(said) for _, said in pairs),
            "tokenizer": TOKENIZER,
        },
        scores={name: scores[name] for name in CAPTION_METRICS if name in scores},
        extra=_health(joined, references),
        absent=absent,
        notes=[*hypotheses.notes, *joined.notes, *_few(len(pairs), frequencies, "CIDEr" in scores)],
        rows=_rows(joined, each),
        sample=Sample(tuple(i.key for i in joined.images), (len(pairs),), _resampled(measured)),
    )
    return evaluation, counted


def _tokenise(joined: Joined) -> list[Pair]:
    tokenizer = Tokenizer()
    captions = tokenizer.tokenize(joined.captions)
    said = iter(tokenizer.tokenize([sentence for image in joined.images for sentence in image.sentences]))
    return [
        (caption, [next(said) for _ in image.sentences]) for caption, image in zip(captions, joined.images, strict=True)
    ]


def _health(joined: Joined, references: References) -> dict[str, float]:
    words = [tokenize(caption) for caption in joined.captions]
    return caption_diversity(words, references.training)


def _few(count: int, frequencies: DocumentFrequencies | None, scored: bool) -> list[Note]:
    counted = frequencies.images if frequencies is not None else count
    if not scored or counted >= FEW_FOR_CIDER:
        return []
    what = "is 0 by definition" if counted == 1 else "means little"
    return [
        Note(
            f"CIDEr weighs words by how many images mention them, and {what} with {counted}; "
            "--document-frequencies FILE brings those of a larger set",
            fails=False,
        )
    ]


def _rows(joined: Joined, each: dict[str, NDArray[np.float64]]) -> list[dict[str, Any]]:
    return [
        {
            "image_id": image.key,
            "caption": caption,
            "references": len(image.sentences),
            **{name: float(values[number]) for name, values in each.items()},
        }
        for number, (image, caption) in enumerate(zip(joined.images, joined.captions, strict=True))
    ]


def _resampled(measured: Sequence[MetricScores]) -> Callable[[NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    def measure(weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        return {name: values for one in measured for name, values in one.finish(weights @ one.sums).items()}

    return measure
