"""Annotated pictures: the photograph, its boxes in their colours, sentences below; and nothing else of the file."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from vsa_cli.core.errors import DataError
from vsa_cli.output.annotate import annotated
from vsa_cli.output.html.cards import Card, Line, Word

GREY = (120, 120, 120)


def card(
    path: Path, size: tuple[int, int], *lines: Line, boxes: tuple[tuple[float, float, float, float], ...] = ()
) -> Card:
    return Card(path.name, path, *size, boxes, lines)


def said(text: str, box: int | None = None, *, aside: bool = False) -> Line:
    return Line((Word(text, box),), aside=aside)


def draw(one: Card) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(annotated(one)))).astype(int)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    exif = Image.Exif()
    exif[0x010F] = "Kodak-of-Ann"
    Image.new("RGB", (300, 200), GREY).save(tmp_path / "a.jpg", quality=95, exif=exif, comment=b"at Ann's house")
    return tmp_path / "a.jpg"


def test_boxes_have_their_colours_and_places(photo: Path) -> None:
    one = card(
        photo,
        (300, 200),
        said("all"),
        said("this", 1),
        said("that", 2),
        boxes=((30, 100, 120, 180), (200, 90, 270, 190)),
    )
    drawn = draw(one)
    assert drawn.shape[1] == 1200
    for column, colour in ((30 * 4 + 4, (6, 103, 198)), (200 * 4 + 4, (171, 75, 1))):
        assert np.abs(drawn[600, column] - colour).max() < 25
    assert np.abs(drawn[560, 320] - GREY).max() < 6, "inside a box the photograph is as it was"
    assert np.abs(drawn[20, 600] - GREY).max() < 6


def test_a_file_tells_nothing_but_its_pixels(photo: Path) -> None:
    data = annotated(card(photo, (300, 200), said("a dog")))
    for secret in (b"Kodak", b"Ann", b"Exif"):
        assert secret not in data
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "JPEG"
        assert dict(image.getexif()) == {}


def test_the_same_plate_gives_the_same_bytes(photo: Path) -> None:
    one = card(photo, (300, 200), said("a dog"), said("it", 1), boxes=((3, 3, 90, 90),))
    assert annotated(one) == annotated(one)


def test_the_caption_stands_below_and_candidates_do_not(photo: Path) -> None:
    bare, one, two = (
        draw(card(photo, (300, 200), *lines))
        for lines in ((), (said("a dog"),), (said("a dog"), said("a cat", aside=True)))
    )
    assert bare.shape[0] == 800 < one.shape[0]
    assert one.shape == two.shape
    assert (one == two).all()
    assert one[800:].min() < 80, "there is ink below the photograph"


@pytest.mark.parametrize(
    ("size", "sheet"), [((300, 200), 1200), ((5000, 2500), 2000), ((1500, 1000), 1500), ((20, 400), 600)]
)
def test_sheets_are_large_enough_to_letter_and_no_larger(tmp_path: Path, size: tuple[int, int], sheet: int) -> None:
    Image.new("RGB", size, GREY).save(tmp_path / "a.png")
    box = (0.0, 0.0, size[0] / 2, size[1] / 2)
    assert draw(card(tmp_path / "a.png", size, said("it", 1), boxes=(box,))).shape[1] == sheet


def test_what_no_picture_can_hold_is_cut(photo: Path) -> None:
    endless = said("x" * 100_000), said(" ".join(["word"] * 10_000)), said("y" * 100_000, 1)
    assert draw(card(photo, (300, 200), *endless, boxes=((0, 0, 9, 9),))).shape[0] < 4000


def test_a_lost_or_changed_photograph_is_told(tmp_path: Path, photo: Path) -> None:
    with pytest.raises(DataError, match="gone"):
        annotated(card(tmp_path / "gone.jpg", (3, 2)))
    with pytest.raises(DataError, match="changed"):
        annotated(card(photo, (200, 300)))


def test_without_woff2_pillows_own_face_serves(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = ImageFont.truetype

    def refuse(face: io.BytesIO, *options: object, **more: object) -> object:
        if face.getvalue().startswith(b"wOF2"):
            raise OSError("unknown file format")
        return read(face, *options, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(ImageFont, "truetype", refuse)
    assert draw(card(photo, (300, 200), said("a dog")))[800:].min() < 80
