"""A gallery appears complete or not at all, holds small copies without metadata, and replaces only galleries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.page_reader import read_page, with_class
from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.output.html.cards import Card, Header, Line, Word
from vsa_cli.output.html.gallery import PER_PAGE, check_gallery_folder, open_gallery

HEADER = Header("Words and their boxes", ("split val",), "How to read it.")


def card(photo: Path, size: tuple[int, int] = (40, 30)) -> Card:
    line = Line((Word("A", 1, 1.0, 0.1), Word("dog", 1, 5.0, 0.2), Word("runs.", 0, 3.0, 0.3)))
    return Card(photo.name, photo, *size, ((1.0, 2.0, 30.0, 20.0),), (line,))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photograph with metadata that must not be published."""
    path = tmp_path / "secret" / "a.jpg"
    path.parent.mkdir()
    exif = Image.Exif()
    exif[0x010F] = "Kodak-of-Ann"
    exif.get_ifd(0x8825)[1] = "N"
    Image.new("RGB", (40, 30), "teal").save(path, exif=exif, comment=b"at Ann's house")
    return path


def write(folder: Path, cards: Iterable[Card], warnings: list[str] | None = None) -> None:
    with open_gallery(folder, 2, (warnings if warnings is not None else []).append) as gallery:
        for one in cards:
            gallery.add(one)
        gallery.finish(HEADER)


def test_pages_hold_fifty_photographs_and_are_linked(tmp_path: Path, photo: Path) -> None:
    write(tmp_path / "gallery", [card(photo)] * (2 * PER_PAGE + 1))
    names = {path.relative_to(tmp_path / "gallery").as_posix() for path in (tmp_path / "gallery").rglob("*.*")}
    photos = {f"photos/{number:06d}.jpg" for number in range(1, 2 * PER_PAGE + 2)}
    assert names == photos | {"index.html", "page-2.html", "page-3.html", "vsa.css", "vsa.js"}
    pages = [
        read_page((tmp_path / "gallery" / name).read_text()) for name in ("index.html", "page-2.html", "page-3.html")
    ]
    assert [len(with_class(page, "card")) for page in pages] == [PER_PAGE, PER_PAGE, 1]
    for page in pages:
        for address in [e.attributes[key] for e in page for key in ("src", "href") if key in e.attributes]:
            assert address in names | {"#photographs"}
        ids = [e.attributes["id"] for e in page if "id" in e.attributes]
        assert len(ids) == len(set(ids))
    around = [{e.attributes.get("rel"): e.attributes["href"] for e in page if e.tag == "a"} for page in pages]
    assert [(links.get("prev"), links.get("next")) for links in around] == [
        (None, "page-2.html"), ("index.html", "page-3.html"), ("page-2.html", None),
    ]  # fmt: skip


def test_gallery_reveals_neither_paths_nor_metadata(tmp_path: Path, photo: Path) -> None:
    write(tmp_path / "gallery", [card(photo)])
    for path in (tmp_path / "gallery").rglob("*.*"):
        data = path.read_bytes()
        assert not re.search(rb"secret|Kodak|Ann|Exif", data), path
        assert str(tmp_path).encode() not in data
    with Image.open(tmp_path / "gallery" / "photos" / "000001.jpg") as copy:
        assert (copy.size, copy.format, dict(copy.getexif())) == ((40, 30), "JPEG", {})


def test_copies_have_bounded_size(tmp_path: Path) -> None:
    for name, size in (("wide.png", (2400, 60)), ("tall.png", (90, 3000)), ("large.png", (1500, 1500))):
        Image.new("RGB", size).save(tmp_path / name)
        write(tmp_path / f"{name}.gallery", [card(tmp_path / name, size)])
        with Image.open(tmp_path / f"{name}.gallery" / "photos" / "000001.jpg") as copy:
            assert max(copy.size) <= 1000
            assert max(copy.size) >= 990


def test_words_of_greater_value_have_heavier_classes(tmp_path: Path, photo: Path) -> None:
    write(tmp_path / "gallery", [card(photo)])
    css = (tmp_path / "gallery" / "vsa.css").read_text()
    weights = {name: int(weight) for name, weight in re.findall(r"\.(m\d+)\{font-weight:(\d+)\}", css)}
    words = with_class(read_page((tmp_path / "gallery" / "index.html").read_text()), "w")
    found = {word.text: weights[next(name for name in word.classes if name in weights)] for word in words}
    assert found["A"] < found["runs."] < found["dog"]


def test_same_cards_give_same_bytes(tmp_path: Path, photo: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name, [card(photo)] * 3)
    for path in (tmp_path / "one").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


def test_missing_and_changed_photographs_are_reported_and_keep_their_sentences(tmp_path: Path, photo: Path) -> None:
    Image.new("RGB", (30, 40)).save(tmp_path / "other.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    unreadable = [card(tmp_path / name) for name in ("gone.jpg", "broken.jpg", "other.jpg")]
    unreadable.append(replace(card(photo), sha256="0" * 64))
    warnings: list[str] = []
    write(tmp_path / "gallery", [card(photo), *unreadable], warnings)
    for line, name in zip(warnings, ("gone.jpg", "broken.jpg", "other.jpg", "a.jpg"), strict=True):
        assert name in line
    assert "changed" in warnings[2]
    assert "changed" in warnings[3]
    page = read_page((tmp_path / "gallery" / "index.html").read_text())
    assert len(with_class(page, "card")) == len(with_class(page, "line")) == 5
    assert len(with_class(page, "gone")) == 4


def test_interrupted_gallery_leaves_the_old_one(tmp_path: Path, photo: Path) -> None:
    write(tmp_path / "gallery", [card(photo)])
    before = (tmp_path / "gallery" / "index.html").read_bytes()

    def cards() -> Iterator[Card]:
        yield card(photo)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "gallery", cards())
    assert (tmp_path / "gallery" / "index.html").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gallery", "secret"]


def test_gallery_replaces_another_completely(tmp_path: Path, photo: Path) -> None:
    write(tmp_path / "gallery", [card(photo)] * (PER_PAGE + 1))
    check_gallery_folder(tmp_path / "gallery", force=True)
    write(tmp_path / "gallery", [card(photo)])
    assert not (tmp_path / "gallery" / "page-2.html").exists()
    assert len(list((tmp_path / "gallery" / "photos").iterdir())) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gallery", "secret"]


def test_folder_with_other_contents_is_refused(tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gallery"
    check_gallery_folder(folder, force=False)
    folder.mkdir()
    check_gallery_folder(folder, force=False)
    write(folder, [card(photo)])
    with pytest.raises(ConfigError, match="--force"):
        check_gallery_folder(folder, force=False)
    (folder / "photos" / "mine.txt").write_text("")
    with pytest.raises(ConfigError, match=r"photos/mine\.txt"):
        check_gallery_folder(folder, force=True)
    with pytest.raises(ConfigError, match=r"a\.jpg"):
        check_gallery_folder(photo.parent, force=True)
    with pytest.raises(ConfigError, match="is a file"):
        check_gallery_folder(photo, force=True)
    with pytest.raises(ConfigError, match="put it elsewhere"):
        check_gallery_folder(tmp_path / "new", tmp_path / "new" / "snippets.jsonl", force=False)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<title>mine</title>")
    with pytest.raises(ConfigError, match=r"index\.html that vsa did not write"):
        check_gallery_folder(tmp_path / "site", force=True)
    monkeypatch.chdir(tmp_path / "secret")
    with pytest.raises(ConfigError, match="current folder"):
        check_gallery_folder(tmp_path, force=True)


def test_folder_that_cannot_be_created_is_an_error(photo: Path) -> None:
    with pytest.raises(DataError, match="cannot hold pages"):
        write(photo / "gallery", [card(photo)])


def test_empty_gallery_has_an_index(tmp_path: Path) -> None:
    write(tmp_path / "gallery", [])
    assert not with_class(read_page((tmp_path / "gallery" / "index.html").read_text()), "card")
