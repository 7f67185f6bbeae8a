from __future__ import annotations

import errno
from io import BytesIO
from pathlib import Path

import pytest

from vsa_cli.core.io.guarded_file import Sink, sink


class FullDisk(BytesIO):
    """A file with room for four bytes."""

    def write(self, data: object) -> int:
        room = 4 - len(self.getvalue())
        if room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(bytes(data)[:room])  # type: ignore[call-overload]


def test_failed_writes_are_reported_as_successful_and_recorded() -> None:
    disk = FullDisk()
    file = Sink(disk)
    assert file.write(b"abcdef") == 6
    assert isinstance(file.failure, OSError)
    assert file.write(b"gh") == 2
    assert file.truncate(9) == 9
    assert disk.getvalue() == b"abcd"


def test_readinto_fills_with_zeros_after_a_failure() -> None:
    file = Sink(FullDisk())
    file.write(b"abcdef")
    buffer = bytearray(b"xxx")
    assert file.readinto(buffer) == 3
    assert buffer == bytes(3)


def test_a_guarded_file_is_written_and_read_like_any_other(tmp_path: Path) -> None:
    with sink(tmp_path / "a") as file:
        assert file.write(b"abcdef") == 6
        assert (file.seek(2), file.tell()) == (2, 2)
        buffer = bytearray(2)
        assert (file.readinto(buffer), bytes(buffer)) == (2, b"cd")
        file.truncate(5)
    assert (tmp_path / "a").read_bytes() == b"abcde"


def test_the_first_failure_is_raised_at_the_end_of_the_block(tmp_path: Path) -> None:
    reached = []

    def write() -> None:
        with sink(tmp_path / "a") as file:
            file.failure = OSError("disk full")
            file.write(b"abc")
            reached.append("the end")

    with pytest.raises(OSError, match="disk full"):
        write()
    assert reached
    assert (tmp_path / "a").read_bytes() == b""
