"""Finding photographs in folders, and detecting a file's format by its first bytes.

An unreadable format can then be named in the error message. Camera raw files are mostly TIFFs whose first image is a
thumbnail, so their suffixes count as well. Does not import Pillow, so that finding photographs is fast.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from vsa_cli.core.errors import DataError, reason

HEIC_SUFFIXES = frozenset({".heic", ".heif"})
SUFFIXES = HEIC_SUFFIXES | {
    ".avif", ".bmp", ".gif", ".jpe", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp",
}  # fmt: skip
"""Suffixes, in lower case, of the photographs in a folder."""

RAW_SUFFIXES = frozenset(
    {".3fr", ".arw", ".cr2", ".cr3", ".dng", ".erf", ".iiq", ".kdc", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw",
     ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"}
)  # fmt: skip
HEIC, AVIF = "HEIC", "AVIF"
PAGES = "vsa.css"
"""A file that marks a folder as pages written by `vsa`, whose photographs are copies."""

_RAW, _VIDEO = "a camera raw file", "a video"
_HEAD = 512  # bytes
_BRANDS = {
    HEIC: {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"},
    AVIF: {b"avif", b"avis"},
    _RAW: {b"crx "},
}
"""Major brands of ISO base media files; the other brands are video or audio."""

_SIGNATURES: tuple[tuple[str, str], ...] = (
    (_RAW, r"II\*\0....CR|FUJIFILMCCD-RAW|IIRO|IIRS|MMOR|IIU\0|FOVb"),
    (_VIDEO, r"RIFF....AVI |\x1aE\xdf\xa3|\0\0\x01[\xb3\xba]|FLV\x01|OggS|0&\xb2u\x8ef\xcf\x11|G.{187}G"),
    ("a PDF", r"%PDF-"),
    ("a Photoshop file", r"8BPS"),
    ("JPEG XL", r"\xff\x0a|\0\0\0\x0cJXL \r\n"),
    ("JPEG 2000", r"\0\0\0\x0cjP  \r\n|\xff\x4f\xff\x51"),
    ("an SVG drawing", r"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<svg\b"),
    ("a web page", r"(?i:\s*<(!doctype html|html)\b)"),
    ("a ZIP archive", r"PK\x03\x04"),
)
_COMPILED = [(name, re.compile(pattern.encode("latin-1"), re.S)) for name, pattern in _SIGNATURES]


def find_pictures(folder: Path) -> list[Path]:
    """Every photograph in `folder` and its subfolders, sorted by path.

    Links to folders are not followed, and subfolders of pages written by `vsa` are skipped.

    Raises:
        DataError: the folder cannot be listed.
    """

    def fail(error: OSError) -> None:
        raise DataError(f"{error.filename}: {reason(error)}") from error

    found: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=fail):
        if PAGES in names and Path(parent) != folder:
            folders.clear()
        else:
            found += (Path(parent) / name for name in names if Path(name).suffix.lower() in SUFFIXES)
    return sorted(found)


def format_of(path: Path) -> str | None:
    """The name of a file's format if it needs a special reader or cannot be read at all; None otherwise.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        return "an empty file"
    if head[4:8] == b"ftyp":
        return next((name for name, brands in _BRANDS.items() if head[8:12] in brands), _VIDEO)
    if path.suffix.lower() in RAW_SUFFIXES and head[:2] in (b"II", b"MM"):
        return _RAW
    return next((name for name, pattern in _COMPILED if pattern.match(head)), None)
