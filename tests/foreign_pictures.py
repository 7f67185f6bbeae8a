"""Files of many kinds: images in every supported form, and files that are not images or cannot be read."""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

NOT_READ: dict[str, tuple[str, bytes]] = {
    "clip.mp4": ("a video", b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41" + bytes(64)),
    "clip.mov": ("a video", b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(64)),
    "clip.avi": ("a video", b"RIFF\0\x10\0\0AVI LIST" + bytes(64)),
    "clip.mkv": ("a video", b"\x1aE\xdf\xa3\x93B\x82\x88matroska" + bytes(64)),
    "clip.mpg": ("a video", b"\0\0\x01\xba" + bytes(64)),
    "camera.cr2": ("a camera raw file", b"II*\0\x10\0\0\0CR\x02\0" + bytes(64)),
    "camera.cr3": ("a camera raw file", b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom" + bytes(64)),
    "camera.raf": ("a camera raw file", b"FUJIFILMCCD-RAW 0201" + bytes(64)),
    "camera.orf": ("a camera raw file", b"IIRO\x08\0\0\0" + bytes(64)),
    "camera.rw2": ("a camera raw file", b"IIU\0\x18\0\0\0" + bytes(64)),
    "paper.pdf": ("a PDF", b"%PDF-1.7\n" + bytes(64)),
    "layers.psd": ("a Photoshop file", b"8BPS\0\x01" + bytes(64)),
    "new.jxl": ("JPEG XL", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(64)),
    "old.jp2": ("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(64)),
    "logo.svg": ("an SVG drawing", b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "saved.jpg": ("a web page", b"<!DOCTYPE html><html><body>404</body></html>"),
    "photos.zip": ("a ZIP archive", b"PK\x03\x04" + bytes(64)),
    "empty.jpg": ("an empty file", b""),
    "notes.txt": ("not an image", b"a dog, a hat"),
    "Thumbs.db": ("not an image", b"\xd0\xcf\x11\xe0" + bytes(64)),
}
"""Files that cannot be read: what the error message calls them, and their contents."""


def raw_with_thumbnail(picture: Image.Image) -> bytes:
    """A TIFF like a camera raw file, of which Pillow would read the thumbnail."""
    return encoded(picture.resize((16, 12)), "TIFF")


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def readable(picture: Image.Image) -> dict[str, bytes]:
    """A picture in every form that must be read, by file name."""
    turned = Image.Exif()
    turned[0x0112] = 6
    frames = [picture.quantize(16), picture.rotate(90).quantize(16)]
    forms: dict[str, Callable[[], bytes]] = {
        "a.jpg": lambda: encoded(picture, "JPEG"),
        "progressive.jpeg": lambda: encoded(picture, "JPEG", progressive=True),
        "turned.jpg": lambda: encoded(picture, "JPEG", exif=turned),
        "grey.jpg": lambda: encoded(picture.convert("L"), "JPEG"),
        "cmyk.jpg": lambda: encoded(picture.convert("CMYK"), "JPEG"),
        "a.png": lambda: encoded(picture, "PNG"),
        "palette.png": lambda: encoded(picture.quantize(16), "PNG"),
        "transparent.png": lambda: encoded(picture.convert("RGBA"), "PNG"),
        "bits.png": lambda: encoded(picture.convert("1"), "PNG"),
        "deep.png": lambda: encoded(picture.convert("L").convert("I;16"), "PNG"),
        "moving.gif": lambda: encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "a.webp": lambda: encoded(picture, "WEBP"),
        "a.tiff": lambda: encoded(picture, "TIFF"),
        "packed.tif": lambda: encoded(picture, "TIFF", compression="tiff_lzw"),
        "a.bmp": lambda: encoded(picture, "BMP"),
        "a.ppm": lambda: encoded(picture, "PPM"),
        "CAPITALS.JPG": lambda: encoded(picture, "JPEG"),
        "wrong-name.png": lambda: encoded(picture, "JPEG"),
        "no name": lambda: encoded(picture, "JPEG"),
        "Ünïcode 犬.jpg": lambda: encoded(picture, "JPEG"),
        "new\nline.jpg": lambda: encoded(picture, "JPEG"),
    }
    return {name: make() for name, make in forms.items()}


def broken(picture: Image.Image) -> dict[str, bytes]:
    """Damaged images, by file name."""
    whole = {f"cut.{kind.lower()}": encoded(picture, kind) for kind in ("JPEG", "PNG", "WEBP")}
    return {name: data[: len(data) // 2] for name, data in whole.items()} | {
        "bomb.bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 40_000, 40_000, 1, 24, 0, 0, 0, 0, 0, 0),
    }


def fill(folder: Path, picture: Image.Image, times: int) -> tuple[list[Path], list[Path]]:
    """Write all these files `times` times; return those that must be read, and those that must fail."""
    good: list[Path] = []
    bad: list[Path] = []
    for time in range(times):
        place = folder / f"{time}"
        place.mkdir(parents=True)
        unreadable = {name: data for name, (_, data) in NOT_READ.items()} | broken(picture)
        unreadable["camera.nef"] = raw_with_thumbnail(picture)
        for files, paths in ((readable(picture), good), (unreadable, bad)):
            for name, data in files.items():
                (place / name).write_bytes(data)
                paths.append(place / name)
        bad.append(place / "missing.jpg")
    return good, bad
