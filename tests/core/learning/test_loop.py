"""The training loop on a toy task: descent, best weights, early stopping, exact resuming, divergence."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from vsa_cli.core.config import EMBED_PRESETS, GENERATOR_PRESETS, EmbedTraining, GeneratorTraining
from vsa_cli.core.errors import DivergedError
from vsa_cli.core.learning.checkpoint import read_training, write_training
from vsa_cli.core.learning.loop import Epoch, Schedule, Step, TrainingState, cosine_rate, fit, make_optimizer


class Line:
    """Fit y = 2x + 1 with dropout, so that random numbers matter."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.3), nn.Linear(8, 1))
        self.x = torch.linspace(-1, 1, 32)[:, None]

    def batches(self, generator: torch.Generator) -> Iterable[Tensor]:
        return self.x[torch.randperm(32, generator=generator)].split(8)

    def loss(self, batch: Tensor) -> tuple[Tensor, float, int]:
        loss = (self.model(batch) - (2 * batch + 1)).square().mean()
        return loss, loss.item() * len(batch), len(batch)

    def validate(self) -> dict[str, float]:
        return {"error": (self.model(self.x) - (2 * self.x + 1)).abs().mean().item()}

    def selection_metric(self, validation: dict[str, float]) -> float:
        return -validation["error"]


def schedule(epochs: int, patience: int = 99, keep_last: bool = False) -> Schedule:
    return Schedule(0.05, 5.0, epochs, patience, 4, keep_last)


def new_task() -> tuple[Line, TrainingState]:
    task = Line()
    return task, TrainingState(task.model, torch.optim.RMSprop(task.model.parameters(), lr=0.05))


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_fit_learns_and_reports_every_step() -> None:
    task, state = new_task()
    records = list(fit(task, state, schedule(10), 0, lambda: None))
    epochs = [r for r in records if isinstance(r, Epoch)]
    assert len([r for r in records if isinstance(r, Step)]) == 40
    assert epochs[-1].loss < epochs[0].loss / 2
    assert [e.number for e in epochs] == list(range(1, 11))
    assert all(e.items == 32 for e in epochs)


def test_best_weights_are_kept() -> None:
    task, state = new_task()
    list(fit(task, state, schedule(10), 0, lambda: None))
    best = min(state.history, key=lambda e: e.validation["error"])
    task.model.load_state_dict(state.best)
    assert task.validate() == pytest.approx(best.validation)
    assert [e for e in state.history if e.best][-1] is best


def test_keep_last_keeps_the_last_weights() -> None:
    task, state = new_task()
    list(fit(task, state, schedule(6, keep_last=True), 0, lambda: None))
    assert all(torch.equal(value, state.best[name]) for name, value in weights(task.model).items())


def test_patience_ends_training() -> None:
    class Flat(Line):
        def validate(self) -> dict[str, float]:
            return {"error": 1.0}

    task = Flat()
    state = TrainingState(task.model, torch.optim.RMSprop(task.model.parameters(), lr=0.05))
    list(fit(task, state, schedule(50, patience=3), 0, lambda: None))
    assert len(state.history) == 4


@pytest.mark.parametrize("killed_after", [1, 3, 5])
def test_resumed_run_ends_at_the_same_weights_bit_for_bit(tmp_path: Path, killed_after: int) -> None:
    task, state = new_task()
    list(fit(task, state, schedule(6), 3, lambda: None))

    first, broken = new_task()
    for record in fit(first, broken, schedule(6), 3, lambda: write_training(tmp_path, broken, {"lr": 1})):
        if isinstance(record, Step) and record.epoch == killed_after + 1 and record.step == 2:
            break
    second, resumed = new_task()
    read_training(tmp_path, resumed, {"lr": 1})
    assert len(resumed.history) == killed_after
    list(fit(second, resumed, schedule(6), 3, lambda: None))
    for one, other in ((weights(task.model), weights(second.model)), (state.best, resumed.best)):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_non_finite_loss_stops_training_and_names_the_step() -> None:
    class Exploding(Line):
        def loss(self, batch: Tensor) -> tuple[Tensor, float, int]:
            loss, _, count = super().loss(batch)
            return loss, float("nan"), count

    task = Exploding()
    state = TrainingState(task.model, torch.optim.RMSprop(task.model.parameters(), lr=0.05))
    with pytest.raises(DivergedError, match=r"epoch 1, step 1, learning rate 5.00e-02.*`learning_rate`"):
        list(fit(task, state, schedule(2), 0, lambda: None))


@pytest.mark.parametrize("kept", [0, 1])
def test_exploding_loss_stops_training(kept: int) -> None:
    class Growing(Line):
        def loss(self, batch: Tensor) -> tuple[Tensor, float, int]:
            loss, total, count = super().loss(batch)
            return loss, total * (1 + 1e7 * (len(state.history) == kept and len(seen) == 4 * kept + 2)), count

    seen: list[object] = []
    task = Growing()
    state = TrainingState(task.model, torch.optim.RMSprop(task.model.parameters(), lr=0.05))
    with pytest.raises(DivergedError, match=rf"the loss is .* at epoch {kept + 1}, step 3, .*`learning_rate`"):
        seen.extend(record for record in fit(task, state, schedule(3), 0, lambda: None) if isinstance(record, Step))


class Breaking(Line):
    """Its weights or its validation become non-finite after the last loss."""

    def __init__(self, *, weights: bool) -> None:
        super().__init__()
        self.weights = weights

    def validate(self) -> dict[str, float]:
        if self.weights:
            with torch.no_grad():
                self.model[2].bias.fill_(float("inf"))
        return {"error": 1.0 if self.weights else float("nan")}


@pytest.mark.parametrize(("broken", "message"), [(True, r"2\.bias has weights"), (False, "error is nan")])
def test_non_finite_weights_of_the_last_step_are_not_saved(broken: bool, message: str) -> None:
    task = Breaking(weights=broken)
    state = TrainingState(task.model, torch.optim.RMSprop(task.model.parameters(), lr=0.05))
    with pytest.raises(DivergedError, match=f"{message}.* at epoch 1, step 4"):
        list(fit(task, state, schedule(2), 0, lambda: pytest.fail("it was saved")))


@pytest.mark.parametrize(
    ("training", "kind", "settings"),
    [
        (EMBED_PRESETS["paper"][1], torch.optim.SGD, {"lr": 2e-5, "momentum": 0.9, "weight_decay": 1e-5}),
        (EMBED_PRESETS["best"][1], torch.optim.AdamW, {"lr": 1e-3, "weight_decay": 1e-2, "betas": (0.9, 0.999)}),
        (GENERATOR_PRESETS["paper"][1], torch.optim.RMSprop, {"lr": 5e-4, "alpha": 0.99, "weight_decay": 0}),
        (GENERATOR_PRESETS["best"][1], torch.optim.AdamW, {"lr": 1e-3, "weight_decay": 1e-4}),
    ],
)
def test_optimizer_has_the_configured_kind_and_settings(
    training: EmbedTraining | GeneratorTraining, kind: type[torch.optim.Optimizer], settings: dict[str, Any]
) -> None:
    model = nn.Linear(2, 3)
    optimizer = make_optimizer(model, training)
    assert type(optimizer) is kind
    (group,) = optimizer.param_groups
    assert {name: group[name] for name in settings} == settings
    assert [id(parameter) for parameter in group["params"]] == [id(parameter) for parameter in model.parameters()]


def test_learning_rate_follows_half_a_cosine() -> None:
    rates = [cosine_rate(1.0, step, 40) for step in range(41)]
    assert rates[0] == 1.0
    assert rates[20] == pytest.approx(0.5)
    assert rates[40] == pytest.approx(0.0, abs=1e-12)
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_tail_of_a_cnn_learns_at_its_own_rate(optimizer: Literal["adam", "sgd"]) -> None:
    model = nn.ModuleDict({"cnn": nn.Linear(2, 2), "other": nn.Linear(2, 2)})
    training = EmbedTraining(optimizer=optimizer, learning_rate=0.1, cnn_rate=0.01)
    other, cnn = make_optimizer(model, training).param_groups
    assert [len(group["params"]) for group in (other, cnn)] == [2, 2]
    assert cnn["params"][0] is model["cnn"].weight
    assert "initial_rate" not in other
    assert cnn["initial_rate"] == 0.01
    (every,) = make_optimizer(model, EmbedTraining(optimizer=optimizer)).param_groups
    assert list(every["params"]) == list(model.parameters())


def test_the_rates_of_all_groups_fall_together() -> None:
    task = Line()
    first, _, last = task.model
    groups = [{"params": list(last.parameters())}, {"params": list(first.parameters()), "initial_rate": 0.004}]
    state = TrainingState(task.model, torch.optim.SGD(groups, lr=1.0))
    records = fit(task, state, schedule(2), 0, lambda: None)
    assert next(records, None) is not None
    for _ in records:
        usual, own = (group["lr"] for group in state.optimizer.param_groups)
        assert own == pytest.approx(usual * 0.004 / 0.05)
