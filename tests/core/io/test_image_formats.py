from __future__ import annotations

from pathlib import Path

import pytest

from tests.foreign_pictures import NOT_READ
from vsa_cli.core.io.image_formats import AVIF, HEIC, PAGES, find_pictures, format_of


def test_photographs_are_found_by_suffix_and_sorted(tmp_path: Path) -> None:
    (tmp_path / "sub.jpg").mkdir()
    names = ["b.JPG", "a.png", "sub.jpg/c.webp", "notes.txt", "x.svg", "noext"]
    for name in names:
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in find_pictures(tmp_path).paths] == [
        "a.png",
        "b.JPG",
        "sub.jpg/c.webp",
    ]
    assert "absent" in str(find_pictures(tmp_path / "absent").failures)


def test_folders_of_pages_are_skipped_unless_they_are_named(tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    for name in ("a.jpg", "album/b.jpg", f"album/{PAGES}"):
        (tmp_path / name).touch()
    assert find_pictures(tmp_path).paths == [tmp_path / "a.jpg"]
    assert find_pictures(tmp_path / "album").paths == [tmp_path / "album" / "b.jpg"]


@pytest.mark.parametrize("name", NOT_READ)
def test_formats_that_cannot_be_read_are_named(tmp_path: Path, name: str) -> None:
    expected, data = NOT_READ[name]
    (tmp_path / name).write_bytes(data)
    assert format_of(tmp_path / name) == (None if expected == "not an image" else expected)


def test_heic_and_avif_are_detected_by_their_brand_and_raw_tiffs_by_their_suffix(tmp_path: Path) -> None:
    for brand, expected in ((b"heic", HEIC), (b"mif1", HEIC), (b"avif", AVIF), (b"isom", "a video")):
        (tmp_path / "a").write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(16))
        assert format_of(tmp_path / "a") == expected
    for suffix, found in ((".nef", "a camera raw file"), (".tif", None)):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(b"II*\0" + bytes(60))
        assert format_of(path) == found
