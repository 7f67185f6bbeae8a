"""JSON Lines that outlive a death: what is kept, what is done again, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vsa_cli.core.errors import ArtifactError, ConfigError
from vsa_cli.output.resumable import Ledger

NAMES = {"candidates": False, "regions": False}


def line(path: str, error: str | None = None, **more: object) -> str:
    return json.dumps({"path": path, "caption": None if error else "a dog", **more, "error": error})


def resumed(out: Path) -> Ledger:
    return Ledger(out, force=False, resume=True, names=NAMES)


def fresh(out: Path, *, force: bool = False) -> Ledger:
    return Ledger(out, force=force, resume=False, names=NAMES)


def dying(*lines: str) -> Iterator[str]:
    yield from lines
    raise KeyboardInterrupt


def test_a_death_leaves_the_part_and_the_next_run_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "new" / "c.jsonl"
    with pytest.raises(KeyboardInterrupt):
        fresh(out).write(dying(line("a"), line("b", "broken")))
    assert [path.name for path in out.parent.iterdir()] == ["c.jsonl.part"]
    with pytest.raises(ConfigError, match="--resume goes on"):
        fresh(out)
    ledger = resumed(out)
    assert ledger.done == {"a"}
    ledger.write([line("b"), line("c")])
    assert out.read_text().splitlines() == [line("a"), line("b"), line("c")]
    assert [path.name for path in out.parent.iterdir()] == ["c.jsonl"]


def test_a_death_before_the_first_line_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        fresh(tmp_path / "c.jsonl").write(dying())
    assert list(tmp_path.iterdir()) == []


def test_a_finished_file_is_kept_and_only_failures_are_done_again(tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    fresh(out).write([line("a"), line("b", "broken"), line("ü\udcff")])
    with pytest.raises(ConfigError, match="`force`"):
        fresh(out)
    ledger = resumed(out)
    assert ledger.done == {"a", "ü\udcff"}
    ledger.write([])
    assert out.read_text().splitlines() == [line("a"), line("ü\udcff")]
    fresh(out, force=True).write([line("z")])
    assert out.read_text().splitlines() == [line("z")]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 200))
def test_a_line_cut_anywhere_is_done_again(tmp_path: Path, at: int) -> None:
    whole = "".join(f"{line(name)}\n" for name in "abc").encode()
    out = tmp_path / f"{at}.jsonl"
    out.with_name(f"{at}.jsonl.part").write_bytes(whole[:at])
    ledger = resumed(out)
    assert sorted(ledger.done) == list("abc")[: whole[:at].count(b"\n")]
    ledger.write(line(name) for name in "abc" if name not in ledger.done)
    assert out.read_bytes() == whole


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[1]\n", "line 1"),
        (b'{"path": "a", "error": null}\n{"path": 3, "error": null}\n', "line 2"),
        (b'{"path": "a"}\n', "cannot be continued"),
        (b"\xff\xfe\n", "no file of captions"),
        (b"[" * 100_000 + b"\n", "cannot be continued"),
        (line("a", regions=[]).encode() + b"\n", "with regions"),
    ],
)
def test_what_cannot_be_continued_is_told_in_a_line_and_kept(tmp_path: Path, content: bytes, words: str) -> None:
    out = tmp_path / "c.jsonl"
    out.write_bytes(content)
    with pytest.raises(ArtifactError, match=words):
        resumed(out)
    assert out.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["c.jsonl"]


def test_a_run_with_regions_does_not_go_on_from_one_without(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text(line("a") + "\n")
    with pytest.raises(ArtifactError, match="without regions"):
        Ledger(tmp_path / "c.jsonl", force=False, resume=True, names={"regions": True})


@pytest.mark.parametrize("whole", range(8))
def test_a_batch_that_was_cut_short_is_done_again_whole(tmp_path: Path, whole: int) -> None:
    out = tmp_path / "c.jsonl"
    out.with_name("c.jsonl.part").write_text("".join(f"{line(name)}\n" for name in "abcdefg"[:whole]))
    ledger = Ledger(out, force=False, resume=True, names=NAMES, batch=3)
    assert ledger.done == set("abcdefg"[: whole // 3 * 3])
    ledger.write(line(name) for name in "abcdefg" if name not in ledger.done)
    assert out.read_text().splitlines() == [line(name) for name in "abcdefg"]


def test_the_last_batch_of_a_finished_file_need_not_be_full(tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    fresh(out).write([line("a"), line("b")])
    assert Ledger(out, force=False, resume=True, names=NAMES, batch=3).done == {"a", "b"}
