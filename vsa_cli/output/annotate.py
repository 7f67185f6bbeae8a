"""Lettering and boxes on a photograph: Pillow's pen, with a typeface of ours."""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vsa_cli.core.io.images import encode_jpeg
from vsa_cli.output.html.cards import Card, Line
from vsa_cli.output.html.template import look
from vsa_cli.output.html.thumbnails import read_photo
from vsa_cli.output.label_layout import Label, Rectangle, place, wrap

_FINE = 4  # times a text's size it is lettered at

Colour = tuple[int, int, int]


class Drawing:
    """A sheet of `width` by `height` pixels with a photograph in it, to draw and to letter on.

    `face` is the typeface's file; where this Pillow cannot read it, its own serves.
    """

    def __init__(self, width: int, height: int, colour: Colour, face: bytes) -> None:
        self._image = Image.new("RGB", (width, height), colour)
        self._pen = ImageDraw.Draw(self._image, "RGBA")
        self._face = face
        self._fonts: dict[tuple[int, int], ImageFont.FreeTypeFont | ImageFont.ImageFont] = {}

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """(height, width, 3) uint8."""
        return np.asarray(self._image, dtype=np.uint8)

    def paste(self, rgb: NDArray[np.uint8], place: tuple[int, int, int, int]) -> None:
        """A picture, resampled to fill a rectangle of whole pixels."""
        size = (place[2] - place[0], place[3] - place[1])
        self._image.paste(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS), place)

    def fill(self, place: Rectangle, colour: Colour, opacity: float = 1.0) -> None:
        """A rectangle."""
        left, top, right, bottom = (round(side) for side in place)
        if left < right and top < bottom:
            self._pen.rectangle((left, top, right - 1, bottom - 1), fill=(*colour, round(255 * opacity)))

    def frame(self, place: Rectangle, colour: Colour, thickness: int, opacity: float = 1.0) -> None:
        """The outline of a rectangle, inside it."""
        left, top, right, bottom = place
        across, down = min(thickness, right - left), min(thickness, bottom - top)
        self.fill((left, top, right, top + down), colour, opacity)
        self.fill((left, bottom - down, right, bottom), colour, opacity)
        self.fill((left, top + down, left + across, bottom - down), colour, opacity)
        self.fill((right - across, top + down, right, bottom - down), colour, opacity)

    def measure(self, text: str, size: int, weight: int = 400) -> float:
        """How wide a text is, in pixels."""
        return float(self._font(size, weight).getlength(text)) / _FINE

    def write(self, x: float, baseline: float, text: str, size: int, colour: Colour, weight: int = 400) -> None:
        """A line of text, from its left end on its baseline."""
        # lettered large and reduced, for at its own size letters would stand on whole pixels, unevenly
        font, high, deep = self._font(size, weight), 2 * size, size
        width = math.ceil(self.measure(text, size, weight)) + 2 * size
        large = Image.new("L", (_FINE * width, _FINE * (high + deep)), 0)
        ImageDraw.Draw(large).text((_FINE * size, _FINE * high), text, fill=255, font=font, anchor="ls")
        mask = large.resize((width, high + deep), Image.Resampling.BOX)
        self._image.paste(colour, (round(x) - size, round(baseline) - high), mask)

    def _font(self, size: int, weight: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        if (size, weight) not in self._fonts:
            self._fonts[size, weight] = self._load(_FINE * size, weight)
        return self._fonts[size, weight]

    def _load(self, size: int, weight: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        try:
            font = ImageFont.truetype(io.BytesIO(self._face), size)
            font.set_variation_by_axes([weight])
        except (OSError, NotImplementedError):  # a FreeType that knows no WOFF2, or no variable faces
            return ImageFont.load_default(size)
        return font


_SMALL, _LARGE = 1200, 2000  # pixels of a photograph's longer side: at least, to be lettered; and at most
_NARROWEST = 600  # pixels of a sheet, so that a sentence fits below a tall photograph
_WORDS, _LETTERS = 80, 30  # of a sentence, and of a word, at most

_PAPER, _INK, _WHITE = (252, 251, 248), (29, 28, 26), (255, 255, 255)
_COLOURS: tuple[Colour, ...] = (
    (6, 103, 198), (171, 75, 1), (9, 121, 55), (186, 43, 138), (13, 116, 121), (201, 32, 53), (128, 72, 209),
    (120, 105, 0),
)  # fmt: skip
"""Those of the pages' boxes, on paper."""


def annotated(card: Card) -> bytes:
    """A JPEG that tells nothing but its pixels.

    A sentence whose words point at a box is written at that box; sentences without a box, but for those that stand
    aside, go below the photograph.

    Raises:
        DataError: the photograph cannot be read, or is no longer the one that the boxes were found in.
    """
    photo = read_photo(card, _LARGE)
    longer = max(card.width, card.height)
    scale = min(max(longer, _SMALL), _LARGE) / longer
    width, height = max(1, round(card.width * scale)), max(1, round(card.height * scale))
    unit = max(width, height) / _SMALL
    sheet_width = max(width, round(_NARROWEST * unit))
    left = (sheet_width - width) // 2

    face = look("newsreader.woff2")
    size, margin, leading = round(34 * unit), round(36 * unit), round(44 * unit)
    ruler = Drawing(1, 1, _PAPER, face)
    captions = [_short(line.text) for line in card.lines if not line.aside and _box_of(line) is None]
    lines = [
        line for text in captions for line in wrap(text, sheet_width - 2 * margin, lambda t: ruler.measure(t, size))
    ]
    foot = len(lines) * leading + 2 * margin - (leading - size) if lines else 0

    sheet = Drawing(sheet_width, height + foot, _PAPER, face)
    sheet.paste(photo.rgb, (left, 0, left + width, height))
    _draw_boxes(sheet, card, left, (0, 0, sheet_width, height), scale, unit)
    for number, line in enumerate(lines):
        sheet.write(margin, height + margin + number * leading + 0.78 * size, line, size, _INK)
    return encode_jpeg(sheet.rgb, max(sheet.rgb.shape), sharp=True)


def _draw_boxes(sheet: Drawing, card: Card, left: int, field: Rectangle, scale: float, unit: float) -> None:
    """Boxes with their labels, on a photograph of which `left` is the left edge; labels stay in `field`."""
    size, weight = round(23 * unit), 560
    across, above, leading = round(10 * unit), round(6 * unit), round(28 * unit)
    boxes, texts = [], []
    for line in card.lines:
        number = _box_of(line)
        if number is not None:
            x1, y1, x2, y2 = (side * scale for side in card.boxes[number - 1])
            boxes.append((left + x1, y1, left + x2, y2))
            texts.append(_short(line.text))

    def measure(text: str) -> float:
        return sheet.measure(text, size, weight)

    wrapped = [
        wrap(text, min(max(box[2] - box[0], 300 * unit), 520 * unit) - 2 * across, measure)
        for box, text in zip(boxes, texts, strict=True)
    ]
    labels = [
        Label(box, max(map(measure, lines)) + 2 * across, len(lines) * leading + 2 * above)
        for box, lines in zip(boxes, wrapped, strict=True)
    ]
    thick, halo = max(2, round(4 * unit)), max(1, round(2 * unit))
    colours = [_COLOURS[number % len(_COLOURS)] for number in range(len(boxes))]
    for box, colour in sorted(zip(boxes, colours, strict=True), key=lambda pair: -_area(pair[0])):
        sheet.frame(box, _WHITE, thick + 2 * halo, 0.75)
        sheet.frame((box[0] + halo, box[1] + halo, box[2] - halo, box[3] - halo), colour, thick)
    for spot, lines, colour in zip(place(labels, field), wrapped, colours, strict=True):
        sheet.fill(spot, colour)
        for number, text in enumerate(lines):
            baseline = spot[1] + above + number * leading + 0.82 * size
            sheet.write(spot[0] + across, baseline, text, size, _WHITE, weight)


def _box_of(line: Line) -> int | None:
    """The box that a sentence is of, where it is of one alone."""
    boxes = {word.box for word in line.words}
    number = boxes.pop() if len(boxes) == 1 else None
    return number or None


def _short(text: str) -> str:
    """A text of so many words, and words of so many letters, as a picture can hold; what is cut ends in an ellipsis."""
    words = text.split()
    cut = [word if len(word) <= _LETTERS else word[: _LETTERS - 1] + "…" for word in words[:_WORDS]]
    return " ".join(cut) + (" …" if len(words) > _WORDS else "")


def _area(box: Rectangle) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
