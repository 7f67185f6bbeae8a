"""Finding photographs in folders, and detecting a file's format by its first bytes.

The format is detected so that an error message can name one that cannot be read. Most camera raw files are TIFFs whose
first image is a thumbnail, so their suffixes count too. This module does not import Pillow, so that
finding photographs is fast.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vsa_cli.core.errors import reason

HEIC_SUFFIXES = frozenset({".heic", ".heif"})
SUFFIXES = HEIC_SUFFIXES | {
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".jfif", ".jif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm",
    ".ppm", ".tif", ".tiff", ".webp",
}  # fmt: skip
"""Suffixes, in lower case, of the photographs in a folder."""

RAW_SUFFIXES = frozenset(
    {".3fr", ".arw", ".cr2", ".cr3", ".dng", ".erf", ".iiq", ".kdc", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw",
     ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"}
)  # fmt: skip
HEIC, AVIF = "HEIC", "AVIF"
PAGES, ANNOTATED = "vsa.css", ".vsa-annotated"
"""Files that mark a folder of pages and one of annotated copies, written by `vsa`, whose photographs are copies."""

_MARKERS = frozenset({PAGES, ANNOTATED})
_SYSTEM_FOLDERS = frozenset({"__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN"})

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


@dataclass(frozen=True)
class FoundPictures:
    """The photographs in a folder.

    Attributes:
        paths: every photograph in the folder and its subfolders, sorted by path.
        failures: one line for each folder that cannot be listed.
    """

    paths: list[Path]
    failures: list[str]


def is_picture_name(name: str) -> bool:
    """Whether a file has the name of a photograph that is not hidden; `._*` are macOS's metadata of one."""
    return Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")


def find_pictures(folder: Path, wanted: Callable[[str], bool] = is_picture_name) -> FoundPictures:
    """Find every photograph, or other wanted file, in a folder and its subfolders.

    Links to folders are followed, each folder once and under its first path, so that loops end. Hidden files and
    folders (`.thumbnails`, `._*` of macOS), those that operating systems keep beside photographs (`__MACOSX`, `@eaDir`
    of network storage), and subfolders with pages or annotated copies written by `vsa`, are skipped.

    Args:
        folder: the folder.
        wanted: whether a file of this name is to be found.
    """
    found: list[Path] = []
    failures: list[str] = []
    seen: set[tuple[int, int]] = set()

    def note(error: OSError) -> None:
        failures.append(f"{error.filename}: {reason(error)}")

    for parent, folders, names in os.walk(folder, onerror=note, followlinks=True):
        if not _is_new(parent, seen) or (Path(parent) != folder and not _MARKERS.isdisjoint(names)):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not is_system_path(name))
        found += (Path(parent) / name for name in names if wanted(name))
    return FoundPictures(sorted(found), failures)


def is_system_path(name: str) -> bool:
    """Whether a posix path is hidden, or of what a system keeps beside photographs, or in a folder that is."""
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    return any(part.startswith(".") for part in parts) or not _SYSTEM_FOLDERS.isdisjoint(parts)


def _is_new(folder: str, seen: set[tuple[int, int]]) -> bool:
    """Whether a folder was not searched before, under this or another name."""
    try:
        status = os.stat(folder)  # noqa: PTH116  as os.walk gives it
    except OSError:
        return True  # listing it raises the error
    known = (status.st_dev, status.st_ino) in seen
    seen.add((status.st_dev, status.st_ino))
    return not known


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
