"""Hashes, atomic writes, and checks of outputs before any work starts."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import pytest

from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.core.io.files import atomic_path, check_distinct, check_output, file_sha256, write_text


def test_file_sha256(tmp_path: Path) -> None:
    data = bytes(range(256)) * 9_000  # more than one block
    (tmp_path / "a").write_bytes(data)
    assert file_sha256(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def test_atomic_path_writes_a_complete_file_or_none(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with atomic_path(path) as part:
        part.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half"
    with pytest.raises(RuntimeError):
        _fail_halfway(path)
    assert path.read_text() == "half"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


def _fail_halfway(path: Path) -> None:
    with atomic_path(path) as part:
        part.write_text("other")
        raise RuntimeError


def test_write_errors_raise_with_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot write"):
        write_text(tmp_path / "file" / "a.txt", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="cannot write"):
        write_text(tmp_path / "folder", "x")


def test_file_sha256_raises_for_folders_missing_files_pipes_and_devices(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("", "absent"):
        with pytest.raises(DataError):
            file_sha256(tmp_path / name)
    for name in ("pipe", "zero"):
        with pytest.raises(DataError, match="is a pipe or a device"):
            file_sha256(tmp_path / name)


@pytest.mark.parametrize("folder", [False, True])
def test_existing_outputs_raise_without_force_or_resume(tmp_path: Path, folder: bool) -> None:
    there = tmp_path if folder else tmp_path / "a.json"
    (tmp_path / "a.json").touch()
    check_output(tmp_path / "new", force=False, folder=folder)
    check_output(there, force=True, folder=folder)
    check_output(there, force=False, resume=True, folder=folder)
    with pytest.raises(ConfigError, match="`force` replaces"):
        check_output(there, force=False, folder=folder)
    with pytest.raises(ConfigError, match="choose one"):
        check_output(there, force=True, resume=True, folder=folder)


def test_file_for_folder_and_folder_for_file_raise_even_with_force(tmp_path: Path) -> None:
    (tmp_path / "a.json").touch()
    for force, resume in ((True, False), (False, True), (False, False)):
        with pytest.raises(ConfigError, match="is a folder; name a file"):
            check_output(tmp_path, force=force, resume=resume)
        with pytest.raises(ConfigError, match="is a file; name a folder"):
            check_output(tmp_path / "a.json", force=force, resume=resume, folder=True)


def test_output_that_cannot_be_written_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    for name in ("file/a.json", "file/deep/a.json"):
        with pytest.raises(DataError, match=r"cannot write: .*file: Not a directory"):
            check_output(tmp_path / name, force=False)
    check_output(Path("/"), force=True, folder=True)
    for name in ("pipe", "null"):
        with pytest.raises(DataError, match="is a pipe or a device"):
            check_output(tmp_path / name, force=True)
    (tmp_path / "old").touch()
    before = sorted(tmp_path.iterdir())
    check_output(tmp_path / "old", force=True)
    check_output(tmp_path / "new" / "a.json", force=False)
    assert sorted(tmp_path.iterdir()) == before

    def refuse(dir: Path) -> None:
        raise OSError(30, f"Read-only file system, {dir.name}")

    (tmp_path / "mounted").mkdir()

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(DataError, match=f"cannot write: .*Read-only file system, {tmp_path.name}"):
        check_output(tmp_path / "new" / "a.json", force=False)
    with pytest.raises(DataError, match="file system, mounted"):  # not its parent
        check_output(tmp_path / "mounted", force=True, folder=True)


def test_check_distinct_follows_links(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("a")
    check_distinct(tmp_path / "a", None, None, tmp_path / "b")
    for other in (tmp_path / "a", tmp_path / "c" / ".." / "a", tmp_path / "link"):
        with pytest.raises(ConfigError, match="two outputs"):
            check_distinct(tmp_path / "a", None, other)
