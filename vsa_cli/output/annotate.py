"""Annotated copies of photographs: boxes and their sentences drawn on them, other sentences below. Draws with Pillow.

Shares its cards, colours and typeface with the HTML pages.
"""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vsa_cli.core.io.images import encode_jpeg, read_unchanged
from vsa_cli.output.html.cards import Box, Card, Line, area
from vsa_cli.output.html.template import read_asset
from vsa_cli.output.label_layout import Label, place_labels, wrap

Colour = tuple[int, int, int]

_MIN_SIDE, _MAX_SIDE = 1200, 2000  # pixels of the copy's longer side
_MIN_WIDTH = 600  # pixels of the copy at scale 1, so that a sentence fits below a tall photograph
_MAX_WORDS, _MAX_LETTERS = 80, 30  # of a sentence, and of a word
_OVERSAMPLING = 4

_PAPER, _INK, _WHITE = (252, 251, 248), (29, 28, 26), (255, 255, 255)
_COLOURS: tuple[Colour, ...] = (
    (6, 103, 198), (171, 75, 1), (9, 121, 55), (186, 43, 138), (13, 116, 121), (201, 32, 53), (128, 72, 209),
    (120, 105, 0),
)  # fmt: skip
"""The box colours of the style sheet's light theme."""


def annotated_jpeg(card: Card) -> bytes:
    """Draw a card as a JPEG without metadata.

    A sentence whose words all point at one box is written at that box. Sentences without a box are written below the
    photograph, except those that are `aside`.

    Raises:
        DataError: the photograph cannot be read, or has changed since its boxes were found.
    """
    photo = read_unchanged(card.photo, (card.width, card.height), card.sha256, _MAX_SIDE)
    longer = max(card.width, card.height)
    scale = min(max(longer, _MIN_SIDE), _MAX_SIDE) / longer
    width, height = max(1, round(card.width * scale)), max(1, round(card.height * scale))
    unit = max(width, height) / _MIN_SIDE
    canvas_width = max(width, round(_MIN_WIDTH * unit))
    left = (canvas_width - width) // 2

    size, margin, leading = round(34 * unit), round(36 * unit), round(44 * unit)
    ruler = Canvas(1, 1, _PAPER)
    sentences = [_shorten(line.text) for line in card.lines if not line.aside and _box_of(line) is None]
    lines = [
        line for text in sentences for line in wrap(text, canvas_width - 2 * margin, lambda t: ruler.measure(t, size))
    ]
    foot = len(lines) * leading + 2 * margin - (leading - size) if lines else 0

    canvas = Canvas(canvas_width, height + foot, _PAPER)
    canvas.paste(photo, (left, 0, left + width, height))
    _draw_boxes(canvas, card, left, (0, 0, canvas_width, height), scale, unit)
    for number, line in enumerate(lines):
        canvas.write(margin, height + margin + number * leading + 0.78 * size, line, size, _INK)
    return encode_jpeg(canvas.rgb, max(canvas.rgb.shape), sharp=True)


def _draw_boxes(canvas: Canvas, card: Card, left: int, field: Box, scale: float, unit: float) -> None:
    """Draw boxes on a photograph whose left edge is at `left`, and their labels within `field`."""
    size, weight = round(23 * unit), 560
    padding_x, padding_y, leading = round(10 * unit), round(6 * unit), round(28 * unit)
    boxes: list[Box] = []
    texts: list[str] = []
    for line in card.lines:
        number = _box_of(line)
        if number is not None:
            x1, y1, x2, y2 = (side * scale for side in card.boxes[number - 1])
            boxes.append((left + x1, y1, left + x2, y2))
            texts.append(_shorten(line.text))

    def measure(text: str) -> float:
        return canvas.measure(text, size, weight)

    wrapped = [
        wrap(text, min(max(box[2] - box[0], 300 * unit), 520 * unit) - 2 * padding_x, measure)
        for box, text in zip(boxes, texts, strict=True)
    ]
    labels = [
        Label(box, max(map(measure, lines)) + 2 * padding_x, len(lines) * leading + 2 * padding_y)
        for box, lines in zip(boxes, wrapped, strict=True)
    ]
    thickness, halo = max(2, round(4 * unit)), max(1, round(2 * unit))
    colours = [_COLOURS[number % len(_COLOURS)] for number in range(len(boxes))]
    for box, colour in sorted(zip(boxes, colours, strict=True), key=lambda pair: -area(pair[0])):
        canvas.outline(box, _WHITE, thickness + 2 * halo, 0.75)
        canvas.outline((box[0] + halo, box[1] + halo, box[2] - halo, box[3] - halo), colour, thickness)
    for place, lines, colour in zip(place_labels(labels, field), wrapped, colours, strict=True):
        canvas.fill(place, colour)
        for number, text in enumerate(lines):
            baseline = place[1] + padding_y + number * leading + 0.82 * size
            canvas.write(place[0] + padding_x, baseline, text, size, _WHITE, weight)


def _box_of(line: Line) -> int | None:
    """The number of the box that all words of a sentence point at, if there is one."""
    boxes = {word.box for word in line.words}
    number = boxes.pop() if len(boxes) == 1 else None
    return number or None  # 0 is the whole photograph


def _shorten(text: str) -> str:
    """Limit the number of words and the length of each; an ellipsis marks what was cut."""
    words = text.split()
    cut = [word if len(word) <= _MAX_LETTERS else word[: _MAX_LETTERS - 1] + "…" for word in words[:_MAX_WORDS]]
    return " ".join(cut) + (" …" if len(words) > _MAX_WORDS else "")


class Canvas:
    """An image of one colour, for photographs, rectangles and text in the pages' typeface."""

    def __init__(self, width: int, height: int, colour: Colour) -> None:
        self._image = Image.new("RGB", (width, height), colour)
        self._draw = ImageDraw.Draw(self._image, "RGBA")
        self._fonts: dict[tuple[int, int], ImageFont.FreeTypeFont | ImageFont.ImageFont] = {}

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """(height, width, 3) uint8."""
        return np.asarray(self._image, dtype=np.uint8)

    def paste(self, rgb: NDArray[np.uint8], place: tuple[int, int, int, int]) -> None:
        """Paste a photograph, resized to fill `place`."""
        size = (place[2] - place[0], place[3] - place[1])
        self._image.paste(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS), place)

    def fill(self, place: Box, colour: Colour, opacity: float = 1.0) -> None:
        """Fill a rectangle."""
        left, top, right, bottom = (round(side) for side in place)
        if left < right and top < bottom:
            self._draw.rectangle((left, top, right - 1, bottom - 1), fill=(*colour, round(255 * opacity)))

    def outline(self, place: Box, colour: Colour, thickness: int, opacity: float = 1.0) -> None:
        """Draw the outline of a rectangle, inside it."""
        left, top, right, bottom = place
        across, down = min(thickness, right - left), min(thickness, bottom - top)
        self.fill((left, top, right, top + down), colour, opacity)
        self.fill((left, bottom - down, right, bottom), colour, opacity)
        self.fill((left, top + down, left + across, bottom - down), colour, opacity)
        self.fill((right - across, top + down, right, bottom - down), colour, opacity)

    def measure(self, text: str, size: int, weight: int = 400) -> float:
        """The width of a text, in pixels."""
        return float(self._font(size, weight).getlength(text)) / _OVERSAMPLING

    def write(self, x: float, baseline: float, text: str, size: int, colour: Colour, weight: int = 400) -> None:
        """Write a line of text, given its left end and baseline."""
        # drawn larger and reduced: at its own size, letters are placed on whole pixels, with uneven spacing
        font, ascent, descent = self._font(size, weight), 2 * size, size
        width = math.ceil(self.measure(text, size, weight)) + 2 * size
        large = Image.new("L", (_OVERSAMPLING * width, _OVERSAMPLING * (ascent + descent)), 0)
        origin = (_OVERSAMPLING * size, _OVERSAMPLING * ascent)
        ImageDraw.Draw(large).text(origin, text, fill=255, font=font, anchor="ls")
        mask = large.resize((width, ascent + descent), Image.Resampling.BOX)
        self._image.paste(colour, (round(x) - size, round(baseline) - ascent), mask)

    def _font(self, size: int, weight: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        if (size, weight) not in self._fonts:
            self._fonts[size, weight] = _load_font(_OVERSAMPLING * size, weight)
        return self._fonts[size, weight]


def _load_font(size: int, weight: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    try:
        font = ImageFont.truetype(io.BytesIO(read_asset("newsreader.woff2")), size)
        font.set_variation_by_axes([weight])
    except (OSError, NotImplementedError):  # FreeType without WOFF2 or without variable fonts
        return ImageFont.load_default(size)
    return font
