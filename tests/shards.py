"""Webdataset shards for tests: tars of small pictures, texts, and unusual members."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

Entry = tuple[str, bytes] | tarfile.TarInfo


def picture(colour: int = 0) -> bytes:
    """A PNG of 6 by 4 pixels."""
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4), (colour, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def odd(name: str, kind: bytes, **fields: object) -> tarfile.TarInfo:
    """A member without contents: a link, a device, a folder."""
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def write(path: Path, entries: Sequence[Entry], form: int = tarfile.PAX_FORMAT) -> Path:
    """Write a tar of members."""
    with tarfile.open(path, "w", format=form) as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry)
            else:
                info = tarfile.TarInfo(entry[0])
                info.size = len(entry[1])
                tar.addfile(info, io.BytesIO(entry[1]))
    return path


def write_samples(path: Path) -> Path:
    """Write a shard of three photographs: one with text and JSON, one with text, one without a sentence."""
    facts = {"captions": ["A dog.", "One dog."], "split": "val", "width": 6}
    return write(path, [
        ("./0001.png", picture(1)), ("./0001.txt", b"A dog.\nTwo dogs.\n"), ("./0001.json", json.dumps(facts).encode()),
        ("x/0002.txt", b"A cat."), ("x/0002.cls", b"3"), ("x/0002.PNG", picture(2)), ("x/0002.seg.png", b"no photo"),
        ("0003.png", picture(3)),
    ])  # fmt: skip


def claims(size: int, kind: bytes) -> Callable[[bytes], bytes]:
    """A function that prepends a header, which claims `size` bytes, to a tar."""
    info = tarfile.TarInfo("a.png")
    info.size, info.type = size, kind
    return lambda data: info.tobuf(tarfile.GNU_FORMAT) + data
