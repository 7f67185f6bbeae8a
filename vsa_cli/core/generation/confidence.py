"""The confidence of a caption: the probability that it is right, by a calibration of its model.

A caption is right if it mentions at least one thing, and if every thing that it mentions is also mentioned by a
reference of the image (`core.generation.calibration`). A caption that mentions nothing has a confidence of 0. The
probability of any other is a logistic regression (Cox 1958) on four numbers:

    P(right) = 1 / (1 + exp(-(bias + a m + b n + c k + d s)))

    m = log p(caption | image) / (n + 1)    the mean log-probability of a word, END counted, in nats
    n                                       the number of words
    k                                       the number of names of things that the caption mentions
    s = sum of ln max(q_i, 0.02)            q_i: the probability that the image shows the i-th of these names, by the
                                            model's labeller and the image's labels; names unknown to the model count 0

The calibration is stored in the model's `config.json` under the key `calibration`::

    {"weights": {...}, "scores": {...}, "names": {...}}

These are the fields of `Weights` and of `Scores`, and the contents of a file of names (`core.labels.names`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, asdict, astuple, dataclass, fields, replace
from typing import Any, TypeVar

from torch import Tensor

from vsa_cli.core.config import DecodingConfig
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.errors import ArtifactError, ConfigError
from vsa_cli.core.generation.results import Candidate, CaptionResult
from vsa_cli.core.io.envelope import from_dict
from vsa_cli.core.labels.names import Names

KEY = "calibration"
"""The key of a calibration in a model's `config.json` and in its own file."""

Shown = Mapping[str, float]
"""The names that a model knows, and the probability that an image shows each."""

THINGS = 2
"""The place of k among the features."""

_LEAST = 0.02  # probability of a name: a labeller's small probabilities are not accurate
_LARGEST = 1e6  # absolute weight; that of a real calibration is below 100


@dataclass(frozen=True)
class Weights:
    """The weights of the regression: the constant, a, b, c and d."""

    bias: float
    mean_logprob: float
    words: float
    things: float
    support: float


@dataclass(frozen=True)
class Scores:
    """How well a regression predicts, and where it was fitted.

    Attributes:
        captions: the number of captions to which it was fitted.
        right: the share of them that are right, from 0 to 1.
        brier: the Brier score of captions that were held out: the mean squared difference of confidence and outcome (1
            for right, 0 for wrong; Brier 1950).
        ece: their expected calibration error (Naeini et al. 2015), over ten intervals of equal width.
        split: the split whose images were captioned.
        model_sha256: the hash of the weights of the model that captioned them.
        sibling: whether that is another model than the one that has the calibration, trained without the split.
    """

    captions: int
    right: float
    brier: float
    ece: float
    split: str
    model_sha256: str
    sibling: bool = False


@dataclass(frozen=True)
class Calibration:
    """A fitted regression.

    Attributes:
        weights: its weights.
        scores: how well it predicts.
        names: the names of things, and the words that mention them.
    """

    weights: Weights
    scores: Scores
    names: Names

    @classmethod
    def from_dict(cls, data: object, where: str) -> Calibration:
        """A calibration from its stored form, with every value checked.

        Args:
            data: the parsed JSON.
            where: the artifact's name, for messages.

        Raises:
            ArtifactError: a value is missing, unknown, of the wrong type or out of range.
        """
        stored = data if isinstance(data, dict) else {}
        weights, scores = _checked(Weights, stored.get("weights"), where), _checked(Scores, stored.get("scores"), where)
        shares = (scores.right, scores.brier, scores.ece)
        if max(map(abs, astuple(weights))) > _LARGEST or not all(0 <= share <= 1 for share in shares):
            raise ArtifactError(f"{where}: damaged calibration (a number is out of range)")
        return cls(weights, scores, Names.from_dict(stored.get("names"), f"{where}, calibration"))

    def to_dict(self) -> dict[str, Any]:
        """The calibration as a JSON object."""
        return {"weights": asdict(self.weights), "scores": asdict(self.scores), "names": self.names.to_dict()}

    def rate(self, captions: Sequence[tuple[Candidate, ...]], shown: Sequence[Shown]) -> list[tuple[Candidate, ...]]:
        """The candidates for each of B images with their confidence.

        Args:
            captions: the candidates for each image.
            shown: what each image shows.
        """
        return [
            tuple(replace(one, confidence=self.confidence(one, own)) for one in candidates)
            for candidates, own in zip(captions, shown, strict=True)
        ]

    def confidence(self, candidate: Candidate, shown: Shown) -> float | None:
        """The probability that a caption is right, rounded to four decimals; None for a caption of a baseline.

        Args:
            candidate: the caption.
            shown: what its image shows.
        """
        found = features(candidate, shown, self.names)
        if found is None:
            return None
        if not found[THINGS]:
            return 0.0
        bias, *slopes = astuple(self.weights)
        return round(sigmoid(bias + sum(slope * value for slope, value in zip(slopes, found, strict=True))), 4)


StoredT = TypeVar("StoredT", Weights, Scores)


def _checked(kind: type[StoredT], data: object, where: str) -> StoredT:
    required = [field.name for field in fields(kind) if field.default is MISSING]
    if not isinstance(data, dict) or any(name not in data for name in required):
        raise ArtifactError(f"{where}: damaged calibration (its {kind.__name__.lower()} need {', '.join(required)})")
    return from_dict(kind, data, where)


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1 + math.tanh(0.5 * x))


def features(candidate: Candidate, shown: Shown, names: Names) -> tuple[float, float, float, float] | None:
    """m, n, k and s of a caption; None for a caption of a baseline.

    Args:
        candidate: the caption.
        shown: what its image shows.
        names: the names of things.
    """
    mean = candidate.mean_logprob
    if mean is None:
        return None
    mentioned = [names.names[number] for number in names.mentions(tokenize(candidate.caption))]
    support = sum(math.log(max(shown[name], _LEAST)) for name in mentioned if name in shown)
    return mean, float(len(candidate.caption.split())), float(len(mentioned)), support


def shown_in(known: Sequence[str], probabilities: Tensor) -> list[Shown]:
    """What each of B images shows.

    Args:
        known: the M names that the model knows.
        probabilities: (B, M) of each name in each image.
    """
    return [dict(zip(known, row, strict=True)) for row in probabilities.tolist()]


def calibration_of(facts: Mapping[str, Any], where: str) -> Calibration | None:
    """The calibration among the facts of a trained model (`core.learning.model_dir`); None if it has none.

    Raises:
        ArtifactError: it is damaged.
    """
    return Calibration.from_dict(facts[KEY], where) if KEY in facts else None


def usable(
    calibration: Calibration | None, decoding: DecodingConfig, min_confidence: float | None
) -> Calibration | None:
    """The calibration that applies to captions of these settings; None if there is none.

    Args:
        calibration: the model's calibration, if it has one.
        decoding: the settings; sampled captions are not calibrated, and those of other searches approximately.
        min_confidence: the confidence below which captions are withheld; None withholds none.

    Raises:
        ConfigError: captions are to be withheld, but there is no calibration for them.
    """
    if min_confidence is not None:
        if not 0 <= min_confidence <= 1:
            raise ConfigError("`min_confidence` takes a probability from 0 to 1")
        if decoding.sample:
            raise ConfigError("`min_confidence` applies to beam search only: sampled captions have no confidence")
        if calibration is None:
            raise ConfigError(
                "`min_confidence`: the model has no calibration; `vsa calibrate` makes one, and `calibration` of "
                "`vsa pack` adds it to a model"
            )
    return None if decoding.sample else calibration


def withhold(results: Iterable[CaptionResult], min_confidence: float | None) -> Iterator[CaptionResult]:
    """Add the confidence to each result, and withhold the candidates of those below a minimum.

    A withheld result has no candidates, but the confidence of the first, the reason, and the captions of its regions.

    Args:
        results: the results.
        min_confidence: the confidence below which captions are withheld; None withholds none.
    """
    for result in results:
        confidence = result.candidates[0].confidence if result.candidates else None
        if confidence is None or min_confidence is None or confidence >= min_confidence:
            yield replace(result, confidence=confidence)
        else:
            reason = f"confidence {confidence:g} is below {min_confidence:g}"
            yield replace(result, candidates=(), confidence=confidence, withheld=reason)
