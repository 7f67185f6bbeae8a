"""A folder of pages: whole or not at all, small photographs without their secrets, and nobody's files lost."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.page_reader import read_page, with_class
from vsa_cli.core.errors import ConfigError, DataError
from vsa_cli.output.html.cards import Card, Header, Line, Word
from vsa_cli.output.html.document import MOST, Pages, leaf, refuse_output
from vsa_cli.output.html.gallery import PER_PAGE, album, refuse_folder

FRONT = Header("Words and their boxes", ("split val",), "How to read it.")


def card(photo: Path, size: tuple[int, int] = (40, 30)) -> Card:
    line = Line((Word("A", 1, 1.0, 0.1), Word("dog", 1, 5.0, 0.2), Word("runs.", 0, 3.0, 0.3)))
    return Card(photo.name, photo, *size, ((1.0, 2.0, 30.0, 20.0),), (line,))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photograph that says where it was taken."""
    path = tmp_path / "secret" / "a.jpg"
    path.parent.mkdir()
    exif = Image.Exif()
    exif[0x010F] = "Kodak-of-Ann"
    exif.get_ifd(0x8825)[1] = "N"
    Image.new("RGB", (40, 30), "teal").save(path, exif=exif, comment=b"at Ann's house")
    return path


def write(folder: Path, cards: Iterable[Card], said: list[str] | None = None) -> None:
    with album(folder, 2, (said if said is not None else []).append) as book:
        for one in cards:
            book.add(one)
        book.finish(FRONT)


def test_fifty_photographs_a_page_and_a_way_between_pages(tmp_path: Path, photo: Path) -> None:
    write(tmp_path / "album", [card(photo)] * (2 * PER_PAGE + 1))
    names = {path.relative_to(tmp_path / "album").as_posix() for path in (tmp_path / "album").rglob("*.*")}
    photos = {f"photos/{number:06d}.jpg" for number in range(1, 2 * PER_PAGE + 2)}
    assert names == photos | {"index.html", "page-2.html", "page-3.html", "vsa.css", "vsa.js"}
    pages = [
        read_page((tmp_path / "album" / name).read_text()) for name in ("index.html", "page-2.html", "page-3.html")
    ]
    assert [len(with_class(page, "plate")) for page in pages] == [PER_PAGE, PER_PAGE, 1]
    for page in pages:
        for address in [e.attributes[key] for e in page for key in ("src", "href") if key in e.attributes]:
            assert address in names | {"#photographs"}
        ids = [e.attributes["id"] for e in page if "id" in e.attributes]
        assert len(ids) == len(set(ids))
    around = [{e.attributes.get("rel"): e.attributes["href"] for e in page if e.tag == "a"} for page in pages]
    assert [(links.get("prev"), links.get("next")) for links in around] == [
        (None, "page-2.html"), ("index.html", "page-3.html"), ("page-2.html", None),
    ]  # fmt: skip


def test_pages_tell_nothing_of_the_machine_or_the_camera(tmp_path: Path, photo: Path) -> None:
    write(tmp_path / "album", [card(photo)])
    for path in (tmp_path / "album").rglob("*.*"):
        data = path.read_bytes()
        assert not re.search(rb"secret|Kodak|Ann|Exif", data), path
        assert str(tmp_path).encode() not in data
    with Image.open(tmp_path / "album" / "photos" / "000001.jpg") as copy:
        assert (copy.size, copy.format, dict(copy.getexif())) == ((40, 30), "JPEG", {})


def test_copies_are_of_bounded_size(tmp_path: Path) -> None:
    for name, size in (("wide.png", (2400, 60)), ("tall.png", (90, 3000)), ("large.png", (1500, 1500))):
        Image.new("RGB", size).save(tmp_path / name)
        write(tmp_path / f"{name}.album", [card(tmp_path / name, size)])
        with Image.open(tmp_path / f"{name}.album" / "photos" / "000001.jpg") as copy:
            assert max(copy.size) <= 1000
            assert max(copy.size) >= 990


def test_heavier_words_have_heavier_classes(tmp_path: Path, photo: Path) -> None:
    write(tmp_path / "album", [card(photo)])
    css = (tmp_path / "album" / "vsa.css").read_text()
    weights = {name: int(weight) for name, weight in re.findall(r"\.(m\d+)\{font-weight:(\d+)\}", css)}
    words = with_class(read_page((tmp_path / "album" / "index.html").read_text()), "w")
    found = {word.text: weights[next(name for name in word.classes if name in weights)] for word in words}
    assert found["A"] < found["runs."] < found["dog"]


def test_the_same_plates_give_the_same_bytes(tmp_path: Path, photo: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name, [card(photo)] * 3)
    for path in (tmp_path / "one").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


def test_lost_and_changed_photographs_are_named_and_their_sentences_stay(tmp_path: Path, photo: Path) -> None:
    Image.new("RGB", (30, 40)).save(tmp_path / "other.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    lost = [card(tmp_path / name) for name in ("gone.jpg", "broken.jpg", "other.jpg")]
    said: list[str] = []
    write(tmp_path / "album", [card(photo), *lost], said)
    assert [name for line, name in zip(said, ("gone.jpg", "broken.jpg", "other.jpg"), strict=True) if name in line]
    assert "changed" in said[2]
    page = read_page((tmp_path / "album" / "index.html").read_text())
    assert len(with_class(page, "plate")) == len(with_class(page, "line")) == 4
    assert len(with_class(page, "gone")) == 3


def test_a_death_leaves_what_was_there(tmp_path: Path, photo: Path) -> None:
    write(tmp_path / "album", [card(photo)])
    before = (tmp_path / "album" / "index.html").read_bytes()

    def cards() -> Iterator[Card]:
        yield card(photo)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "album", cards())
    assert (tmp_path / "album" / "index.html").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["album", "secret"]


def test_an_album_replaces_one_whole(tmp_path: Path, photo: Path) -> None:
    write(tmp_path / "album", [card(photo)] * (PER_PAGE + 1))
    refuse_folder(tmp_path / "album", force=True)
    write(tmp_path / "album", [card(photo)])
    assert not (tmp_path / "album" / "page-2.html").exists()
    assert len(list((tmp_path / "album" / "photos").iterdir())) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["album", "secret"]


def test_a_folder_in_use_is_refused(tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "album"
    refuse_folder(folder, force=False)
    folder.mkdir()
    refuse_folder(folder, force=False)
    write(folder, [card(photo)])
    with pytest.raises(ConfigError, match="--force"):
        refuse_folder(folder, force=False)
    (folder / "photos" / "mine.txt").write_text("")
    with pytest.raises(ConfigError, match=r"photos/mine\.txt"):
        refuse_folder(folder, force=True)
    with pytest.raises(ConfigError, match=r"a\.jpg"):
        refuse_folder(photo.parent, force=True)
    with pytest.raises(ConfigError, match="is a file"):
        refuse_folder(photo, force=True)
    with pytest.raises(ConfigError, match="put it elsewhere"):
        refuse_folder(tmp_path / "new", tmp_path / "new" / "snippets.jsonl", force=False)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<title>mine</title>")
    with pytest.raises(ConfigError, match="of its own"):
        refuse_folder(tmp_path / "site", force=True)
    monkeypatch.chdir(tmp_path / "secret")
    with pytest.raises(ConfigError, match="you are in"):
        refuse_folder(tmp_path, force=True)


def test_a_folder_that_cannot_be_made_is_told_in_a_line(photo: Path) -> None:
    with pytest.raises(DataError, match="cannot hold pages"):
        write(photo / "album", [card(photo)])


def test_an_empty_album_has_its_index(tmp_path: Path) -> None:
    write(tmp_path / "album", [])
    assert not with_class(read_page((tmp_path / "album" / "index.html").read_text()), "plate")


def test_one_file_holds_everything(tmp_path: Path, photo: Path) -> None:
    said: list[str] = []
    text = "".join(leaf(FRONT, [card(photo), card(tmp_path / "gone.jpg")], said.append))
    found = read_page(text)
    assert [e.attributes["src"][:23] for e in found if e.tag == "img"] == ["data:image/jpeg;base64,"]
    assert not [e for e in found if e.tag in ("link", "script") and e.attributes]
    assert "secret" not in text
    assert len(said) == 1


def test_an_output_is_a_folder_or_a_file_by_its_name(tmp_path: Path, photo: Path) -> None:
    pages = Pages(lambda: FRONT, [card(photo)], print)
    pages.fill(tmp_path / "album", 1)
    assert (tmp_path / "album" / "index.html").exists()
    with pytest.raises(ConfigError, match="-o DIR"):
        refuse_output(None, MOST + 1, force=False)
    refuse_output(tmp_path / "new", MOST + 1, force=False)
    (tmp_path / "page.html").write_text("")
    with pytest.raises(ConfigError, match="`force`"):
        refuse_output(tmp_path / "page.html", 1, force=False)
