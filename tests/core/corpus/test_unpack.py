"""Unpacking photographs of shards: only into the images' folder, and never over existing files."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.shards import claims, odd, picture, write, write_samples
from vsa_cli.core.config import PrepConfig
from vsa_cli.core.corpus.prepare import Prepared, prepare
from vsa_cli.core.corpus.readers.detect import read_captions

CONFIG = PrepConfig(min_count=1)


def kinds(problems: Sequence[object]) -> list[str]:
    return sorted(problem.kind for problem in problems)  # type: ignore[attr-defined]


def run(*shards: Path, images: Path, dry_run: bool = False) -> Prepared:
    return prepare(shards, images, CONFIG, dry_run=dry_run)


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    return write_samples(tmp_path / "set-000000.tar")


def test_photographs_are_unpacked_once_and_kept_by_a_second_run(shard: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "set-000001.tar", [("0001.png", picture(9)), ("0001.txt", b"Another.")])
    images = tmp_path / "new" / "photos"
    prepared = run(shard, other, images=images)
    assert sorted(path.relative_to(images).as_posix() for path in images.rglob("*.*")) == [
        "set-000000/0001.png", "set-000000/0003.png", "set-000000/x/0002.PNG", "set-000001/0001.png"
    ]  # fmt: skip
    assert (images / "set-000001" / "0001.png").read_bytes() == picture(9)
    assert prepared.failures == []
    times = {path: path.stat().st_mtime_ns for path in images.rglob("*.*")}
    again = run(shard, other, images=images)
    assert again.corpus.images == prepared.corpus.images
    assert {path: path.stat().st_mtime_ns for path in images.rglob("*.*")} == times


def test_dry_run_unpacks_nothing_and_counts_everything(shard: Path, tmp_path: Path) -> None:
    prepared = run(shard, images=tmp_path / "out", dry_run=True)
    assert prepared.summary()["images"] == 3
    assert prepared.summary()["sentences"] == 4
    assert kinds(prepared.problems) == ["no-sentence"]
    assert not (tmp_path / "out").exists()


def test_paths_outside_the_folder_links_and_devices_are_excluded(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(picture())
    shard = write(tmp_path / "evil.tar", [
        ("../secret.png", b"over"), ("/tmp/vsa-evil.png", picture()), ("x/../../secret.png", b"over"),
        odd("link.png", tarfile.SYMTYPE, linkname="../secret.png"),
        odd("hard.png", tarfile.LNKTYPE, linkname="../secret.png"),
        odd("disk.png", tarfile.BLKTYPE), odd("pipe.png", tarfile.FIFOTYPE),
        odd("dir.png", tarfile.DIRTYPE), ("dir.png/good.png", picture(1)), ("dir.png/good.txt", b"Good."),
    ])  # fmt: skip
    prepared = run(shard, images=tmp_path / "out")
    assert [image.file for image in prepared.corpus.images] == ["evil/dir.png/good.png"]
    assert kinds(prepared.failures) == ["unsafe"] * 7
    assert (tmp_path / "secret.png").read_bytes() == picture()
    assert not Path("/tmp/vsa-evil.png").exists()
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == ["good.png"]


def test_existing_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"mine")
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "a" / "1.png").symlink_to(tmp_path / "precious")
    prepared = run(write(tmp_path / "a.tar", [("1.png", picture()), ("2.png", picture(2))]), images=tmp_path / "out")
    assert [problem.name for problem in prepared.failures] == ["a/1.png"]
    assert "exists already" in prepared.failures[0].message
    assert (tmp_path / "precious").read_bytes() == b"mine"


def test_truncated_shard_gives_its_complete_members(shard: Path, tmp_path: Path) -> None:
    whole = shard.read_bytes()
    with tarfile.open(shard) as tar:
        last = tar.getmembers()[-1]
    for end in (last.offset_data + 5, last.offset_data + 512, last.offset + 100):  # in its bytes, after them, before
        shard.write_bytes(whole[:end])
        prepared = run(shard, images=tmp_path / f"out{end}")
        assert {image.file for image in prepared.corpus.images} >= {"set-000000/0001.png", "set-000000/x/0002.PNG"}
        assert "malformed" in kinds(prepared.failures)
        assert not list((tmp_path / f"out{end}").rglob("*.part"))


def test_sparse_file_is_excluded(tmp_path: Path) -> None:
    info = odd("bomb.png", tarfile.GNUTYPE_SPARSE)
    data = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    data[483:495] = b"%011o\0" % (1 << 32)
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data)
    good = write(tmp_path / "good.tar", [("1.png", picture())]).read_bytes()
    (tmp_path / "a.tar").write_bytes(bytes(data) + good)
    prepared = run(tmp_path / "a.tar", images=tmp_path / "out")
    assert [image.file for image in prepared.corpus.images] == ["a/1.png"]
    assert kinds(prepared.failures) == ["unsafe"]


@pytest.mark.parametrize("size", [1 << 40, 1 << 62, (1 << 63) + 5])
def test_photograph_larger_than_the_tar_is_reported(shard: Path, size: int) -> None:
    shard.write_bytes(claims(size, b"0")(shard.read_bytes()))
    reading = read_captions([shard], shard.parent)
    assert kinds(reading.problems) == ["malformed", "no-sentence"]
    prepared = run(shard, images=shard.parent / "out")
    assert prepared.corpus.images == ()
    assert not list((shard.parent / "out").rglob("*.p*"))


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_non_ascii_names_in_every_kind_of_tar(tmp_path: Path, form: int) -> None:
    name = "d" * 90 + "/" + ("é" if form != tarfile.USTAR_FORMAT else "e") * 40 + ".png"
    prepared = run(write(tmp_path / "a.tar", [(name, picture())], form), images=tmp_path / "out")
    assert [image.file for image in prepared.corpus.images] == [f"a/{name}"]
