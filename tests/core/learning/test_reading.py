"""Where the regions of a training run are, in which order they are taken, and batches that are read ahead."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

import pytest

from vsa_cli.commands.training_options import bytes_of
from vsa_cli.core.errors import ConfigError
from vsa_cli.core.learning import reading
from vsa_cli.core.learning.model_dir import write_tensors
from vsa_cli.core.learning.reading import Reading, plan_reading
from vsa_cli.options import UsageError


def saved(folder: Path, plan: str) -> Path:
    """A run to resume."""
    folder.mkdir(exist_ok=True)
    write_tensors(folder / "training.safetensors", {}, {"plan": plan, "history": "[]"})
    return folder


def test_regions_are_in_memory_if_they_need_a_quarter_of_it(tmp_path: Path) -> None:
    assert plan_reading(100, 400, None) == Reading()
    assert plan_reading(101, 400, None) == plan_reading(101, 400, tmp_path) == Reading(stream=True, blocks=True)
    assert plan_reading(101, 400, None, by_image=True) == Reading(stream=True)


def test_resumed_run_keeps_its_order(tmp_path: Path) -> None:
    in_blocks, usual = saved(tmp_path / "a", '{"order": "blocks"}'), saved(tmp_path / "b", "{}")
    assert plan_reading(100, 1e9, in_blocks) == Reading(blocks=True)
    assert plan_reading(100, 1, in_blocks) == Reading(stream=True, blocks=True)
    assert plan_reading(100, 1e9, usual) == Reading()
    with pytest.raises(ConfigError, match=r"b: the run to resume needs its regions in memory, 5\.0 GB: .* 20\.0G"):
        plan_reading(5_000_000_000, 1e9, usual)


def test_a_system_that_cannot_stream_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CAN_STREAM", False)
    assert plan_reading(100, 400, None) == Reading()
    with pytest.raises(ConfigError, match="`memory` to"):
        plan_reading(101, 400, None)


def test_batches_are_made_ahead_and_keep_their_order() -> None:
    made, later = [], threading.Event()

    def make(number: int) -> int:
        if number == 0:
            assert later.wait(60), "the others are made meanwhile"
        made.append(number)
        if number == reading.AHEAD:
            later.set()
        return number

    batches = Reading(stream=True, readers=2).ahead(partial(make, number) for number in range(50))
    assert next(batches) == 0
    assert made[-1] == 0, "the first ended last"
    assert len(made) == reading.AHEAD + 1
    assert list(batches) == list(range(1, 50))


def test_error_of_a_reader_ends_the_run() -> None:
    batches = Reading(stream=True).ahead(partial(divmod, 1, number) for number in (1, 0, 1))
    assert next(batches) == (1, 0)
    with pytest.raises(ZeroDivisionError):
        next(batches)


@pytest.mark.parametrize(
    ("text", "size"), [("512", 512), ("8G", 8e9), ("1.5g", 1.5e9), ("512MB", 5.12e8), ("2T", 2e12), ("7k", 7e3)]
)
def test_sizes_are_read(text: str, size: float) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "0", "0.0G", "G", "-1G", "1 G", "1e9", "8X", "nan", "inf", "\u0662G", "9" * 40])
def test_other_texts_are_no_sizes(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size such as 8G"):
        bytes_of(text)
