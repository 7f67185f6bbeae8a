from __future__ import annotations

import numpy as np
import pytest

from vsa_cli.core.metrics import bootstrap
from vsa_cli.core.metrics.bootstrap import draw_weights, interval, resample, two_sided_p


def test_strata_are_resampled_separately() -> None:
    weights = np.concatenate(list(draw_weights([3, 0, 5], 50, 0)))
    assert weights.shape == (50, 8)
    assert set(weights[:, :3].sum(axis=1)) == {3}
    assert set(weights[:, 3:].sum(axis=1)) == {5}


def test_chunks_add_up_and_depend_on_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_MAX_WEIGHTS", 40)
    chunks = list(draw_weights([10], 9, 1))
    assert [len(chunk) for chunk in chunks] == [4, 4, 1]
    assert np.array_equal(np.concatenate(chunks), np.concatenate(list(draw_weights([10], 9, 1))))
    assert not np.array_equal(np.concatenate(chunks), np.concatenate(list(draw_weights([10], 9, 2))))


def test_interval_of_a_mean_is_about_two_standard_errors_wide_each_way() -> None:
    values = np.random.default_rng(0).normal(size=400)
    means = resample(lambda weights: {"mean": weights @ values / 400}, [400], 4000)["mean"]
    low, high = interval("mean", means).values()
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.06)
    assert low < values.mean() < high


def test_p_values() -> None:
    assert two_sided_p(np.zeros(99)) == 1
    assert two_sided_p(np.ones(99)) == pytest.approx(2 / 100)
    assert two_sided_p(np.linspace(-1, 1, 101)) == pytest.approx(1, abs=0.02)
