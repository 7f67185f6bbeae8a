"""Webdataset shards: captions are read, photographs are unpacked, and nothing else is written."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from vsa_cli.core.config import PrepConfig
from vsa_cli.core.corpus import tars
from vsa_cli.core.corpus.prepare import Prepared, prepare
from vsa_cli.core.corpus.readers.detect import Reading, read_captions
from vsa_cli.core.errors import DataError, VsaError

CONFIG = PrepConfig(min_count=1)
Entry = tuple[str, bytes] | tarfile.TarInfo


def picture(colour: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4), (colour, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def odd(name: str, kind: bytes, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def write(path: Path, entries: Sequence[Entry], form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=form) as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry)
            else:
                info = tarfile.TarInfo(entry[0])
                info.size = len(entry[1])
                tar.addfile(info, io.BytesIO(entry[1]))
    return path


def sentences(reading: Reading) -> dict[int | str, list[str]]:
    return {record.image_id: list(record.sentences.values()) for record in reading.records}


def kinds(problems: Sequence[object]) -> list[str]:
    return sorted(problem.kind for problem in problems)  # type: ignore[attr-defined]


def check_one_line(error: VsaError) -> None:
    assert "\n" not in str(error)


def run(*shards: Path, images: Path, dry_run: bool = False) -> Prepared:
    return prepare(shards, images, CONFIG, dry_run=dry_run)


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    facts = {"captions": ["A dog.", "One dog."], "split": "val", "width": 6}
    return write(tmp_path / "set-000000.tar", [
        ("./0001.png", picture(1)), ("./0001.txt", b"A dog.\nTwo dogs.\n"), ("./0001.json", json.dumps(facts).encode()),
        ("x/0002.txt", b"A cat."), ("x/0002.cls", b"3"), ("x/0002.PNG", picture(2)), ("x/0002.seg.png", b"no photo"),
        ("0003.png", picture(3)),
    ])  # fmt: skip


def test_samples_are_joined_by_key(shard: Path) -> None:
    reading = read_captions([shard], shard.parent)
    assert reading.formats == ("webdataset",)
    assert sentences(reading) == {
        "set-000000/0001.png": ["A dog.", "Two dogs.", "One dog."],
        "set-000000/x/0002.PNG": ["A cat."],
        "set-000000/0003.png": [],
    }
    assert [record.split for record in reading.records] == ["val", None, None]
    assert kinds(reading.problems) == ["no-sentence"]
    assert not (shard.parent / "set-000000").exists()  # `evaluate` reads references this way: nothing is unpacked


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_non_ascii_names_in_every_kind_of_tar(tmp_path: Path, form: int) -> None:
    name = "d" * 90 + "/" + ("é" if form != tarfile.USTAR_FORMAT else "e") * 40 + ".png"
    prepared = run(write(tmp_path / "a.tar", [(name, picture())], form), images=tmp_path / "out")
    assert [image.file for image in prepared.corpus.images] == [f"a/{name}"]


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


def test_keys_without_photograph_duplicates_and_invalid_texts_exclude_only_themselves(tmp_path: Path) -> None:
    shard = write(tmp_path / "a.tar", [
        ("1.txt", b"of nothing"), ("2.png", picture(2)), ("2.png", picture(7)), ("2.jpg", picture(8)),
        ("2.json", b"[1]"), ("3.png", picture(3)), ("3.txt", b"x" * 70_000), ("4.png", picture(4)),
        ("4.json", b'{"caption": 4, "split": "never"}'), ("n" * 300 + ".png", picture(5)), ("2.png/5.png", picture(6)),
    ])  # fmt: skip
    prepared = run(shard, images=tmp_path / "out")
    assert [image.file for image in prepared.corpus.images] == ["a/2.png", "a/3.png"]
    assert (tmp_path / "out" / "a" / "2.png").read_bytes() == picture(2)
    assert kinds(prepared.failures) == [
        "clash", "clash", "malformed", "malformed", "missing", "unknown-split", "unreadable", "unreadable"
    ]  # fmt: skip


def test_two_shards_of_one_name_raise(shard: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    other = write(tmp_path / "b" / shard.name, [("1.png", picture())])
    with pytest.raises(DataError, match="rename one"):
        read_captions([shard, other], tmp_path)


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


def negative(data: bytes) -> bytes:
    """The first member has a negative size, which sends careless readers into an endless loop."""
    head = bytearray(data[:512])
    head[124:136] = b"\xff" * 11 + b"\x00"
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + data[512:]


def claims(size: int, kind: bytes) -> Callable[[bytes], bytes]:
    info = tarfile.TarInfo("a.png")
    info.size, info.type = size, kind
    return lambda data: info.tobuf(tarfile.GNU_FORMAT) + data


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


@pytest.mark.parametrize("size", [1 << 40, 1 << 62, (1 << 63) + 5])
def test_photograph_larger_than_the_tar_is_reported(shard: Path, size: int) -> None:
    shard.write_bytes(claims(size, b"0")(shard.read_bytes()))
    reading = read_captions([shard], shard.parent)
    assert kinds(reading.problems) == ["malformed", "no-sentence"]
    prepared = run(shard, images=shard.parent / "out")
    assert prepared.corpus.images == ()
    assert not list((shard.parent / "out").rglob("*.p*"))


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


@pytest.mark.parametrize("mode", ["w:gz", "w:xz"])
def test_compressed_tar_raises_with_a_remedy(tmp_path: Path, mode: str) -> None:
    path = tmp_path / f"a.tar.{mode[2:]}"
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        tar.addfile(tarfile.TarInfo("1.png"))
    with pytest.raises(DataError, match="decompress it"):
        read_captions([path], tmp_path)


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


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 4_000), st.binary(min_size=1, max_size=12)), min_size=1, max_size=4))
def test_any_damage_is_read_or_raises_one_line(shard: Path, edits: list[tuple[int, bytes]]) -> None:
    data = bytearray(shard.read_bytes())
    for place, patch in edits:
        data[place : place + len(patch)] = patch
    path = shard.with_name("damaged.tar")
    path.write_bytes(bytes(data))
    try:
        reading = read_captions([path], path.parent)
    except VsaError as error:
        check_one_line(error)
    else:
        assert reading.records or reading.problems
