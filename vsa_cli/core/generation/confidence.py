"""The confidence of a caption: the probability that it is right, by a calibration of its model.

A caption is right if it mentions at least one thing, and if every thing that it mentions is also mentioned by a
reference of the image (`core.generation.calibration`). Its probability is a logistic regression (Cox 1958) on what the
search knows of the caption:

    P(right) = 1 / (1 + exp(-(bias + a m + b n)))

m is the mean log-probability of a word, END counted, in nats, and n the number of words. The calibration is stored in
the model's `config.json` under the key `calibration`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

from vsa_cli.core.config import DecodingConfig
from vsa_cli.core.errors import ArtifactError, ConfigError
from vsa_cli.core.generation.results import Candidate, CaptionResult
from vsa_cli.core.io.envelope import from_dict

KEY = "calibration"
"""The key of a calibration in a model's `config.json` and in its own file."""

_LARGEST = 1e6  # absolute weight; that of a real calibration is below 100


@dataclass(frozen=True)
class Calibration:
    """The weights of the regression, and how well it predicts.

    Attributes:
        bias: the constant.
        mean_logprob: a, the weight of the mean log-probability per word, in nats.
        words: b, the weight of the number of words.
        captions: the number of captions to which the weights were fitted.
        right: the share of them that are right, from 0 to 1.
        brier: the Brier score of captions that were held out: the mean squared difference of confidence and outcome (1
            for right, 0 for wrong; Brier 1950).
        ece: their expected calibration error (Naeini et al. 2015), over ten bins of equal width.
        split: the split whose images were captioned.
        model_sha256: the hash of the weights of the model that captioned them.
        sibling: whether that is another model than the one that has the calibration, trained without the split.
    """

    bias: float
    mean_logprob: float
    words: float
    captions: int
    right: float
    brier: float
    ece: float
    split: str
    model_sha256: str
    sibling: bool = False

    @classmethod
    def from_dict(cls, data: object, where: str) -> Calibration:
        """A calibration from its stored form, with every value checked.

        Args:
            data: the parsed JSON.
            where: the artifact's name, for messages.

        Raises:
            ArtifactError: a value is missing, unknown, of the wrong type or out of range.
        """
        names = [field.name for field in fields(cls) if field.default is MISSING]
        if not isinstance(data, dict) or any(name not in data for name in names):
            raise ArtifactError(f"{where}: damaged calibration (it needs {', '.join(names)})")
        calibration = from_dict(cls, data, where)
        weights = (calibration.bias, calibration.mean_logprob, calibration.words)
        shares = (calibration.right, calibration.brier, calibration.ece)
        if max(map(abs, weights)) > _LARGEST or not all(0 <= share <= 1 for share in shares):
            raise ArtifactError(f"{where}: damaged calibration (a number is out of range)")
        return calibration

    def confidence(self, candidate: Candidate) -> float | None:
        """The probability that a caption is right, rounded to four decimals; None for a caption of a baseline."""
        if candidate.mean_logprob is None:
            return None
        words = len(candidate.caption.split())
        return round(sigmoid(self.bias + self.mean_logprob * candidate.mean_logprob + self.words * words), 4)


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1 + math.tanh(0.5 * x))


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


def judge(
    results: Iterable[CaptionResult], calibration: Calibration | None, min_confidence: float | None
) -> Iterator[CaptionResult]:
    """Add the confidence to each result, and withhold the captions of those below a minimum.

    A withheld result has no candidates, but its confidence, the reason, and the captions of its regions.

    Args:
        results: the results.
        calibration: the model's calibration; None adds no confidence.
        min_confidence: the confidence below which captions are withheld; None withholds none.
    """
    for result in results:
        confidence = calibration.confidence(result.candidates[0]) if calibration and result.candidates else None
        if confidence is None or min_confidence is None or confidence >= min_confidence:
            yield replace(result, confidence=confidence)
        else:
            reason = f"confidence {confidence:g} is below {min_confidence:g}"
            yield replace(result, candidates=(), confidence=confidence, withheld=reason)
