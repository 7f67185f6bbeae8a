"""Pages as one file contain everything they need; outputs are checked before any work."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.page_reader import read_page, with_class
from vsa_cli.core.errors import ConfigError
from vsa_cli.output.html.cards import Card, Header, Line, Word
from vsa_cli.output.html.document import MAX_PHOTOGRAPHS, Pages, check_pages_output, is_folder, render_document

HEADER = Header("Words and their boxes", ("split val",), "How to read it.")


@pytest.fixture
def card(tmp_path: Path) -> Card:
    photo = tmp_path / "secret" / "a.jpg"
    photo.parent.mkdir()
    Image.new("RGB", (40, 30), "teal").save(photo)
    return Card("a.jpg", photo, 40, 30, ((1.0, 2.0, 30.0, 20.0),), (Line((Word("dog", 1, 5.0, 0.2),)),))


def test_one_file_contains_style_script_and_photographs(tmp_path: Path, card: Card) -> None:
    warnings: list[str] = []
    missing = Card("gone.jpg", tmp_path / "gone.jpg", 40, 30)
    text = render_document(HEADER, [card, missing], warnings.append)
    found = read_page(text)
    assert [e.attributes["src"][:23] for e in found if e.tag == "img"] == ["data:image/jpeg;base64,"]
    assert not [e for e in found if e.tag in ("link", "script") and e.attributes]
    assert "secret" not in text
    assert len(with_class(found, "gone")) == len(warnings) == 1


def test_one_file_is_limited_to_a_number_of_photographs(card: Card) -> None:
    with pytest.raises(ConfigError, match="-o DIR"):
        list(Pages(lambda: HEADER, [card] * (MAX_PHOTOGRAPHS + 1), print).lines())


def test_output_is_a_file_or_a_folder_by_its_name(tmp_path: Path, card: Card) -> None:
    assert [is_folder(path) for path in (None, Path("a.html"), Path("a.HTM"), Path("a"))] == [False, False, False, True]
    pages = Pages(lambda: HEADER, [card, Card("gone.jpg", tmp_path / "gone.jpg", 40, 30)], lambda line: None)
    pages.fill(tmp_path / "gallery", 1)
    assert pages.failed == 1
    assert (tmp_path / "gallery" / "index.html").exists()


def test_output_is_checked_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="-o DIR"):
        check_pages_output(None, MAX_PHOTOGRAPHS + 1, force=False)
    check_pages_output(tmp_path / "new", MAX_PHOTOGRAPHS + 1, force=False)
    (tmp_path / "page.html").write_text("")
    with pytest.raises(ConfigError, match="force"):
        check_pages_output(tmp_path / "page.html", 1, force=False)
