"""Lists on a pipe and folders of photographs, as operating systems write them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from vsa_cli.core.io.image_formats import find_pictures
from vsa_cli.core.io.sources import FailedPhoto, Photo, expand, read_list, show_path

NAMES = ["a.jpg", "b c.jpg", "d/ü.jpg"]


def listed(data: bytes, separator: bytes = b"\n") -> list[str]:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        return list(read_list(file, separator))


@pytest.mark.parametrize(
    "data",
    [
        "\n".join(NAMES).encode(),
        ("\r\n".join(NAMES) + "\r\n").encode(),
        b"\xef\xbb\xbf" + "\n".join(NAMES).encode(),
        ("\0".join(NAMES) + "\0").encode(),
        "\r\n".join(NAMES).encode("utf-16"),
        "\n".join(NAMES).encode("utf-16-le"),
        "\n".join(NAMES).encode("utf-16-be"),
        b"\xfe\xff" + "\n".join(NAMES).encode("utf-16-be"),
    ],
)
def test_lists_of_every_system_are_read(data: bytes) -> None:
    assert listed(data) == NAMES


def test_a_list_longer_than_a_block_is_read_whole() -> None:
    names = [f"photo number {number}.jpg" for number in range(10_000)]
    assert listed("\n".join(names).encode()) == names
    assert listed("\r\n".join(names).encode("utf-16")) == names
    assert listed("\0".join(names).encode()) == names


def test_names_keep_their_carriage_returns_between_nuls() -> None:
    assert listed(b"a\r\0b\n\0", b"\0") == ["a\r", "b\n"]


def test_a_name_with_nul_fails_alone() -> None:
    first, second = expand(["-"], listed(b"a.jpg\nb\0c.jpg"))
    assert first == Photo("a.jpg", "a.jpg", Path("a.jpg"))
    assert isinstance(second, FailedPhoto)
    assert "NUL" in second.reason


def test_names_that_are_not_utf8_keep_their_bytes() -> None:
    assert [os.fsencode(name) for name in listed(b"\xff\xe9.jpg\n\xe9.jpg")] == [b"\xff\xe9.jpg", b"\xe9.jpg"]


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_system_files_beside_photographs_are_skipped(tmp_path: Path) -> None:
    kept = [photo(tmp_path / name) for name in ("a.jpg", "b.JFIF", "c.pgm", "d.apng", "sub/e.Jif")]
    for name in ("._a.jpg", "__MACOSX/a.jpg", "@eaDir/a.jpg", ".DS_Store", "Thumbs.db", "sub/._e.jif", "f.txt"):
        photo(tmp_path / name)
    assert find_pictures(tmp_path).paths == sorted(kept)


def test_pages_and_annotated_copies_below_a_folder_are_skipped(tmp_path: Path) -> None:
    kept = photo(tmp_path / "a.jpg")
    for mark, name in (("album/vsa.css", "album/photos/1.jpg"), ("drawn/.vsa-annotated", "drawn/a.jpg")):
        photo(tmp_path / mark)
        photo(tmp_path / name)
    assert find_pictures(tmp_path).paths == [kept]
    assert len(find_pictures(tmp_path / "drawn").paths) == 1  # named itself, it is searched


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    kept = photo(tmp_path / "store" / "a.jpg")
    view = tmp_path / "view"
    view.mkdir()
    (view / "one").symlink_to(kept.parent)
    (view / "two").symlink_to(kept.parent)
    (view / "loop").symlink_to(view)
    (kept.parent / "back").symlink_to(view)
    assert find_pictures(view).paths == [view / "one" / "a.jpg"]


def test_an_empty_or_unreadable_folder_is_a_failure_beside_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo(tmp_path / "good" / "a.jpg")
    (tmp_path / "empty").mkdir()
    found = list(expand([str(tmp_path / "empty"), str(tmp_path / "good")], ()))
    assert [type(one) for one in found] == [FailedPhoto, Photo]
    photo(tmp_path / "good" / "lost" / "b.jpg")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("lost"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = list(expand([str(tmp_path / "good")], ()))
    assert [type(one) for one in found] == [FailedPhoto, Photo]
    assert isinstance(found[0], FailedPhoto)
    assert "lost: Permission denied" in found[0].reason


def test_expand_keeps_the_order_of_files_folders_and_listed_paths(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    kept = [photo(photos / name) for name in ("a.png", "b.jpg", "sub/c.webp")]
    photo(photos / "notes.txt")
    found = list(expand(["absent.jpg", str(photos), "-"], ["listed.png"]))
    assert found == [
        Photo("absent.jpg", "absent.jpg", Path("absent.jpg")),
        *(Photo(str(path), path.relative_to(photos).as_posix(), path) for path in kept),
        Photo("listed.png", "listed.png", Path("listed.png")),
    ]


def test_expand_passes_names_that_are_too_long() -> None:
    (found,) = expand(["n" * 300], [])
    assert found == Photo("n" * 300, "n" * 300, Path("n" * 300))


@pytest.mark.parametrize("separator", [b"\n", b"\0"])
def test_read_list_yields_each_name_as_soon_as_it_is_complete(separator: bytes) -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as stream, os.fdopen(write_end, "wb", buffering=0) as writer:
        names = read_list(stream, separator)
        writer.write(separator.join([b"a b.jpg", b"", b"caf\xe9.jpg", b"la"]))
        assert [next(names), next(names)] == ["a b.jpg", os.fsdecode(b"caf\xe9.jpg")]
        writer.write(b"st.jpg")
        writer.close()
        assert list(names) == ["last.jpg"]


def test_show_path_escapes_tabs_line_ends_and_backslashes() -> None:
    assert show_path("a\tb\nc\rd\\e f") == "a\\tb\\nc\\rd\\\\e f"


def test_photograph_named_twice_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    photo(Path("p/a.jpg"))
    photo(Path("p/b.jpg"))
    Path("link").symlink_to("p")
    Path("p/c.jpg").symlink_to("a.jpg")  # another name, so another photograph
    again = ["p/a.jpg", "./p//a.jpg", "p/../p/a.jpg", str(tmp_path / "p" / "a.jpg"), "link/a.jpg", "link", "p/", "gone"]
    found = list(expand(["p", *again, "gone", "-"], [*again, "p/b.jpg"]))
    assert [one.path for one in found if isinstance(one, Photo)] == ["p/a.jpg", "p/b.jpg", "p/c.jpg", "gone"]


def test_failure_of_a_folder_named_twice_counts_once(tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in ("one", "two", "one")]
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    assert [one.path if isinstance(one, Photo) else one.photo.path for one in expand(names, ())] == names[:2]
