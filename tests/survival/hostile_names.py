"""Hostile file names, links, pipes and devices, in folders of images and on lists of images."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from tests.survival.cases import ONE_THREAD, Case, CaseFolders, Trap
from tests.survival.material import REGIONS, Material

NAMES: dict[str, bytes] = {
    "not UTF-8": b"caf\xe9 \xff.png",
    "a newline": b"two\nlines.png",
    "a carriage return and a tab": b"one\r\ttwo.png",
    "spaces all around": b"  a  b  .png",
    "a leading dash": b"-o.png",
    "an option": b"--model=x.png",
    "terminal commands": b"\x1b[2J\x1b[31mred\x07.png",
    "right to left": "\u202egnp.exe\u202c.png".encode(),
    "quotes and markup": b"\"'<img src=x onerror=alert(1)>.png",
    "a backslash": b"a\\nb.png",
    "a percent and braces": b"%s{0}${HOME}`id`$(id).png",
    "255 bytes": b"n" * 251 + b".png",
    "only a suffix": b".png",
    "wide characters": "犬🐕 e\u0301.png".encode(),
}


def cases(made: Material, folders: CaseFolders, trap: Trap) -> Iterator[Case]:
    """All names, for valid and for broken images; then everything that only looks like an image."""
    good = (made.photos / "000.png").read_bytes()
    model = ("--model", made.gen, *ONE_THREAD)
    for name, raw in NAMES.items():
        valid, broken = folders.new(), folders.new()
        (valid / os.fsdecode(raw)).write_bytes(good)
        (broken / os.fsdecode(raw)).write_bytes(good[:50])
        quick = name in ("not UTF-8", "a newline", "terminal commands")
        hidden = raw.startswith(b".")  # a name without suffix according to pathlib
        words = ("caption", valid, *model, "--format", "jsonl")
        yield Case("names", f"{name}, valid", words, (1,) if hidden else (0,), quick=quick)
        yield Case("names", f"{name}, broken", ("caption", broken, *model), (1,), quick=quick)
        words = ("extract-regions", valid, "-o", valid / "out" / "r.h5", *REGIONS, *ONE_THREAD, "--quiet")
        # HDF5 stores names as UTF-8; other names are rejected
        yield Case("names", f"{name}, for regions", words, (0, 1, 3), lines=(1, 2))
        listed = os.fsencode(valid / os.fsdecode(raw))
        yield Case(
            "names", f"{name}, on a list", ("caption", "-", "-0", *model), (0,), stdin=listed + b"\0", also=(valid,)
        )
    yield from _links(made, folders, trap, good)
    yield from _lists(made, folders, good)


def _links(made: Material, folders: CaseFolders, trap: Trap, good: bytes) -> Iterator[Case]:
    model = ("--model", made.gen, *ONE_THREAD)

    def cases_with(link: str, target: str | Path | None, *, name: str, codes: tuple[int, ...] = (3,)) -> Iterator[Case]:
        for command in ("caption", "extract-regions"):
            place = folders.new() / "inner"
            place.mkdir()
            (place / "good.png").write_bytes(good)
            if target is not None:
                (place / link).symlink_to(target)
            elif link.endswith("pipe.png"):
                os.mkfifo(place / link)
            elif link.endswith("socket.png"):
                here = Path.cwd()
                os.chdir(place)  # a socket's path must be short
                with socket.socket(socket.AF_UNIX) as plug:
                    plug.bind(link)
                os.chdir(here)
            else:
                (place / link).mkdir()
            words: tuple[object, ...] = (command, place, *model)
            if command == "extract-regions":
                words = (command, place, "-o", place / "out" / "r.h5", *REGIONS, *ONE_THREAD, "--quiet")
            yield Case("names", f"{name}, in a folder", words, codes, quick=link == "pipe.png")

    yield from cases_with("loop", ".", name="a folder that links to itself", codes=(0,))
    yield from cases_with("up", "..", name="a link to the folder above", codes=(0,))
    yield from cases_with("self.png", "self.png", name="a link to itself")
    yield from cases_with("gone.png", "nothing.png", name="a broken link")
    yield from cases_with("zero.png", "/dev/zero", name="a link to endless zeros")
    yield from cases_with("null.png", "/dev/null", name="a link to /dev/null")
    yield from cases_with("random.png", "/dev/urandom", name="a link to endless noise")
    yield from cases_with("pipe.png", None, name="a pipe")
    yield from cases_with("socket.png", None, name="a socket")
    yield from cases_with("folder.png", None, name="a folder named like an image", codes=(0,))
    yield from cases_with("trap.png", trap.pipe, name="a link to a pipe outside")
    deep = folders.new()
    inner = deep
    for _ in range(60):
        inner = inner / ("d" * 60)
        try:
            inner.mkdir()
        except OSError:
            break
    yield Case("names", "a path longer than the limit", ("caption", deep, *model), (1,))
    empty = folders.new()
    yield Case("names", "an empty folder", ("caption", empty, *model), (1,))
    yield Case("names", "an empty folder, for regions", ("extract-regions", empty, "-o", empty / "r.h5"), (1,))
    yield Case("names", "an output that is a folder", ("caption", made.photos, *model, "-o", empty), (2,))
    file = folders.file("file", b"x")
    for name, out in {"a file's inside": file / "r.h5", "too long": empty / ("o" * 300)}.items():
        words = ("extract-regions", made.photos, "-o", out, *REGIONS, *ONE_THREAD, "--quiet")
        yield Case("names", f"an impossible output, {name}", words, (1, 2))
        yield Case("names", f"impossible captions output, {name}", ("caption", made.photos, *model, "-o", out), (1, 2))


def _lists(made: Material, folders: CaseFolders, good: bytes) -> Iterator[Case]:
    model = ("--model", made.gen, *ONE_THREAD)
    for name, listed in {
        "a name too long": b"n" * 5000 + b".png",
        "a path too long": b"/".join([b"n" * 200] * 40) + b".png",
        "a NUL on a list by lines": b"a\0b.png",
        "a lone surrogate": b"\xed\xa0\x80.png",
        "a device": b"/dev/zero",
        "a terminal": b"/dev/tty",
        "a folder": os.fsencode(made.folder / "gen"),
        "a missing file": b"/nothing/at/all.png",
        "endless folders": b"./" * 1500 + b"a.png",
    }.items():
        words = ("caption", "-", *model)
        yield Case("names", f"{name}, on a list", words, (1,), stdin=listed + b"\n", also=(Path("/nothing"),))
    photo = os.fsencode(made.photos / "000.png")
    for name, listed, codes in [
        ("UTF-16", (photo.decode() + "\n").encode("utf-16"), (0,)),
        ("half a UTF-16 letter", (photo.decode() + "\n").encode("utf-16")[:-1], (1,)),
        ("a byte order mark", b"\xef\xbb\xbf" + photo + b"\n", (0,)),
        ("carriage returns", photo + b"\r\n", (0,)),
        ("NULs without -0", photo + b"\0" + photo + b"\0", (0,)),
        ("a photograph twice", photo + b"\n" + photo + b"\n", (0,)),
    ]:
        words = ("caption", "-", *model)
        yield Case("names", f"{name}, on a list", words, codes, notes=1, stdin=listed, also=(made.photos,))
    for name, junk in {
        "._000.png": b"\0\5\x16\7" + bytes(100),
        "__MACOSX/000.png": b"junk",
        "@eaDir/000.png": b"junk",
        "Thumbs.db": b"junk",
        ".DS_Store": b"junk",
    }.items():
        place = folders.new()
        (place / "good.png").write_bytes(good)
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(junk)
        quick = name == "__MACOSX/000.png"
        yield Case("names", f"{name} in a folder", ("caption", place, *model), (0,), quick=quick)
    place, empty = folders.new(), folders.new()
    (place / "good.png").write_bytes(good)
    yield Case("names", "an empty folder beside another", ("caption", empty, place, *model), (3,), quick=True)
    many = b"".join(b"/nothing/%d.png\n" % number for number in range(300))
    yield Case(
        "names",
        "300 missing files on a list",
        ("caption", "-", *model),
        (1,),
        lines=(300, 300),
        stdin=many,
        also=(Path("/nothing"),),
    )
    yield Case("names", "an empty list", ("caption", "-", *model), (0,), stdin=b"\n\n\n", notes=1)
    place = folders.new()
    shutil.copy(made.photos / "000.png", place / "-.png")
    yield Case("names", "a dash after --", ("caption", *model, "--", "-.png"), (0,), cwd=place)
