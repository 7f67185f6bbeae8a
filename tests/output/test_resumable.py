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
from vsa_cli.core.io.sources import Photo
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
        (b"\xff\xff\n", "not a file of captions"),
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


@pytest.mark.parametrize(("whole", "kept"), list(enumerate([0, 1, 1, 3, 3, 3, 6, 6, 6, 9, 9])))
def test_incomplete_group_is_captioned_again(tmp_path: Path, whole: int, kept: int) -> None:
    names = "abcdefghij"  # in groups of 1, 2, 3, 3, ...
    out = tmp_path / "c.jsonl"
    out.with_name("c.jsonl.part").write_text("".join(f"{line(name)}\n" for name in names[:whole]))
    file = ResumableFile(out, force=False, resume=True, names=NAMES, batch_size=3)
    assert file.done == set(names[:kept])
    write(file, (line(name) for name in names if name not in file.done))
    assert out.read_text().splitlines() == [line(name) for name in names]


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


def made_with(out: Path, settings: dict[str, object], *, force: bool = False, resume: bool = False) -> ResumableFile:
    return ResumableFile(out, force=force, resume=resume, names=NAMES, settings=settings)


def test_finished_file_is_resumed_with_the_same_settings_only(tmp_path: Path) -> None:
    out, settings = tmp_path / "c.jsonl", {"model": "gen", "model_sha256": "0", "beam": 7, "avoid": []}
    write(made_with(out, settings), [line("a")])
    assert sorted(path.name for path in tmp_path.iterdir()) == [".c.jsonl.settings.json", "c.jsonl"]
    for changed, words in (
        ({"beam": 1}, r"made with `beam` 7, not 1 \(--force starts over\)"),
        ({"beam": 1, "avoid": ["dog", "cat"]}, "made with `beam` 7, not 1; `avoid` none, not dog cat"),
        ({"model": "gen2", "model_sha256": "1"}, "made with another `model`: gen, not gen2"),
        ({"model_sha256": "1"}, "made with another `model`: gen has changed"),
    ):
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        with pytest.raises(ArtifactError, match=words):
            made_with(out, settings | changed, resume=True)
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    write(made_with(out, settings | {"model": "./gen"}, resume=True), [line("b")])
    assert out.read_text().splitlines() == [line("a"), line("b")]
    write(made_with(out, settings | {"beam": 1}, force=True), [line("z")])
    write(made_with(out, settings | {"beam": 1}, resume=True), [])
    write(made_with(out, settings, force=True), [])
    assert made_with(out, settings, resume=True).done == set()


def test_unfinished_file_is_resumed_with_the_same_settings_only(tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    with pytest.raises(KeyboardInterrupt):
        write(made_with(out, {"beam": 7}), interrupted(line("a")))
    with pytest.raises(ArtifactError, match=r"c\.jsonl\.part: cannot resume: made with `beam` 7, not 1"):
        made_with(out, {"beam": 1}, resume=True)
    write(made_with(out, {"beam": 7}, resume=True), [line("b")])
    assert out.read_text().splitlines() == [line("a"), line("b")]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".c.jsonl.settings.json", "c.jsonl"]


def test_resuming_an_interrupted_replacement_keeps_nothing_of_the_replaced_file(tmp_path: Path) -> None:
    out = tmp_path / "c.jsonl"
    write(made_with(out, {"beam": 7}), [line("a"), line("b")])
    with pytest.raises(KeyboardInterrupt):
        write(made_with(out, {"beam": 1}, force=True), interrupted(line("a", beam=1)))
    file = made_with(out, {"beam": 1}, resume=True)
    assert file.done == {"a"}
    write(file, [line("b", beam=1)])
    assert out.read_text().splitlines() == [line("a", beam=1), line("b", beam=1)]


@pytest.mark.parametrize("record", [None, b"{}"])
def test_file_without_recorded_settings_is_resumed_as_it_is(tmp_path: Path, record: bytes | None) -> None:
    out = tmp_path / "c.jsonl"
    write(fresh(out), [line("a")])
    if record is not None:
        (tmp_path / ".c.jsonl.settings.json").write_bytes(record)
    write(made_with(out, {"beam": 1}, resume=True), [line("b")])
    with pytest.raises(ArtifactError, match="`beam` 1, not 7"):
        made_with(out, {"beam": 7}, resume=True)


@pytest.mark.parametrize("record", [b"", b"[1]", b"\xff"])
def test_damaged_record_is_refused(tmp_path: Path, record: bytes) -> None:
    write(fresh(tmp_path / "c.jsonl"), [line("a")])
    (tmp_path / ".c.jsonl.settings.json").write_bytes(record)
    with pytest.raises(ArtifactError, match="is damaged; delete it"):
        made_with(tmp_path / "c.jsonl", {"beam": 1}, resume=True)


def test_kept_photograph_is_recognised_under_other_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(fresh(tmp_path / "c.jsonl"), [line("p/a.jpg"), line("./p/a.jpg")])
    file = resumed(tmp_path / "c.jsonl")
    assert file.done == {"p/a.jpg"}
    for name in ("p/a.jpg", "./p/a.jpg", "p//a.jpg", str(tmp_path / "p" / "a.jpg")):
        assert file.is_done(Photo(name, name, Path(name)))
    assert not file.is_done(Photo("a.jpg", "a.jpg", Path("a.jpg")))
