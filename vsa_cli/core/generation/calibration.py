"""Calibration of a caption generator: how often its captions are right, measured on images that it has not seen.

A caption is right if it mentions at least one thing, and if every thing that it mentions is mentioned by at least one
of the references of the image. Things are the names of `core.labels.names`, with their words: nouns such as "dog",
"dogs" and "puppy", which all mention a dog. A caption with "a boy" is wrong if the references have "a child" only.
Colours, numbers, actions and nouns without a name do not count, because references omit them too often to show that
they are wrong.

The regression of `core.generation.confidence` is fitted by maximum likelihood to the captions that mention something;
the others are wrong, with certainty. Its errors are those of two-fold
cross-validation: each half of the captions is predicted by a regression that was fitted to the other half. The final
weights are fitted to all captions.

The file is one JSON object: an envelope of format `vsa-calibration`, and the `calibration` as models store it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsa_cli.core.config import DecodingConfig
from vsa_cli.core.corpus.corpus import Image
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.errors import ArtifactError, ConfigError, DataError
from vsa_cli.core.generation.confidence import KEY, THINGS, Calibration, Scores, Weights, features, shown_in
from vsa_cli.core.generation.decoder import Decoder
from vsa_cli.core.generation.model import SentenceModel
from vsa_cli.core.io.envelope import CALIBRATION, CORPUS, GENERATOR, REGIONS, VERSIONS, Envelope, check_exists, parent
from vsa_cli.core.io.files import write_text
from vsa_cli.core.io.json import dump_json, read_json
from vsa_cli.core.labels.names import Names
from vsa_cli.core.learning.corpora import PhotographSource
from vsa_cli.core.learning.model_dir import Trained, model_format, weights_sha256
from vsa_cli.core.learning.sentences import check_same_photograph
from vsa_cli.core.regions.tail import described_for

Array = NDArray[np.float64]

FEW = 200
"""Captions below which a calibration is uncertain."""

_BINS = 10
_RIDGE = 1.0  # penalty of the squared weights of standardised features, beside the log-likelihood in nats
_STEPS = 100  # of Newton's method, which needs about ten
_CONVERGED, _SHORTEST = 1e-9, 1e-12  # largest component of the gradient per caption, and of a step


@dataclass(frozen=True)
class Judged:
    """A caption compared with its references.

    Attributes:
        features: what the regression knows of it (`core.generation.confidence.features`).
        right: whether it is right.
    """

    features: tuple[float, ...]
    right: bool


@dataclass(frozen=True)
class Bin:
    """The held-out captions whose confidence is in an interval.

    Attributes:
        low: the interval's lower end.
        high: the upper end.
        captions: their number.
        confidence: their mean confidence.
        right: the share of them that are right.
    """

    low: float
    high: float
    captions: int
    confidence: float
    right: float


def is_right(caption: str, references: Iterable[Sequence[str]], names: Names) -> bool:
    """Whether a caption mentions something, and nothing that no reference mentions.

    Args:
        caption: the caption.
        references: the tokens of each reference.
        names: the things that count.
    """
    mentioned = set(names.mentions(tokenize(caption)))
    confirmed = {name for tokens in references for name in names.mentions(tokens)}
    return bool(mentioned) and mentioned <= confirmed


def described_by(trained: Trained[SentenceModel], sources: Sequence[PhotographSource]) -> list[PhotographSource]:
    """Corpora with the descriptors that a model needs: those stored, or computed from maps by its tuned CNN.

    Raises:
        ArtifactError: the regions of a corpus are not of the kind that the model needs.
        DataError: a corpus has no photographs.
    """
    for source in sources:
        source.corpus.require_photographs()
    spec, tail = trained.feature_spec, trained.tail
    return [replace(source, regions=described_for(spec, tail, source.regions)) for source in sources]


def check_unseen(trained: Trained[SentenceModel], sources: Sequence[PhotographSource], split: str) -> None:
    """Check that a model was not trained on a split, as far as its record shows.

    Raises:
        ConfigError: the model was trained on the split of one of these corpora.
    """
    envelope, seen = trained.envelope, trained.facts.get("trained_on")
    trained_split = seen.get("split") if isinstance(seen, dict) else None
    also = envelope.config.get("also")
    corpora = [*envelope.parents.values(), *(also if isinstance(also, list) else ())]
    hashes = {one.get("corpus") or one.get("sha256") for one in corpora if isinstance(one, dict)}
    for source in sources:
        if source.corpus.sha256 in hashes and (trained_split == split or "all" in (trained_split, split)):
            raise ConfigError(
                f"`split` {split}: the model was trained on it, so its captions would seem better than those of new "
                "photographs; choose another split, or a model trained without it"
            )


def images_of(source: PhotographSource, split: str) -> list[Image]:
    """The images of a split that have sentences.

    Raises:
        DataError: the corpus has no such split.
    """
    return [image for image in source.corpus.split(split) if image.sentences]


def judge_captions(
    trained: Trained[SentenceModel], sources: Sequence[PhotographSource], split: str, names: Names, batch_size: int
) -> Iterator[Judged]:
    """Caption the images of a split that have sentences, by the default search, and compare each with its references.

    Args:
        trained: the generator.
        sources: the corpora and their regions.
        split: the split.
        names: the things that count.
        batch_size: images captioned together.

    Raises:
        DataError: a corpus has no such split.
        ArtifactError: the regions of an image are missing, or belong to another photograph.
    """
    model, known = Decoder(trained, DecodingConfig(), 0), trained.model.config.names
    for source in sources:
        images = images_of(source, split)
        for first in range(0, len(images), batch_size):
            batch = images[first : first + batch_size]
            for image in batch:
                check_same_photograph(image, source.regions)
            regions = [source.regions[image.key] for image in batch]
            captions = model.caption(regions, [image.key for image in batch])
            seen = shown_in(known, model.names(regions))
            for image, candidates, shown in zip(batch, captions, seen, strict=True):
                found = features(candidates[0], shown, names) if candidates else None
                if found is not None:
                    references = (sentence.tokens for sentence in image.sentences)
                    yield Judged(found, is_right(candidates[0].caption, references, names))


def calibrate(captions: Sequence[Judged], names: Names, split: str, model_sha256: str) -> tuple[Calibration, list[Bin]]:
    """Fit a calibration.

    Args:
        captions: the captions and whether they are right.
        names: the things that counted.
        split: the split of their images.
        model_sha256: the hash of the weights of the model that captioned them.

    Returns:
        The calibration, and the held-out captions by their confidence; an interval without captions is left out.

    Raises:
        DataError: fewer than two captions are right, or fewer than two that mention something are wrong.
    """
    judged = [one for one in captions if one.features[THINGS]]
    count = sum(one.right for one in judged)
    if min(count, len(judged) - count) < 2:
        raise DataError(
            f"{len(judged)} of {len(captions)} captions mention something (`names`), and {count} of these are right: a "
            "calibration needs at least two that are right and two that are wrong"
        )
    x = np.array([one.features for one in judged], np.float64)
    outcome = np.array([one.right for one in judged], np.float64)
    fold = np.empty(len(judged), np.int64)
    for value in (0, 1):  # both halves have captions of either outcome
        rows = np.flatnonzero(outcome == value)
        fold[rows] = np.arange(len(rows)) % 2
    held_out = np.zeros(len(captions), np.float64)  # those that mention nothing, at the end, have a confidence of 0
    for half in (0, 1):
        weights = fit_logistic(x[fold != half], outcome[fold != half])
        held_out[: len(judged)][fold == half] = predict(weights, x[fold == half])
    right = np.concatenate([outcome, np.zeros(len(captions) - len(judged))])
    bins = reliability(held_out, right)
    scores = Scores(
        captions=len(right),
        right=float(right.mean()),
        brier=float(np.square(held_out - right).mean()),
        ece=sum(one.captions * abs(one.confidence - one.right) for one in bins) / len(right),
        split=split,
        model_sha256=model_sha256,
    )
    return Calibration(Weights(*map(float, fit_logistic(x, outcome))), scores, names), bins


def fit_logistic(x: Array, outcome: Array) -> Array:
    """The (K + 1,) weights, the bias first, of the logistic regression of N outcomes on K features.

    By Newton's method on the log-likelihood, with a small penalty on the weights of the standardised features, but none
    on the bias: so the mean prediction is the mean outcome.

    Args:
        x: (N, K) features.
        outcome: (N,) 0 or 1, both of which occur.
    """
    centre, scale = x.mean(0), x.std(0)
    scale = np.where(scale > 1e-9, scale, 1.0)  # a constant feature gets the weight 0
    z = np.concatenate([np.ones((len(x), 1)), (x - centre) / scale], 1)
    penalty = np.array([0.0, *[_RIDGE] * x.shape[1]])
    weights = np.zeros(z.shape[1])

    def objective(w: Array) -> float:
        logits = z @ w
        return float((outcome * logits - np.logaddexp(0, logits)).sum() - 0.5 * (penalty * np.square(w)).sum())

    for _ in range(_STEPS):
        p = _sigmoid(z @ weights)
        gradient = z.T @ (outcome - p) - penalty * weights
        if np.abs(gradient).max() <= _CONVERGED * len(z):
            break
        step = np.linalg.solve((z.T * (p * (1 - p))) @ z + np.diag(penalty), gradient)
        while objective(weights + step) < objective(weights) and np.abs(step).max() > _SHORTEST:
            step /= 2
        weights = weights + step
    slopes = weights[1:] / scale
    return np.array([weights[0] - slopes @ centre, *slopes])


def predict(weights: Array, x: Array) -> Array:
    """(N,) probabilities, given the (K + 1,) weights of `fit_logistic` and (N, K) features."""
    return _sigmoid(weights[0] + x @ weights[1:])


def _sigmoid(z: Array) -> Array:
    probability: Array = 0.5 * (1 + np.tanh(0.5 * z))
    return probability


def reliability(confidence: Array, right: Array) -> list[Bin]:
    """Captions by their confidence, in intervals of equal width from 0 to 1; those without captions are left out.

    Args:
        confidence: (N,) probabilities.
        right: (N,) 1 for a right caption, 0 for a wrong one.
    """
    number = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    return [
        Bin(one / _BINS, (one + 1) / _BINS, int(own.sum()), float(confidence[own].mean()), float(right[own].mean()))
        for one in range(_BINS)
        if (own := number == one).any()
    ]


def write_calibration(path: Path, calibration: Calibration, sources: Sequence[PhotographSource]) -> None:
    """Write a calibration.

    Args:
        path: the file.
        calibration: the calibration.
        sources: the corpora on which it was measured.

    Raises:
        DataError: the file cannot be written.
    """
    parents = {"model": parent(GENERATOR, calibration.scores.model_sha256)}
    for number, source in enumerate(sources):
        parents[f"corpus[{number}]"] = parent(CORPUS, source.corpus.sha256)
        parents[f"regions[{number}]"] = parent(REGIONS, source.regions.sha256)
    envelope = Envelope(CALIBRATION, VERSIONS[CALIBRATION], parents=parents)
    write_text(path, dump_json({**envelope.to_dict(), KEY: calibration.to_dict()}, indent=1) + "\n")


def read_calibration(path: Path) -> tuple[Envelope, Calibration]:
    """Read a calibration, checking every value.

    Raises:
        DataError: missing, unreadable, or not JSON.
        ArtifactError: another format or version, or damaged.
    """
    check_exists(path, CALIBRATION)
    data = read_json(path)
    envelope = Envelope.from_dict(data, str(path), CALIBRATION, VERSIONS[CALIBRATION])
    return envelope, Calibration.from_dict(data.get(KEY), str(path))


def read_for(model: Path, path: Path) -> Calibration:
    """Read the calibration that a model is to have; `sibling` is set if it was measured on another model.

    Args:
        model: the model directory.
        path: the calibration's file.

    Raises:
        DataError: one of them is missing or cannot be read.
        ArtifactError: the model is not a caption generator, or the calibration is damaged.
    """
    _, calibration = read_calibration(path)
    if model_format(model) != GENERATOR:
        raise ArtifactError(f"{model}: not a caption generator; only one of these has a calibration")
    sibling = calibration.scores.model_sha256 != weights_sha256(model)
    return replace(calibration, scores=replace(calibration.scores, sibling=sibling))
