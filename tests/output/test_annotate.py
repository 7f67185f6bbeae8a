"""Annotated photographs: boxes in their colours, sentences below, and no metadata."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from vsa_cli.core.errors import DataError
from vsa_cli.output.annotate import annotated_jpeg
from vsa_cli.output.html.cards import Card, Line, Word

GREY = (120, 120, 120)


def card(
    path: Path, size: tuple[int, int], *lines: Line, boxes: tuple[tuple[float, float, float, float], ...] = ()
) -> Card:
    return Card(path.name, path, *size, boxes, lines)


def sentence(text: str, box: int | None = None, *, aside: bool = False) -> Line:
    return Line((Word(text, box),), aside=aside)


def draw(one: Card) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(annotated_jpeg(one)))).astype(int)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    exif = Image.Exif()
    exif[0x010F] = "Kodak-of-Ann"
    Image.new("RGB", (300, 200), GREY).save(tmp_path / "a.jpg", quality=95, exif=exif, comment=b"at Ann's house")
    return tmp_path / "a.jpg"


def test_boxes_are_drawn_in_colour_at_their_place(photo: Path) -> None:
    one = card(
        photo,
        (300, 200),
        sentence("all"),
        sentence("this", 1),
        sentence("that", 2),
        boxes=((30, 100, 120, 180), (200, 90, 270, 190)),
    )
    drawn = draw(one)
    assert drawn.shape[1] == 1200
    for column, colour in ((30 * 4 + 4, (6, 103, 198)), (200 * 4 + 4, (171, 75, 1))):
        assert np.abs(drawn[600, column] - colour).max() < 25
    assert np.abs(drawn[560, 320] - GREY).max() < 6, "the photograph is unchanged inside a box"
    assert np.abs(drawn[20, 600] - GREY).max() < 6


def test_copy_has_no_metadata(photo: Path) -> None:
    data = annotated_jpeg(card(photo, (300, 200), sentence("a dog")))
    for secret in (b"Kodak", b"Ann", b"Exif"):
        assert secret not in data
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "JPEG"
        assert dict(image.getexif()) == {}


def test_same_card_gives_same_bytes(photo: Path) -> None:
    one = card(photo, (300, 200), sentence("a dog"), sentence("it", 1), boxes=((3, 3, 90, 90),))
    assert annotated_jpeg(one) == annotated_jpeg(one)


def test_caption_is_below_the_photograph_and_candidates_are_not(photo: Path) -> None:
    bare, one, two = (
        draw(card(photo, (300, 200), *lines))
        for lines in ((), (sentence("a dog"),), (sentence("a dog"), sentence("a cat", aside=True)))
    )
    assert bare.shape[0] == 800 < one.shape[0]
    assert one.shape == two.shape
    assert (one == two).all()
    assert one[800:].min() < 80, "there is ink below the photograph"


@pytest.mark.parametrize(
    ("size", "width"), [((300, 200), 1200), ((5000, 2500), 2000), ((1500, 1000), 1500), ((20, 400), 600)]
)
def test_size_of_the_copy_is_bounded(tmp_path: Path, size: tuple[int, int], width: int) -> None:
    Image.new("RGB", size, GREY).save(tmp_path / "a.png")
    box = (0.0, 0.0, size[0] / 2, size[1] / 2)
    assert draw(card(tmp_path / "a.png", size, sentence("it", 1), boxes=(box,))).shape[1] == width


def test_long_sentences_are_cut(photo: Path) -> None:
    endless = sentence("x" * 100_000), sentence(" ".join(["word"] * 10_000)), sentence("y" * 100_000, 1)
    assert draw(card(photo, (300, 200), *endless, boxes=((0, 0, 9, 9),))).shape[0] < 4000


def test_missing_or_changed_photograph_is_an_error(tmp_path: Path, photo: Path) -> None:
    with pytest.raises(DataError, match="gone"):
        annotated_jpeg(card(tmp_path / "gone.jpg", (3, 2)))
    with pytest.raises(DataError, match="changed"):
        annotated_jpeg(card(photo, (200, 300)))


def test_pillows_font_is_used_if_woff2_cannot_be_read(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = ImageFont.truetype

    def refuse(face: io.BytesIO, *options: object, **more: object) -> object:
        if face.getvalue().startswith(b"wOF2"):
            raise OSError("unknown file format")
        return read(face, *options, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(ImageFont, "truetype", refuse)
    assert draw(card(photo, (300, 200), sentence("a dog")))[800:].min() < 80
