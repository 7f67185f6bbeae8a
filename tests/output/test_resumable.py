"""JSON Lines of an interrupted run: the lines kept, the photographs captioned again, and files that are refused."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vsa_cli.core.errors import ArtifactError, ConfigError, DataError
from vsa_cli.output.resumable import ResumableFile

NAMES = {"candidates": False, "regions": False}


def line(path: str, error: str | None = None, **more: object) -> str:
    return json.dumps({"path": path, "caption": None if error else "a dog", **more, "error": error})


def resumed(out: Path) -> ResumableFile:
    return ResumableFile(out, force=False, resume=True, names=NAMES)


def fresh(out: Path, *, force: bool = False) -> ResumableFile:
    return ResumableFile(out, force=force, resume=False, names=NAMES)


def write(file: ResumableFile, lines: Iterable[str]) -> None:
    with file:
        for text in lines:
            file.write(text)


def interrupted(*lines: str) -> Iterator[str]:
    yield from lines
    raise KeyboardInterrupt


def test_interrupted_run_leaves_its_part_for_the_next(tmp_path: Path) -> None:
    out = tmp_path / "new" / "c.jsonl"
    with pytest.raises(KeyboardInterrupt):
        write(fresh(out), interrupted(line("a"), line("b", "broken")))
    assert [path.name for path in out.parent.iterdir()] == ["c.jsonl.part"]
    with pytest.raises(ConfigError, match="--resume continues it"):
        fresh(out)
    file = resumed(out)
    assert file.done == {"a"}
    write(file, [line("b"), line("c")])
    assert out.read_text().splitlines() == [line("a"), line("b"), line("c")]
    assert [path.name for path in out.parent.iterdir()] == ["c.jsonl"]


def test_interruption_before_the_first_line_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(fresh(tmp_path / "c.jsonl"), interrupted())
    assert list(tmp_path.iterdir()) == []


def test_only_failures_of_a_complete_file_are_captioned_again(tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    write(fresh(out), [line("a"), line("b", "broken"), line("ü\udcff")])
    with pytest.raises(ConfigError, match="`force`"):
        fresh(out)
    file = resumed(out)
    assert file.done == {"a", "ü\udcff"}
    write(file, [])
    assert out.read_text().splitlines() == [line("a"), line("ü\udcff")]
    write(fresh(out, force=True), [line("z")])
    assert out.read_text().splitlines() == [line("z")]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 200))
def test_incomplete_line_is_captioned_again(tmp_path: Path, at: int) -> None:
    whole = "".join(f"{line(name)}\n" for name in "abc").encode()
    out = tmp_path / f"{at}.jsonl"
    out.with_name(f"{at}.jsonl.part").write_bytes(whole[:at])
    file = resumed(out)
    assert sorted(file.done) == list("abc")[: whole[:at].count(b"\n")]
    write(file, (line(name) for name in "abc" if name not in file.done))
    assert out.read_bytes() == whole


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[1]\n", "line 1"),
        (b'{"path": "a", "error": null}\n{"path": 3, "error": null}\n', "line 2"),
        (b'{"path": "a"}\n', "cannot resume"),
        (b"\xff\xfe\n", "not a file of captions"),
        (b"[" * 100_000 + b"\n", "cannot resume"),
        (line("a", regions=[]).encode() + b"\n", "with regions"),
    ],
)
def test_file_that_cannot_be_resumed_is_refused_and_kept(tmp_path: Path, content: bytes, words: str) -> None:
    out = tmp_path / "c.jsonl"
    out.write_bytes(content)
    with pytest.raises(ArtifactError, match=words):
        resumed(out)
    assert out.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["c.jsonl"]


def test_run_with_regions_does_not_resume_one_without(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text(line("a") + "\n")
    with pytest.raises(ArtifactError, match="without regions"):
        ResumableFile(tmp_path / "c.jsonl", force=False, resume=True, names={"regions": True})


@pytest.mark.parametrize("whole", range(8))
def test_incomplete_batch_is_captioned_again(tmp_path: Path, whole: int) -> None:
    out = tmp_path / "c.jsonl"
    out.with_name("c.jsonl.part").write_text("".join(f"{line(name)}\n" for name in "abcdefg"[:whole]))
    file = ResumableFile(out, force=False, resume=True, names=NAMES, batch_size=3)
    assert file.done == set("abcdefg"[: whole // 3 * 3])
    write(file, (line(name) for name in "abcdefg" if name not in file.done))
    assert out.read_text().splitlines() == [line(name) for name in "abcdefg"]


def test_last_batch_of_a_complete_file_may_be_smaller(tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    write(fresh(out), [line("a"), line("b")])
    assert ResumableFile(out, force=False, resume=True, names=NAMES, batch_size=3).done == {"a", "b"}


def test_full_disk_is_reported_and_leaves_the_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = fresh(tmp_path / "c.jsonl")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("vsa_cli.output.resumable.os.fsync", full)
    with pytest.raises(DataError, match=r"c\.jsonl: cannot write: No space left"):
        write(file, [line("a")])
    assert (tmp_path / "c.jsonl.part").read_text() == line("a") + "\n"
    assert not (tmp_path / "c.jsonl").exists()
