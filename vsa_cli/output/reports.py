"""What a sweep says: its plan, a line a trial, and the winner's training; `--json` prints the whole as one object."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from vsa_cli.core.io.json import dump_json
from vsa_cli.output.console import Console, print_data, report_training

if TYPE_CHECKING:
    from vsa_cli.core.embedding.halving import SweepPlan, Trial, Winner
    from vsa_cli.core.learning.loop import Epoch, Step


def report_plan(console: Console, plan: SweepPlan) -> None:
    """What a sweep would do, and how many epochs that is, for --dry-run."""
    for name in ("learning_rate", "weight_decay"):
        values = sorted({getattr(setting, name) for setting in plan.settings})
        console.say(f"{name.replace('_', ' ')}: {', '.join(f'{value:g}' for value in values)}")
    for rung in plan.rungs:
        console.say(f"rung {rung.number}: {_count(rung.trials, 'trial')} of {_count(rung.epochs, 'epoch')}")
    console.say(f"then the best for {_count(plan.epochs, 'epoch')}: {plan.total_epochs} epochs in all")


def report_sweep(
    console: Console,
    records: Iterable[Step | Epoch | Trial | Winner],
    plan: SweepPlan,
    *,
    output: Path,
    as_json: bool,
) -> None:
    """Draw a sweep: a bar within an epoch, a line for each trial, and the winner's training like any other."""
    from vsa_cli.core.embedding.halving import Trial, Winner
    from vsa_cli.core.learning.loop import Epoch, Step

    trials: list[Trial] = []
    history: list[Epoch] = []
    stream = iter(records)
    chosen: Winner | None = None
    with ExitStack() as bars:
        bar = None
        for record in stream:
            if isinstance(record, Step):
                label = f"trial {len(trials) + 1} of {plan.trials}, epoch {record.epoch}"
                bar = bar or bars.enter_context(console.progress(label, record.steps, "steps"))
                bar.advance()
                continue
            bars.close()
            bar = None
            if isinstance(record, Trial):
                trials.append(record)
                console.say(_trial_line(record))
            elif isinstance(record, Winner):
                chosen = record
                break
    assert chosen is not None, "a sweep that does not raise has a winner"
    console.say(f"best: {chosen.setting}; it trains for {_count(plan.epochs, 'epoch')}")

    def winners() -> Iterator[Step | Epoch]:
        for record in stream:
            if isinstance(record, Epoch):
                history.append(record)
            if isinstance(record, Epoch | Step):
                yield record

    report_training(console, winners(), output=output, unit="pairs", as_json=False)
    if as_json:
        result = {
            "output": str(output),
            "winner": dataclasses.asdict(chosen.setting),
            "trials": [trial.to_dict() for trial in trials],
            "epochs": [dataclasses.asdict(epoch) for epoch in history],
        }
        print_data(dump_json(result))


def _trial_line(trial: Trial) -> str:
    head = f"rung {trial.rung}  {trial.setting}  {_count(trial.epochs, 'epoch')}"
    if trial.diverged is not None:
        return f"{head}  lost: {trial.diverged}"
    shown = {name: trial.metrics[name] for name in ("i2t_R@1", "t2i_R@1", "rsum") if name in trial.metrics}
    return head + "".join(f"  {name} {value:.4g}" for name, value in shown.items())


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
