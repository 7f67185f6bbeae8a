"""One function decides which photograph a name means."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsa_cli.core.corpus.photo_names import PhotoNames, below_root, id_text, is_absolute, plain_name


@dataclass(frozen=True)
class Photo:
    key: str
    file: str


def names(*files: str, root: str = "/data/photos") -> PhotoNames[Photo]:
    return PhotoNames([Photo(file, file) for file in files], root)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("./a.jpg", "a.jpg"), ("a.jpg/", "a.jpg"), ("sub//a.jpg", "sub/a.jpg"), ("sub/./a.jpg", "sub/a.jpg"),
        (r"sub\a.jpg", "sub/a.jpg"), (r".\a.jpg", "a.jpg"), ("/x/a.jpg", "/x/a.jpg"), (r"C:\x\a.jpg", "C:/x/a.jpg"),
        (r"\\server\share\a.jpg", "//server/share/a.jpg"), ("../a.jpg", "../a.jpg"), ("é.jpg", "é.jpg"),
        ("", ""), (".", ""),
    ],
)  # fmt: skip
def test_plain_names(written: str, plain: str) -> None:
    assert plain_name(written) == plain


def test_absolute_names() -> None:
    assert all(is_absolute(plain_name(name)) for name in ("/a", r"C:\a", "c:/a", r"\\server\share\a"))
    assert not any(is_absolute(plain_name(name)) for name in ("a", "./a", r"a\b", "C:", "../a"))


@pytest.mark.parametrize(
    "name",
    [
        "a.jpg", "./a.jpg", "photos/a.jpg", r"photos\a.jpg", "a.jpg/", ".//a.jpg", "/data/photos/a.jpg", "a",
        "/elsewhere/photos/a.jpg", r"C:\data\photos\a.jpg", "a.JPG", "./photos/./a.jpg", r"\\nas\share\photos\a.jpg",
    ],
)  # fmt: skip
def test_every_spelling_finds_the_photograph(name: str) -> None:
    found = names("a.jpg", "sub/b.jpg").find(name)
    assert found is not None
    assert found.file == "a.jpg"


@pytest.mark.parametrize("name", ["sub/b.jpg", r"sub\b.jpg", "photos/sub//b.jpg", "b.jpg", "b", r"D:\photos\sub\b.JPG"])
def test_photographs_in_folders_are_found(name: str) -> None:
    found = names("a.jpg", "sub/b.jpg").find(name)
    assert found is not None
    assert found.file == "sub/b.jpg"


@pytest.mark.parametrize("name", ["c.jpg", "test/a.jpg", "/x/a.jpg", "../a.jpg", "", ".", "photos", "sub"])
def test_a_name_of_another_photograph_finds_none(name: str) -> None:
    assert names("a.jpg", "sub/b.jpg").find(name) is None


def test_a_name_of_two_photographs_finds_none() -> None:
    both = names("one/a.jpg", "two/a.jpg")
    assert both.find("a.jpg") is None
    assert both.find("a") is None
    found = both.find("two/a.jpg")
    assert found is not None
    assert found.file == "two/a.jpg"


def test_composed_and_decomposed_names_are_one() -> None:
    for stored in ("NFC", "NFD"):
        for asked in ("NFC", "NFD"):
            found = names(unicodedata.normalize(stored, "ü.jpg")).find(unicodedata.normalize(asked, "ü.jpg"))
            assert found is not None


@pytest.mark.parametrize("written", [391895, "391895", 391895.0, "391895.0"])
def test_numbers_are_one_id_however_they_are_written(written: object) -> None:
    found = PhotoNames([Photo("391895", "COCO_val2014_000000391895.jpg")]).find(written)
    assert found is not None
    assert id_text(written) == "391895"


@pytest.mark.parametrize("value", ["1.5", 1.5, "a.0", "v1.0.0", "1.", "nan"])
def test_other_texts_are_kept(value: object) -> None:
    assert id_text(value) == str(value)


def test_the_folder_is_cut_off_once() -> None:
    assert below_root("photos/photos/a.jpg", "photos") == "photos/a.jpg"
    assert below_root("a.jpg", "photos") is None
    assert below_root("a.jpg", "") is None


def test_names_start_with_any_folders_where_the_root_is_unknown() -> None:
    index = names("a.jpg", "sub/b.jpg", "val/c.jpg", "7", root="")
    for name, file in (
        ("x/a.jpg", "a.jpg"),
        ("/x/y/sub/b.JPG", "sub/b.jpg"),
        ("x/sub/b", "sub/b.jpg"),
        ("x/7.png", "7"),
    ):
        found = index.find(name)
        assert found is not None
        assert found.file == file
    for name in ("test/c.jpg", "sub/a.png", "x/8.png", "c/sub"):
        assert index.find(name) is None


def test_another_suffix_is_another_photograph() -> None:
    assert names("a.png").find("a.jpg") is None
    assert names("a.png", "a.jpg").find("a") is None


@given(st.text(min_size=1))
def test_plain_names_are_stable(name: str) -> None:
    assert plain_name(plain_name(name)) == plain_name(name)


@given(st.lists(st.text("ab/.\\", min_size=1), unique=True, max_size=6))
def test_a_photograph_is_found_by_its_own_id(files: list[str]) -> None:
    photos = [Photo(file, file) for file in files]
    index = PhotoNames(photos, "/data/photos")
    assert all(index.find(photo.key) is photo for photo in photos)
