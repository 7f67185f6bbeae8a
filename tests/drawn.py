"""A small drawn corpus: coloured shapes on plain backgrounds, with two to four captions each.

`python tests/drawn.py FOLDER` writes FOLDER/photos/*.png and FOLDER/captions.csv.
"""

from __future__ import annotations

import csv
import random
import sys
from pathlib import Path

from PIL import Image, ImageDraw

COLOURS = {"red": "#d22", "green": "#2a2", "blue": "#24d", "yellow": "#ec1"}
GROUNDS = {"white": "#f4f4f4", "black": "#181818"}
SHAPES = ("circle", "square", "triangle")
TEMPLATES = (
    "a {colour} {shape} on a {ground} ground",
    "the {shape} is {colour}",
    "a {shape}, {colour}, on {ground}",
    "there is one {colour} {shape}",
)


def draw(path: Path, colour: str, shape: str, ground: str, rng: random.Random) -> None:
    """Draw a picture of 128 by 96 pixels."""
    image = Image.new("RGB", (128, 96), GROUNDS[ground])
    side = rng.randint(40, 56)
    x, y = rng.randint(4, 124 - side), rng.randint(4, 92 - side)
    pen = ImageDraw.Draw(image)
    if shape == "circle":
        pen.ellipse((x, y, x + side, y + side), fill=COLOURS[colour])
    elif shape == "square":
        pen.rectangle((x, y, x + side, y + side), fill=COLOURS[colour])
    else:
        pen.polygon([(x, y + side), (x + side, y + side), (x + side // 2, y)], fill=COLOURS[colour])
    image.save(path)


def write_corpus(folder: Path, copies: int = 2) -> int:
    """Draw `copies` of each colour, shape and background, with captions; return the number of pictures."""
    photos = folder / "photos"
    photos.mkdir(parents=True, exist_ok=True)
    rng = random.Random(7)
    rows: list[tuple[str, str, str]] = []
    number = 0
    for copy in range(copies):
        for colour in COLOURS:
            for shape in SHAPES:
                for ground in GROUNDS:
                    name = f"{number:03d}.png"
                    draw(photos / name, colour, shape, ground, rng)
                    split = "val" if copy == copies - 1 and number % 3 == 0 else "train"
                    for template in rng.sample(TEMPLATES, rng.randint(2, 4)):
                        rows.append((name, template.format(colour=colour, shape=shape, ground=ground), split))
                    number += 1
    with (folder / "captions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "caption", "split"))
        writer.writerows(rows)
    return number


if __name__ == "__main__":
    print(f"{write_corpus(Path(sys.argv[1]))} pictures drawn")
