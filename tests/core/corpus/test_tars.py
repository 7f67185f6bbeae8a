"""Untrusted tars: invalid ones raise one line, and members are read in bounded memory."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.shards import claims, write, write_samples
from vsa_cli.core.corpus import tars
from vsa_cli.core.corpus.readers.detect import read_captions
from vsa_cli.core.errors import DataError


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    return write_samples(tmp_path / "set-000000.tar")


def negative(data: bytes) -> bytes:
    """The first member has a negative size, which sends careless readers into an endless loop."""
    head = bytearray(data[:512])
    head[124:136] = b"\xff" * 11 + b"\x00"
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + data[512:]


def test_members_do_not_accumulate_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard = write(tmp_path / "a.tar", [(f"{number}.bin", b"") for number in range(200)])
    held: list[int] = []
    real = tarfile.TarFile.next

    def spy(tar: tarfile.TarFile) -> tarfile.TarInfo | None:
        held.append(len(tar.members))  # type: ignore[attr-defined]
        return real(tar)

    monkeypatch.setattr(tarfile.TarFile, "next", spy)
    assert sum(1 for _ in tars.walk(shard)) == 200
    assert max(held) <= 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: b"", lambda _: b"no tar at all" * 100, lambda data: b"\x1f\x8b" + data, negative,
        claims(1 << 40, b"x"), claims(1 << 40, b"L"), claims(-1024, b"x"), claims(-1024, b"L"),
        lambda data: b"".join(claims(512, b"x")(b"9 a=1234\n".ljust(512, b"\0")) for _ in range(9_000)) + data,
    ],
)  # fmt: skip
def test_invalid_tar_raises_one_line(shard: Path, spoil: Callable[[bytes], bytes]) -> None:
    shard.write_bytes(spoil(shard.read_bytes()))
    with pytest.raises(DataError, match="tar") as caught:
        read_captions([shard], shard.parent)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mode", ["w:gz", "w:xz"])
def test_compressed_tar_raises_with_a_remedy(tmp_path: Path, mode: str) -> None:
    path = tmp_path / f"a.tar.{mode[2:]}"
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        tar.addfile(tarfile.TarInfo("1.png"))
    with pytest.raises(DataError, match="decompress it"):
        read_captions([path], tmp_path)
