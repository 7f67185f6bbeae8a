"""The lock between processes: one holder, released when the holder's block or process ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vsa_cli.core.errors import DataError
from vsa_cli.core.io.lock import exclusive_lock

HOLDER = """
import sys
from pathlib import Path
from vsa_cli.core.io.lock import exclusive_lock
with exclusive_lock(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_second_holder_is_refused_and_the_lock_is_released(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with exclusive_lock(path), pytest.raises(DataError, match="another process is writing"), exclusive_lock(path):
        pass
    with exclusive_lock(path):
        pass


def test_lock_ends_with_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(DataError, match="another process"), exclusive_lock(path):
            pass
        holder.kill()
        holder.wait()
    with exclusive_lock(path):
        pass


def test_folder_that_cannot_hold_a_lock_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot write"), exclusive_lock(tmp_path / "missing" / ".lock"):
        pass
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="cannot write"), exclusive_lock(tmp_path / "link"):
        pass
    assert not (tmp_path / "elsewhere").exists()
