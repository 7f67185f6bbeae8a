"""Successive halving against a brute-force bracket, with a simulated trainer."""

from __future__ import annotations

import json
import math
from collections.abc import Generator
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vsa_cli.core.config import EMBED_PRESETS, EmbedTraining, SweepConfig
from vsa_cli.core.embedding.halving import Metrics, Rung, Setting, SweepPlan, Trial, Winner, halve, plan_sweep
from vsa_cli.core.errors import ArtifactError, ConfigError, DivergedError

Scores = dict[tuple[Setting, int], float]


class FakeTrainer:
    """Has a score for each setting and number of epochs, NaN if it diverges. Records what it trained."""

    def __init__(self, scores: Scores) -> None:
        self.scores = scores
        self.trained: list[tuple[Setting, int]] = []

    def __call__(self, rung: Rung, setting: Setting) -> Generator[str, None, Metrics]:
        self.trained.append((setting, rung.epochs))
        yield f"training {setting}"
        score = self.scores[setting, rung.epochs]
        if math.isnan(score):
            raise DivergedError("the loss is nan")
        return {"rsum": score}


def bracket(plan: SweepPlan, scores: Scores) -> tuple[Setting, list[tuple[Setting, int]]] | None:
    """The winner and everything that is trained on the way to it, by the definition; None if all diverge."""
    left, trained = list(plan.settings), []
    for rung in plan.rungs:
        contest = [(scores[setting, rung.epochs], -place, setting) for place, setting in enumerate(left)]
        trained += [(setting, rung.epochs) for setting in left]
        finished = sorted((entry for entry in contest if not math.isnan(entry[0])), key=lambda e: e[:2], reverse=True)
        if not finished:
            return None
        left = [setting for _, _, setting in finished[: max(1, len(left) // 3)]]
    return left[0], trained


plans = st.builds(
    lambda rates, decays, epochs: plan_sweep(EmbedTraining(epochs=epochs), "tune", rates, decays),
    st.lists(st.sampled_from([1e-4, 3e-4, 1e-3, 3e-3, 1e-2]), min_size=2, max_size=5, unique=True),
    st.lists(st.sampled_from([0.0, 1e-3, 1e-2, 1e-1]), min_size=1, max_size=4, unique=True),
    st.integers(1, 20),
)
some_scores = st.sampled_from([math.nan, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])


def draw_scores(data: st.DataObject, plan: SweepPlan) -> Scores:
    return {(setting, rung.epochs): data.draw(some_scores) for setting in plan.settings for rung in plan.rungs}


@given(plans, st.data())
def test_halving_equals_the_brute_force_bracket(plan: SweepPlan, data: st.DataObject) -> None:
    scores = draw_scores(data, plan)
    expected, trainer = bracket(plan, scores), FakeTrainer(scores)
    if expected is None:
        with pytest.raises(DivergedError, match="every trial of rung"):
            list(halve(plan, trainer))
        return
    records = list(halve(plan, trainer))
    assert (records[-1], trainer.trained) == (Winner(expected[0]), expected[1])
    trials = [record for record in records if isinstance(record, Trial)]
    assert [(trial.setting, trial.epochs) for trial in trials] == trainer.trained
    assert [trial.diverged is not None for trial in trials] == [math.isnan(scores[key]) for key in trainer.trained]
    assert sum(trial.epochs for trial in trials) + plan.epochs <= plan.total_epochs
    assert len(trials) <= plan.trials


@given(plans, st.data())
def test_sweep_killed_anywhere_resumes_to_the_same_end(plan: SweepPlan, data: st.DataObject) -> None:
    scores = draw_scores(data, plan)
    expected = bracket(plan, scores)
    assume(expected is not None)
    assert expected is not None
    whole = [record for record in halve(plan, FakeTrainer(scores)) if isinstance(record, Trial)]
    done = whole[: data.draw(st.integers(0, len(whole)))]
    stored = [Trial.from_dict(json.loads(json.dumps(trial.to_dict())), "here") for trial in done]
    assert stored == done
    again = FakeTrainer(scores)
    records = list(halve(plan, again, stored))
    assert [record for record in records if isinstance(record, Trial)] == whole
    assert records[-1] == Winner(expected[0])
    assert again.trained == expected[1][len(done) :]


def test_default_sweep_is_twelve_trials_then_four() -> None:
    _, training = EMBED_PRESETS["best"]
    plan = plan_sweep(replace(training, learning_rate=1e-3, weight_decay=1e-2, epochs=12), "tune")
    assert sorted({setting.learning_rate for setting in plan.settings}) == [1e-4, 3e-4, 1e-3, 3e-3]
    assert sorted({setting.weight_decay for setting in plan.settings}) == [1e-3, 1e-2, 1e-1]
    assert plan.rungs == (Rung(1, 12, 2), Rung(2, 4, 6))
    assert plan.total_epochs == 12 * 2 + 4 * 6 + 12


@given(st.integers(2, 200), st.integers(1, 100), st.integers(1, 5), st.integers(2, 4))
def test_rungs_grow_up_to_the_length_of_the_winners_training(trials: int, epochs: int, first: int, share: int) -> None:
    rates = [float(number + 1) for number in range(trials)]
    config = SweepConfig(epochs=first, share=share)
    rungs = plan_sweep(EmbedTraining(epochs=epochs), "tune", rates, [0.0], config).rungs
    assert rungs[0] == Rung(1, trials, min(first, epochs))
    for before, after in pairwise(rungs):
        assert after.trials == max(1, before.trials // share)
        assert after.trials > 1
        assert after.epochs == min(before.epochs * share, epochs) > before.epochs
    assert rungs[-1].trials // share <= 1 or rungs[-1].epochs == epochs


def test_duplicate_settings_are_tried_once() -> None:
    plan = plan_sweep(EmbedTraining(), "tune", [1e-3, 1e-3, 1e-4], [0.0, 0.0])
    assert plan.settings == (Setting(1e-4, 0.0), Setting(1e-3, 0.0))


def test_sweep_without_validation_or_with_one_setting_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"only one: learning rate 0\.001, weight decay 0"):
        plan_sweep(EmbedTraining(), "tune", [1e-3], [0.0])
    with pytest.raises(ConfigError, match="held-out images: give their split as `validate`"):
        plan_sweep(EmbedTraining(), None)


GOOD = Trial(1, Setting(1e-3, 0.0), 2, {"rsum": 3.0}).to_dict()


@pytest.mark.parametrize(
    "damaged",
    [
        None, [], "rung", {}, {**GOOD, "rung": "1"}, {**GOOD, "learning_rate": None}, {**GOOD, "weight_decay": 10**400},
        {**GOOD, "epochs": True}, {**GOOD, "metrics": {}}, {**GOOD, "metrics": {"rsum": "3"}}, {**GOOD, "metrics": 3},
        {**GOOD, "diverged": "it did"}, {**GOOD, "diverged": 1}, {**GOOD, "metrics": {"rsum": math.inf}},
    ],
)  # fmt: skip
def test_damaged_trial_is_refused(damaged: object) -> None:
    with pytest.raises(ArtifactError, match="here"):
        Trial.from_dict(damaged, "here")
