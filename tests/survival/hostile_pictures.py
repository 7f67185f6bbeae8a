"""Hostile and unusual images. Unusual ones must be captioned; a broken one is reported, and affects only itself."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from tests.survival.cases import ONE_THREAD, Case, CaseFolders
from tests.survival.material import REGIONS, Material

FORMATS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "TIFF": ".tif", "BMP": ".bmp", "PPM": ".ppm"}
EITHER = (0, 1)
BOMB = 12_200
"""Side in pixels of the largest square image that is read."""

PNGS = {
    "RGBA": (6, 8, 4),
    "grey": (0, 8, 1),
    "16-bit grey": (0, 16, 1),
    "palette": (3, 1, 1),
    "grey, alpha": (4, 8, 2),
}
"""Kinds of PNG: colour type, bit depth and number of channels."""


def picture(mode: str = "RGB", size: tuple[int, int] = (96, 64)) -> Image.Image:
    """An image of noise, so that every byte of its file matters."""
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 255, (size[1], size[0], 3)).astype(np.uint8)
    return Image.fromarray(noise).convert(mode)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, kind: int, depth: int, channels: int, rows: int | None = None) -> bytes:
    """A PNG of zeros, compressed to a thousandth, with `rows` rows instead of `height`, if given."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (width * depth * channels + 7) // 8)
    data = b"".join(packer.compress(row) for _ in range(height if rows is None else rows)) + packer.flush()
    palette = chunk(b"PLTE", bytes(6)) if kind == 3 else b""
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + palette + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def cases(made: Material, folders: CaseFolders) -> Iterator[Case]:
    """All images, each given to `vsa caption` or `vsa extract-regions`."""
    yield from _broken(made, folders)
    yield from _unusual(made, folders)
    yield from _metadata(made, folders)
    yield from _false_sizes(made, folders)
    if folders.largest:
        yield from _bombs(made, folders)


def _caption(made: Material, name: str, path: Path, codes: tuple[int, ...], quick: bool = False) -> Case:
    return Case("pictures", name, ("caption", path, "--model", made.gen, *ONE_THREAD), codes, quick=quick)


def _extract(made: Material, name: str, path: Path, codes: tuple[int, ...]) -> Case:
    words = ("extract-regions", path.parent, "-o", path.parent / "out" / "r.h5", *REGIONS[4:], *ONE_THREAD, "--quiet")
    # a folder of one failing image: a line for the image, and one that no image is left
    return Case("pictures", name, words, codes, lines=(1, 2))


def _broken(made: Material, folders: CaseFolders) -> Iterator[Case]:
    rng = random.Random(5)
    for kind, suffix in FORMATS.items():
        whole = saved(picture(), kind)
        for share in (0.02, 0.3, 0.6, 0.9, 0.99):
            cut = whole[: max(1, int(len(whole) * share))]
            path = folders.file(f"cut{suffix}", cut)
            yield _caption(made, f"{kind} cut at {share:.0%}", path, (1,), quick=share == 0.6)
        for number in range(8):
            data = bytearray(whole)
            for _ in range(1 + number * 3):
                data[rng.randrange(len(data))] = rng.randrange(256)
            path = folders.file(f"damaged{suffix}", bytes(data))
            make = _extract if number % 4 == 3 else _caption
            yield make(made, f"{kind} with {1 + number * 3} bytes changed", path, EITHER)
        head = folders.file(f"head{suffix}", whole[:16] + bytes(64))
        yield _caption(made, f"{kind} of a header and zeros", head, (1,))
        other = folders.file(f"other{'.png' if suffix != '.png' else '.jpg'}", whole)
        yield _caption(made, f"{kind} with the suffix of another format", other, (0,), quick=kind == "GIF")
        one = folders.file(f"one{suffix}", saved(picture(size=(1, 1)), kind))
        yield _caption(made, f"{kind} of one pixel", one, (0,), quick=kind == "JPEG")
    for name, content in {
        "nothing": b"",
        "a zero": b"\0",
        "zeros": bytes(100_000),
        "text": b"not a picture\n" * 100,
        "a ZIP": b"PK\x03\x04" + bytes(100),
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(x) run\nshowpage\n",
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="http://localhost/x"/></svg>',
        "PDF": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>",
        "an icon": saved(picture(size=(32, 32)), "ICO"),
        "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200),
        "Photoshop": b"8BPS\0\1" + bytes(200),
    }.items():
        yield _caption(made, f"{name} called .jpg", folders.file("x.jpg", content), (1,), quick=name == "PostScript")
        yield _extract(made, f"{name} called .png", folders.file("x.png", content), (1,))


def _unusual(made: Material, folders: CaseFolders) -> Iterator[Case]:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    deep = np.linspace(0, 65535, 96 * 64).astype(np.uint16).reshape(64, 96)
    unusual: dict[str, tuple[str, bytes]] = {
        "1x20000": (".png", saved(picture(size=(1, 20_000)), "PNG")),
        "20000x1": (".jpg", saved(picture(size=(20_000, 1)), "JPEG")),
        "3x20000": (".webp", saved(picture(size=(3, 16_000)), "WEBP")),
        "CMYK": (".jpg", saved(picture("CMYK"), "JPEG")),
        "CMYK TIFF": (".tif", saved(picture("CMYK"), "TIFF")),
        "YCbCr TIFF": (".tif", saved(picture("YCbCr"), "TIFF")),
        "LAB TIFF": (".tif", saved(picture("LAB"), "TIFF")),
        "grey": (".jpg", saved(picture("L"), "JPEG")),
        "black and white": (".png", saved(picture("1"), "PNG")),
        "16-bit grey": (".png", saved(Image.fromarray(deep), "PNG")),
        "16-bit TIFF": (".tif", saved(Image.fromarray(deep), "TIFF")),
        "32-bit TIFF": (".tif", saved(Image.fromarray(deep.astype(np.int32)), "TIFF")),
        "float TIFF": (".tif", saved(Image.fromarray(deep.astype(np.float32)), "TIFF")),
        "float TIFF of NaN": (".tif", saved(Image.fromarray(np.full((64, 96), np.nan, np.float32)), "TIFF")),
        "float TIFF of infinity": (".tif", saved(Image.fromarray(np.full((64, 96), np.inf, np.float32)), "TIFF")),
        "palette": (".png", saved(picture("P"), "PNG")),
        "palette with a transparent colour": (".png", saved(picture("P"), "PNG", transparency=3)),
        "palette with alphas": (".png", saved(picture("P"), "PNG", transparency=bytes(range(256)))),
        "alpha": (".png", saved(picture("RGBA"), "PNG")),
        "grey and alpha": (".png", saved(picture("LA"), "PNG")),
        "transparent WebP": (".webp", saved(picture("RGBA"), "WEBP", lossless=True)),
        "a junk profile": (".jpg", saved(picture(), "JPEG", icc_profile=b"junk" * 50)),
        "a large profile": (".jpg", saved(picture(), "JPEG", icc_profile=srgb + bytes(3_000_000))),
        "a CMYK's profile on RGB": (".png", saved(picture(), "PNG", icc_profile=srgb[:60])),
        "junk EXIF": (".jpg", saved(picture(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + bytes(40))),
        "progressive": (".jpg", saved(picture(), "JPEG", progressive=True)),
        "an animated GIF": (".gif", saved(picture(), "GIF", save_all=True, append_images=[picture("L")] * 3)),
        "an animated WebP": (".webp", saved(picture(), "WEBP", save_all=True, append_images=[picture()] * 3)),
        "an animated PNG": (".png", saved(picture(), "PNG", save_all=True, append_images=[picture()] * 3)),
        "a TIFF of pages": (".tif", saved(picture(), "TIFF", save_all=True, append_images=[picture("L")] * 3)),
        "a compressed TIFF": (".tif", saved(picture(), "TIFF", compression="tiff_lzw")),
        "bytes after the end": (".jpg", saved(picture(), "JPEG") + bytes(10_000)),
    }
    for orientation in range(10):
        exif = Image.Exif()
        exif[0x0112] = orientation
        unusual[f"EXIF orientation {orientation}"] = (".jpg", saved(picture(), "JPEG", exif=exif.tobytes()))
    exif = Image.Exif()
    exif[0x0112] = 6
    unusual["a TIFF on its side"] = (".tif", saved(picture(), "TIFF", exif=exif.tobytes()))
    for name, (suffix, content) in unusual.items():
        quick = name in ("CMYK", "1x20000", "float TIFF of NaN", "junk EXIF")
        yield _caption(made, name, folders.file(f"unusual{suffix}", content), (0,), quick=quick)
        if name in ("1x20000", "20000x1", "CMYK", "16-bit grey", "alpha", "a TIFF on its side"):
            yield _extract(made, name, folders.file(f"unusual{suffix}", content), (0,))


def _metadata(made: Material, folders: CaseFolders) -> Iterator[Case]:
    """Valid pixels with broken, huge or missing other parts: the image is captioned."""
    whole, jpeg = saved(picture(), "PNG"), saved(picture(), "JPEG")
    bomb = zlib.compress(bytes(3_000_000))
    parts = {
        "a profile that decompresses to 3 MB": chunk(b"iCCP", b"icc\0\0" + bomb),
        "a text that decompresses to 3 MB": chunk(b"iTXt", b"workflow\0\1\0\0\0" + bomb),
        "100 texts of 1 MB": b"".join(
            chunk(b"zTXt", b"k%d\0\0" % number + zlib.compress(bytes(1_000_000))) for number in range(100)
        ),
        "EXIF that is not TIFF": chunk(b"eXIf", b"no TIFF header here"),
        "EXIF that links to itself": chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0\x08\0\0\0"),
        "a raw profile that is not hexadecimal": chunk(
            b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n 20\nnot hex\n")
        ),
        "a damaged text": chunk(b"zTXt", b"a\0\0not zlib"),
    }
    for name, part in parts.items():
        path = folders.file("m.png", whole[:33] + part + whole[33:])
        words = ("caption", path, "--model", made.gen, *ONE_THREAD)
        yield Case("pictures", f"a PNG with {name}", words, (0,), notes=1, quick="raw profile" in name)
    unended = folders.file("m.jpg", jpeg[:-2])
    yield _caption(made, "a JPEG without its end marker", unended, (0,), quick=True)
    for suffix in (".jfif", ".pgm", ".JPG", ".apng"):
        yield _caption(made, f"a JPEG called {suffix}, in a folder", folders.file(f"m{suffix}", jpeg).parent, (0,))


def _false_sizes(made: Material, folders: CaseFolders) -> Iterator[Case]:
    """Small files that claim to be large images."""
    for name, (kind, depth, channels) in PNGS.items():
        data = png(60_000, 60_000, kind, depth, channels, rows=100)
        yield _caption(made, f"3600 million pixels, {name}", folders.file("b.png", data), (1,), quick=name == "grey")
    false_jpeg = bytearray(saved(picture(), "JPEG"))
    place = false_jpeg.index(b"\xff\xc0")
    false_jpeg[place + 5 : place + 9] = b"\xff\xff\xff\xff"
    yield _caption(made, "a JPEG that claims 65535x65535", folders.file("l.jpg", bytes(false_jpeg)), (1,))
    tall = bytearray(saved(picture(), "GIF"))
    tall[6:10] = b"\xff\xff\xff\xff"
    yield _caption(made, "a GIF that claims 65535x65535", folders.file("l.gif", bytes(tall)), (1,))
    if folders.largest:
        text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(200_000_000)))
        whole = saved(picture(), "PNG")
        bloated = whole[:33] + text + whole[33:]
        yield _caption(made, "a PNG whose text decompresses to 200 MB", folders.file("t.png", bloated), EITHER)
    loop = bytearray(saved(picture(), "TIFF"))
    start = struct.unpack("<I", loop[4:8])[0]
    entries = struct.unpack("<H", loop[start : start + 2])[0]
    loop[start + 2 + 12 * entries : start + 6 + 12 * entries] = struct.pack("<I", start)
    yield _caption(made, "a TIFF whose directory links to itself", folders.file("l.tif", bytes(loop)), (0,))


def _bombs(made: Material, folders: CaseFolders) -> Iterator[Case]:
    """The largest images that are read, compressed as much as possible."""
    for name, (kind, depth, channels) in PNGS.items():
        data = png(BOMB, BOMB, kind, depth, channels)
        yield _caption(
            made, f"the largest image that is read, {name}, of {len(data)} bytes", folders.file("b.png", data), (0,)
        )
    several = folders.new()
    for number in range(4):
        (several / f"{number}.png").write_bytes(png(BOMB, BOMB, 6, 8, 4))
    words = ("caption", several, "--model", made.gen, "--threads", 4)
    yield Case("pictures", "four of the largest images together", words, (0,))
    for kind, suffix in (("JPEG", ".jpg"), ("WEBP", ".webp"), ("GIF", ".gif"), ("TIFF", ".tif"), ("BMP", ".bmp")):
        size = (BOMB, BOMB) if kind not in ("WEBP", "BMP") else (8000, 8000)
        options: dict[str, Any] = {"TIFF": {"compression": "tiff_adobe_deflate"}, "JPEG": {"progressive": True}}.get(
            kind, {}
        )
        data = saved(Image.new("RGB" if kind != "GIF" else "P", size), kind, **options)
        yield _caption(made, f"{size[0]}x{size[1]} {kind} of {len(data)} bytes", folders.file(f"b{suffix}", data), (0,))
