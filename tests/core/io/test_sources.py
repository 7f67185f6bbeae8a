from __future__ import annotations

import os
from pathlib import Path

import pytest

from vsa_cli.core.errors import DataError
from vsa_cli.core.io.sources import Photo, expand, read_list, show_path


def test_expand_keeps_the_order_of_files_folders_and_listed_paths(tmp_path: Path) -> None:
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    for name in ("b.jpg", "a.png", "sub/c.webp", "notes.txt"):
        (tmp_path / "photos" / name).touch()
    photos = tmp_path / "photos"
    found = list(expand(["absent.jpg", str(photos), "-"], ["listed.png"]))
    assert found == [
        Photo("absent.jpg", "absent.jpg", Path("absent.jpg")),
        *(Photo(str(photos / name), name, photos / name) for name in ("a.png", "b.jpg", "sub/c.webp")),
        Photo("listed.png", "listed.png", Path("listed.png")),
    ]


def test_expand_raises_for_a_folder_without_photographs(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="contains no photographs"):
        list(expand([str(tmp_path)], []))


def test_expand_passes_names_that_are_too_long(tmp_path: Path) -> None:
    assert [photo.path for photo in expand(["n" * 300], [])] == ["n" * 300]


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
