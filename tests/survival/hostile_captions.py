"""Hostile caption files, folders of texts and tars, as `vsa prep` reads them."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.survival.cases import ONE_THREAD, Case, CaseFolders, Trap
from tests.survival.material import Material

SENTENCE = "a red circle on a white ground"
GOOD = "000.png"

OUTSIDE: dict[str, str] = {
    "up": "../trap/secret.txt",
    "up from a subfolder": "a/../../trap/secret.txt",
    "up in Windows": "..\\trap\\secret.txt",
    "absolute": "/etc/passwd",
    "a drive": "C:/x.png",
    "a device": "/dev/zero",
    "a NUL": "a\0.png",
    "a lone surrogate": "\ud800.png",
    "nothing": "",
    "a dot": ".",
    "the folder above": "..",
}
"""File names outside the folder of images, and invalid names."""

VALUES: dict[str, Any] = {
    "null": None,
    "a fraction": 1.5,
    "a giant number": 10**400,
    "a list": [[]],
    "a long text": "x" * 1_000_000,
    "a control character": "\x1b[2J\n\t\x00",
    "a lone surrogate": "\udfff",
}
"""Values of an unexpected type or size."""


def cases(made: Material, folders: CaseFolders, trap: Trap) -> Iterator[Case]:
    """All caption files, each given to `vsa prep`."""
    yield from _names(made, folders, trap)
    yield from _types(made, folders)
    yield from _documents(made, folders)
    yield from _tables(made, folders)
    yield from _sidecars(made, folders, trap)
    yield from _tars(made, folders, trap)


def _prep(made: Material, name: str, path: Path, codes: tuple[int, ...], *more: object, quick: bool = False) -> Case:
    images = path.parent / "images" if (path.parent / "images").exists() else made.photos
    words = (
        "prep",
        path,
        "--images",
        images,
        "-o",
        path.parent / "corpus.out",
        "--min-count",
        1,
        "--quiet",
        *ONE_THREAD,
        *more,
    )
    # the first twenty problems are reported one per line, notes in a line or two more
    return Case("captions", name, words, codes, lines=(1, 30), quick=quick)


def karpathy(*entries: object) -> bytes:
    return json.dumps({"images": list(entries), "dataset": "x"}).encode()


def entry(file: object = GOOD, **more: object) -> dict[str, object]:
    return {"filename": file, "imgid": 0, "split": "train", "sentences": [{"raw": SENTENCE}], **more}


def coco(images: object, annotations: object) -> bytes:
    return json.dumps({"images": images, "annotations": annotations}).encode()


def table(*rows: str) -> bytes:
    return "\n".join(["image,caption,split", f"{GOOD},{SENTENCE},train", *rows, ""]).encode("utf-8", "surrogateescape")


def _names(made: Material, folders: CaseFolders, trap: Trap) -> Iterator[Case]:
    """Images outside the folder: reported by name, and never opened."""
    for name, file in {**OUTSIDE, "the trap": str(trap.folder / "secret.txt"), "its pipe": str(trap.pipe)}.items():
        path = folders.file("dataset.json", karpathy(entry(), entry(file, imgid=1)))
        yield _prep(made, f"Karpathy's, {name}", path, (3,), quick=name == "up")
        annotations = [{"image_id": number, "id": number, "caption": SENTENCE} for number in (0, 1)]
        path = folders.file(
            "coco.json", coco([{"id": 0, "file_name": GOOD}, {"id": 1, "file_name": file}], annotations)
        )
        yield _prep(made, f"COCO's, {name}", path, (3,))
        lines = [json.dumps({"file_name": one, "text": SENTENCE}) for one in (GOOD, file)]
        path = folders.file("metadata.jsonl", "\n".join(lines).encode())
        yield _prep(made, f"an imagefolder's, {name}", path, (3,))
    path = folders.file("dataset.json", karpathy(entry(filepath="../.."), entry("001.png", imgid=1)))
    yield _prep(made, "Karpathy's, a folder above", path, (3,))


def _types(made: Material, folders: CaseFolders) -> Iterator[Case]:
    """A value of another type affects only its entry."""
    good = entry("001.png", imgid=7)
    for name, value in VALUES.items():
        for place in ("filename", "imgid", "split", "sentences", "filepath"):
            path = folders.file("dataset.json", karpathy(good, entry(**{place: value})))
            yield _prep(made, f"{place} is {name}", path, (0, 3), quick=(place, name) == ("filename", "a list"))
        path = folders.file("dataset.json", karpathy(good, entry(sentences=[{"raw": value}, {"tokens": value}, value])))
        yield _prep(made, f"a sentence is {name}", path, (0, 3))
        for whole in ("images", "annotations"):
            content = {"images": [{"id": 0, "file_name": GOOD}], "annotations": [], whole: value}
            yield _prep(made, f"{whole} is {name}", folders.file("c.json", json.dumps(content).encode()), (0, 1, 3))
        yield _prep(made, f"all is {name}", folders.file("c.json", json.dumps(value).encode()), (1,))


def _documents(made: Material, folders: CaseFolders) -> Iterator[Case]:
    whole = karpathy(*[entry(f"{number:03d}.png", imgid=number) for number in range(20)])
    documents: dict[str, tuple[bytes, tuple[int, ...]]] = {
        "nothing": (b"", (1,)),
        "a zero": (b"\0", (1,)),
        "zeros": (bytes(100_000), (1,)),
        "noise": (bytes(range(128, 256)) * 500, (1,)),
        "100,000 nested lists": (b"[" * 100_000, (1,)),
        "100,000 nested objects": (b'{"images":' * 100_000, (1,)),
        "closed nested lists": (b'{"images": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", (1,)),
        "a number of a million digits": (b'{"images": ' + b"9" * 1_000_000 + b"}", (1,)),
        "NaN and infinities": (b'{"images": [{"filename": NaN, "imgid": Infinity, "cocoid": -Infinity}]}', (1,)),
        "a number above the range of floats": (b'{"images": [{"filename": "000.png", "imgid": 1e999}]}', (1,)),
        "a duplicate key": (b'{"images": [], "images": [{"filename": "000.png", "imgid": 1}]}', (3,)),
        "a duplicate image with different data": (
            karpathy(entry(), entry(split="val"), entry("001.png", imgid=2)),
            (3,),
        ),
        "cut": (whole[: len(whole) // 2], (1,)),
        "followed by other data": (whole + b"]", (1,)),
        "UTF-16": (whole.decode().encode("utf-16"), (0,)),
        "Latin-1": (whole.replace(b"a red", b"a r\xe9d"), (1,)),
        "two in one": (whole * 2, (1,)),
        "Python's": (b"__import__('os').system('touch sprung')", (1,)),
        "a pickle": (b"\x80\x04\x95\x1d\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.", (1,)),
        "YAML": (b"!!python/object/apply:os.system ['touch sprung']\n", (1,)),
        "XML": (b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', (1,)),
    }
    if folders.largest:
        documents["40 million lists"] = (b'{"images": [' + b"[]," * 40_000_000 + b"[]]}", (1,))
        documents["16 million images that are numbers"] = (b'{"images": [' + b"0," * 16_000_000 + b"0]}", (1,))
    for name, (content, codes) in documents.items():
        yield _prep(
            made, f"JSON: {name}", folders.file("c.json", content), codes, quick=name.startswith("100,000 nested l")
        )
    giant = folders.file("c.json", b"{")
    with giant.open("r+b") as file:
        file.truncate(8 * 2**30)
    yield _prep(made, "JSON: 8 GB of zeros", giant, (1,))
    lines = b'{"file_name": "000.png", "text": "a dog"}\n'
    more: dict[str, bytes] = {
        "deep": lines + b"[" * 100_000 + b"\n",
        "of other things": lines + b'1\n"a"\nnull\n[]\n{}\n',
        "cut": lines + lines[:20],
        "with NULs": lines + b"\0\0\n" + lines.replace(b"dog", b"d\0g"),
        "not UTF-8": lines + lines.replace(b"dog", b"d\xffg"),
    }
    for name, content in more.items():
        yield _prep(made, f"JSON Lines {name}", folders.file("metadata.jsonl", content), (3,))
    yield _prep(made, "a pipe", _pipe(folders), (1,))
    yield _prep(made, "an endless device", Path("/dev/zero"), (1,), "-o", folders.new() / "c.out")
    yield _prep(made, "no such file", folders.new() / "none.json", (1,))
    loop = folders.new() / "loop.json"
    loop.symlink_to(loop)
    yield _prep(made, "a link to itself", loop, (1,))


def _pipe(folders: CaseFolders) -> Path:
    path = folders.new() / "pipe.json"
    os.mkfifo(path)
    return path


def _tables(made: Material, folders: CaseFolders) -> Iterator[Case]:
    tables: dict[str, tuple[bytes, tuple[int, ...]]] = {
        "NULs": (table(f"001.png,a\0b,train\n002.png,{SENTENCE},train\0"), (3,)),
        "an open quote": (table('001.png,"never closed,train', f"002.png,{SENTENCE},val"), (3,)),
        "500 open quotes before 5 MB": (table(*['001.png,"'] * 500) + b"x,y,train\n" * 500_000, (3,)),
        "a cell of 10 MB": (table("001.png," + "x" * 10_000_000 + ",train"), (3,)),
        "100,000 columns": (table("001.png" + "," * 100_000), (0,)),
        "rows of different widths": (table("001.png", "a,b,c,d,e", ",,"), (3,)),
        "a formula": (table("001.png,\"=cmd|' /C calc'!A0\",train"), (0,)),
        "terminal commands": (table("\x1b[2J\x1b]0;x\x07.png,a dog,train"), (3,)),
        "not UTF-8": (table("001.png,caf\udce9,train"), (3,)),
        "unknown splits": (table("001.png,a dog,__class__", "002.png,a dog,;rm -rf"), (3,)),
        "names in the folder above": (table("../trap/secret.txt,a dog,train", "/etc/passwd,a dog,train"), (3,)),
        "only its header": (b"image,caption,split\n", (1,)),
        "a header of quotes": (b'"""""",,"\n', (1,)),
        "carriage returns alone": (table().replace(b"\n", b"\r"), (0,)),
    }
    for name, row, codes in [
        ("a name with ./", "./001.png", (0,)),
        ("a name with backslashes", "photos\\001.png", (0,)),
        ("a doubled slash", ".//001.png", (0,)),
        ("an absolute name", str(made.photos / "001.png"), (0,)),
        ("a Windows path", "C:\\photos\\nothing.png", (3,)),
        ("capital letters", "001.PNG", (0,)),
    ]:
        tables[name] = (table(f"{row},a dog,train"), codes)
    for name, sentence in {
        "a sentence of marks": "\u0300\u0301\u20dd",
        "10,000 marks on a letter": "a" + "\u0301" * 10_000,
        "a script without spaces": "一只狗在雪地里奔跑",
        "nan": "nan",
    }.items():
        tables[name] = (table(f"001.png,{sentence},train"), (0,))
    for name, (content, codes) in tables.items():
        yield _prep(made, f"CSV: {name}", folders.file("t.csv", content), codes, quick=name == "NULs")
    token = f"{GOOD}#0\t{SENTENCE}\n"
    for name, lines in {
        "without a tab": "000.png#1 a dog\n",
        "without a number": "000.png\ta dog\n",
        "with names in the folder above": "../trap/secret.txt#0\ta dog\n",
        "without content": "\t\n#0\t\n",
        "of a giant number": f"000.png#{'9' * 5000}\ta dog\n",
    }.items():
        yield _prep(
            made, f"Flickr lines {name}", folders.file("Flickr8k.token.txt", (token + lines).encode()), (0, 1, 3)
        )
    for name, content in {
        "noise": os.urandom(5000),
        "nothing": b"",
        "names in the folder above": b"../trap/secret.txt\n",
        "UTF-16": f"{GOOD}\n".encode("utf-16"),
    }.items():
        path = folders.file("t.csv", table())
        (path.parent / "list.txt").write_bytes(content)
        splits = ("--splits", f"train={path.parent / 'list.txt'}")
        yield _prep(made, f"a split list of {name}", path, (0, 1, 3), *splits)


def _sidecars(made: Material, folders: CaseFolders, trap: Trap) -> Iterator[Case]:
    picture = (made.photos / GOOD).read_bytes()
    for name, text in {
        "1 MB": b"x" * 1_000_000,
        "noise": bytes(range(256)),
        "UTF-16": SENTENCE.encode("utf-16"),
        "blank lines": b"\n \n\t\n",
        "a lone surrogate": b"\xed\xa0\x80",
    }.items():
        folder = _folder(folders, picture)
        (folder / "bad.txt").write_bytes(text)
        yield _prep(made, f"a sidecar of {name}", folder, (0, 3), quick=name == "noise")
    folder = _folder(folders, picture)
    os.mkfifo(folder / "bad.txt")
    yield _prep(made, "a sidecar that is a pipe", folder, (0, 3))
    folder = _folder(folders, picture)
    (folder / "bad.txt").symlink_to(trap.pipe)
    yield _prep(made, "a sidecar that links to a pipe outside", folder, (0, 3))
    folder = _folder(folders, picture)
    (folder / "loop").symlink_to(folder)
    yield _prep(made, "sidecars in a folder that links to itself", folder, (0, 3))


def _folder(folders: CaseFolders, picture: bytes) -> Path:
    """A folder of two images, of which one has a text file; it is also the folder of images."""
    folder = folders.new() / "images"
    folder.mkdir()
    (folder / "good.png").write_bytes(picture)
    (folder / "bad.png").write_bytes(picture + b" ")
    (folder / "good.txt").write_text(SENTENCE)
    return folder


def _tars(made: Material, folders: CaseFolders, trap: Trap) -> Iterator[Case]:
    picture = (made.photos / GOOD).read_bytes()
    good = [tar_member("g.png", picture), tar_member("g.txt", SENTENCE.encode())]
    outside = str(trap.folder / "out.png")
    links = {
        "a link": tarfile.SYMTYPE,
        "a hard link": tarfile.LNKTYPE,
        "a device": tarfile.CHRTYPE,
        "a pipe": tarfile.FIFOTYPE,
        "an unknown type": b"Z",
    }
    hostile = {
        f"{name} out of it": [tar_member("x.png", b"", type=kind, linkname="/etc/passwd")]
        for name, kind in links.items()
    }
    hostile |= {
        f"a member {name}": [tar_member(file, picture), tar_member(file.removesuffix(".png") + ".txt", b"a dog")]
        for name, file in {
            "above": "../up.png",
            "outside": outside,
            "through a link": "link/x.png",
            "without a name": ".png",
            "of a long name": "n" * 300 + ".png",
            "of a deep name": "d/" * 600 + "x.png",
            "not in UTF-8": os.fsdecode(b"\xff\xfe.png"),
            "of terminal commands": "\x1b[2J.png",
        }.items()
    }
    hostile["a member through a link"].insert(
        0, tar_member("link", b"", type=tarfile.SYMTYPE, linkname=str(trap.folder))
    )
    hostile["a duplicate member"] = [tar_member("g.png", b"other"), tar_member("g.txt", b"other")]
    hostile["a text of 2 MB"] = [tar_member("h.png", picture), tar_member("h.txt", b"x" * 2_000_000)]
    hostile["a deep JSON"] = [tar_member("h.png", picture), tar_member("h.json", b"[" * 100_000)]
    hostile["a member that claims 8 TB"] = [(tarfile.TarInfo("h.png"), b""), tar_member("h.txt", b"a dog")]
    hostile["a member that claims 8 TB"][0][0].size = 8 * 2**40
    for name, members in hostile.items():
        path = folders.file("shard.tar", tar_of([*good, *members]))
        (path.parent / "images").mkdir()
        yield _prep(made, f"a tar with {name}", path, (0, 1, 3), quick=name == "a member outside")
    whole = tar_of(good * 3)
    for name, content in {
        "cut in a header": whole[:700],
        "cut in a member": whole[: 512 + len(picture) // 2],
        "of zeros": bytes(10_240),
        "of noise": os.urandom(10_240),
        "damaged in a header": whole[:100] + b"\xff" * 100 + whole[200:],
        "whose header claims 200 MB of headers": _long_header(200_000_000) + whole,
    }.items():
        path = folders.file("shard.tar", content)
        (path.parent / "images").mkdir()
        yield _prep(made, f"a tar {name}", path, (1, 3))


def tar_member(name: str, content: bytes, **more: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for attribute, value in more.items():
        setattr(info, attribute, value)
    return info, content


def tar_of(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """A tar of unchecked members."""
    buffer = io.BytesIO()
    for info, content in members:
        buffer.write(info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"))
        buffer.write(content + bytes(-len(content) % 512))
    return buffer.getvalue() + bytes(1024)


def _long_header(size: int) -> bytes:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, size
    return info.tobuf(tarfile.GNU_FORMAT)
