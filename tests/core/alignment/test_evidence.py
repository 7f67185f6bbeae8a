"""Evidence that a region gathers from the regions inside it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vsa_cli.core.alignment.evidence import unary_term
from vsa_cli.core.alignment.word_scores import WordScores
from vsa_cli.core.config import AlignConfig


def word_scores(in_sentence: np.ndarray, alone: np.ndarray | None = None, named: float | np.ndarray = 0) -> WordScores:
    return WordScores(in_sentence, in_sentence if alone is None else alone, named + np.zeros_like(in_sentence))


def gather(scores: np.ndarray, boxes: np.ndarray, *, region_prior: float = 1.0) -> np.ndarray:
    """Without a share of the region's own score."""
    config = AlignConfig(region_prior=region_prior, area_exponent=0.4, own_weight=0)
    return unary_term(boxes, config)(word_scores(scores))


def naive(scores: WordScores, boxes: np.ndarray, config: AlignConfig) -> np.ndarray:
    """The equation, word by word and box by box."""

    def z(found: np.ndarray) -> np.ndarray:
        centred = found - found.mean(1, keepdims=True)
        return centred / centred.std()

    def area(box: np.ndarray) -> float:
        return float(max(box[2] - box[0], 0) * max(box[3] - box[1], 0))

    y = (z(scores.in_sentence) + z(scores.alone)) / 2 + config.name_weight * scores.named
    out = np.zeros_like(y)
    for t in range(len(y)):
        for i, outer in enumerate(boxes):
            for j, inner in enumerate(boxes):
                shared = np.concatenate([np.maximum(outer[:2], inner[:2]), np.minimum(outer[2:], inner[2:])])
                out[t, i] += area(shared) / area(inner) * (y[t, j] + config.region_prior)
            out[t, i] /= (area(outer) / area(boxes[0])) ** config.area_exponent
            out[t, i] = (1 - config.own_weight) * out[t, i] + config.own_weight * y[t, i]
    return out


def draw(seed: int, words: int, regions: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 80, (regions, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 20, (regions, 2))], 1)
    boxes[0] = (0, 0, 100, 100)
    return rng.normal(size=(words, regions)), boxes


@given(seed=st.integers(0, 10**6), words=st.integers(1, 6), regions=st.integers(2, 8))
@settings(max_examples=40, deadline=None)
def test_gathered_evidence_equals_the_equation(seed: int, words: int, regions: int) -> None:
    rng = np.random.default_rng(seed)
    scores, boxes = draw(seed, words, regions)
    found = word_scores(scores, rng.normal(size=scores.shape), rng.normal(size=scores.shape))
    config = AlignConfig(region_prior=0.7, area_exponent=0.4, own_weight=0.3, name_weight=0.6)
    np.testing.assert_allclose(unary_term(boxes, config)(found), naive(found, boxes, config), rtol=1e-4, atol=1e-4)


def test_whole_object_is_preferred_to_its_best_part() -> None:
    boxes = np.array([[0, 0, 100, 100], [10, 10, 50, 50], [10, 10, 30, 30], [30, 30, 50, 50], [60, 60, 90, 90]])
    scores = np.array([[0.1, 0.3, 0.4, 0.3, -0.3]])
    assert scores.argmax() == 2
    assert gather(scores, boxes, region_prior=0.0).argmax() == 1


def test_scale_and_offset_of_scores_do_not_matter() -> None:
    scores, boxes = draw(3, 4, 6)
    one = gather(scores, boxes, region_prior=1.0)
    np.testing.assert_allclose(one, gather(scores * 50 + 7, boxes, region_prior=1.0), rtol=1e-4, atol=1e-4)


def test_flat_scores_and_empty_boxes_stay_finite() -> None:
    boxes = np.array([[0, 0, 10, 10], [4, 4, 4, 9]])
    assert np.isfinite(gather(np.ones((2, 2)), boxes, region_prior=1.0)).all()


def test_single_region() -> None:
    assert gather(np.ones((3, 1)), np.array([[0, 0, 5, 5]]), region_prior=1.0).shape == (3, 1)


def test_own_evidence_equals_the_scores() -> None:
    scores, boxes = draw(5, 3, 4)
    np.testing.assert_array_equal(
        unary_term(boxes, AlignConfig(evidence="own"))(word_scores(scores)), scores.astype(np.float32)
    )
