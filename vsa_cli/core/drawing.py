"""Lettering and boxes on a photograph: Pillow's pen, with a typeface of ours."""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_FINE = 4  # times a text's size it is lettered at

Colour = tuple[int, int, int]
Rectangle = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels; right and bottom are just outside."""


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
