"""Hostile artifacts and files from other programs: corpora, regions, shards, snippets, boxes, feature tables."""

from __future__ import annotations

import io
import json
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.survival.cases import ONE_THREAD, Case, CaseFolders, Trap
from tests.survival.hostile_captions import OUTSIDE, VALUES
from tests.survival.material import GEN, KEPT, REGIONS, Material
from vsa_cli.core.regions.image_regions import ImageRegions, regions_to_bytes
from vsa_cli.core.regions.shards import LAYOUT

CODE = b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
"""An array of objects, which only a pickle can contain."""


def cases(made: Material, folders: CaseFolders, trap: Trap) -> Iterator[Case]:
    """All artifacts, each given to a command that reads it."""
    yield from _corpora(made, folders)
    yield from _regions(made, folders, trap)
    yield from _shards(made, folders)
    yield from _snippets(made, folders)
    yield from _boxes(made, folders)
    yield from _features(made, folders, trap)


def _case(name: str, *words: object, codes: tuple[int, ...] = (1,), quick: bool = False, **more: Any) -> Case:
    return Case("artifacts", name, words, codes, quick=quick, **more)


def _corpora(made: Material, folders: CaseFolders) -> Iterator[Case]:
    def edited(change: Callable[[Any], object]) -> bytes:
        corpus = json.loads(made.corpus.read_bytes())
        change(corpus)
        return json.dumps(corpus).encode()

    for number, (name, value) in enumerate(VALUES.items()):
        for place in ("format", "version", "config", "parents", "root", "images", "vocabulary"):
            path = folders.file("corpus.json", edited(lambda corpus, at=place, to=value: corpus.update({at: to})))
            # valid: a corpus without a vocabulary, and a folder of any name
            valid = (place, name) in (("vocabulary", "null"), ("root", "a long text"))
            yield _case(f"corpus: {place} is {name}", "info", path, codes=(0,) if valid else (1,), quick=number == 3)
        for place in ("image_id", "file", "width", "height", "sha256", "split", "sentences"):
            content = edited(lambda corpus, at=place, to=value: corpus["images"][5].update({at: to}))
            words = ("train-gen", folders.file("corpus.json", content), made.regions, "-o", folders.new() / "gen", *GEN)
            # valid: a file of any name, since training does not open it
            codes = (0,) if (place, name) == ("file", "a long text") else (1,)
            yield _case(f"corpus: an image's {place} is {name}", *words, *KEPT, "--epochs", 1, "--quiet", codes=codes)
    for name, file in OUTSIDE.items():
        content = edited(lambda corpus, to=file: corpus["images"][5].update({"file": to}))
        path = folders.file("corpus.json", content)
        yield _case(f"corpus: an image file with a path {name}", *_extraction(path), quick=name == "up")
    for name, root in {"absolute": "/etc", "a lone surrogate": "\ud800", "nowhere": "nothing"}.items():
        path = folders.file("corpus.json", edited(lambda corpus, to=root: corpus.update({"root": to})))
        yield _case(f"corpus: a folder {name}", *_extraction(path), lines=(1, 70))
    whole = made.corpus.read_bytes()
    for share in (0.0, 0.01, 0.5, 0.999):
        path = folders.file("corpus.json", whole[: int(len(whole) * share)])
        yield _case(f"corpus: cut at {share:.1%}", "info", path)
    twice = edited(lambda corpus: corpus["images"].append(corpus["images"][0]))
    yield _case("corpus: a duplicate image", "info", folders.file("corpus.json", twice))


def _extraction(corpus: Path, *more: object) -> tuple[object, ...]:
    return ("extract-regions", corpus, "-o", corpus.parent / "out" / "r.h5", *REGIONS, *ONE_THREAD, "--quiet", *more)


def _regions(made: Material, folders: CaseFolders, trap: Trap) -> Iterator[Case]:
    secret = str(trap.folder / "secret.txt")

    def set_(name: str, **new: object) -> Callable[[h5py.File], None]:
        def change(file: h5py.File) -> None:
            del file[name]
            file.create_dataset(name, **new)

        return change

    def link(name: str, to: object) -> Callable[[h5py.File], None]:
        def change(file: h5py.File) -> None:
            del file[name]
            file[name] = to

        return change

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((5, 4), "f4")
        layout[:] = h5py.VirtualSource(str(made.regions), "boxes", (5, 4))
        del file["boxes"]
        file.create_virtual_dataset("boxes", layout)

    def set_attribute(name: str, value: object) -> Callable[[h5py.File], None]:
        return lambda file: file.attrs.update({name: value})

    changes: dict[str, Callable[[h5py.File], None]] = {
        "2 exabytes of descriptors": set_("descriptors", shape=(2**40, 2**20), dtype="f2", chunks=(1, 1024)),
        "16 TB of ids": set_("ids", shape=(2**40,), dtype=h5py.string_dtype(), chunks=(1024,)),
        "10 GB of compressed zeros": set_(
            "descriptors", shape=(2**20, 5120), dtype="f2", chunks=(64, 5120), compression=9
        ),
        "boxes that are text": set_("boxes", data=np.array([b"x"] * 4)),
        "boxes of complex numbers": set_("boxes", data=np.zeros((5, 4), np.complex64)),
        "boxes of records": set_("boxes", data=np.zeros(5, [("a", "f4"), ("b", "f4")])),
        "no boxes": lambda file: file.pop("boxes"),
        "boxes that are a folder": lambda file: (file.pop("boxes"), file.create_group("boxes"))[0],
        "boxes of NaN": set_("boxes", data=np.full((5, 4), np.nan, "f4")),
        "boxes of one number": set_("boxes", data=np.float32(1)),
        "decreasing offsets": set_("offsets", data=np.array([0, 9, 5])),
        "negative offsets": set_("offsets", data=np.array([-(2**63), 0, 5])),
        "sizes of another shape": set_("sizes", data=np.zeros((2, 3), "i4")),
        "ids that are not UTF-8": set_("ids", data=np.array([b"\xff\xfe"] * 48, object), dtype=h5py.string_dtype()),
        "a link to another file": link("boxes", h5py.ExternalLink(secret, "/x")),
        "a link within the file": link("scores", h5py.SoftLink("/boxes")),
        "numbers in another file": set_("scores", shape=(5,), dtype="f4", external=[(secret, 0, 20)]),
        "boxes from a virtual dataset": virtual,
        "no envelope": lambda file: file.attrs.pop("envelope"),
        "an envelope of numbers": set_attribute("envelope", np.zeros(1000)),
        "an envelope that is cut": set_attribute("envelope", "{"),
        "a deep envelope": set_attribute("envelope", "[" * 30_000),
        "another format": set_attribute("envelope", json.dumps({"format": "vsa-corpus", "version": 1})),
        "a later version": set_attribute("envelope", json.dumps({"format": "vsa-regions", "version": 99})),
    }
    for name, change in changes.items():
        path = folders.file("regions.h5", made.regions.read_bytes())
        with h5py.File(path, "r+") as file:
            change(file)
        yield _case(f"regions: {name}", "info", path, quick=name in ("a link to another file", "16 TB of ids"))
        words = ("train-gen", made.corpus, path, "-o", path.parent / "gen", *GEN, *KEPT)
        yield _case(f"regions: {name}, train-gen", *words)
    for name, value in {"NaN": np.nan, "infinity": np.inf}.items():
        path = folders.file("regions.h5", made.regions.read_bytes())
        with h5py.File(path, "r+") as file:
            file["descriptors"][0] = value
        for command, options in (("train-gen", GEN), ("train-embed", ())):
            words = (command, made.corpus, path, "-o", path.parent / command, *options, *KEPT, "--epochs", 1, "--quiet")
            yield _case(f"regions: a descriptor of {name}, {command}", *words, quick=command == "train-gen")
        words = ("caption", "--corpus", made.corpus, "--regions-file", path, "--model", made.gen, "--split", "all")
        yield _case(f"regions: a descriptor of {name}, caption", *words, codes=(0, 1, 3), lines=(1, 3))
    whole = made.regions.read_bytes()
    for share in (0.0, 0.01, 0.3, 0.7, 0.99):
        path = folders.file("regions.h5", whole[: int(len(whole) * share)])
        yield _case(f"regions: cut at {share:.0%}", "info", path)
    rng = np.random.default_rng(0)
    for number in range(24):
        data = bytearray(whole)
        for place in rng.integers(0, 4096 if number % 2 else len(data), 1 + number):
            data[place] = rng.integers(256)
        words = ("caption", "--corpus", made.corpus, "--regions-file", folders.file("regions.h5", bytes(data)))
        # a change in a descriptor may go unnoticed; a change in the structure of the file must not crash the process
        yield _case(f"regions: {1 + number} bytes changed, {number}", *words, "--model", made.gen, codes=(0, 1, 3))


def _shards(made: Material, folders: CaseFolders) -> Iterator[Case]:
    """Shards of an interrupted run, changed since."""
    boxes, scores = np.zeros((1, 4), np.float32), np.ones(1, np.float32)
    record = regions_to_bytes(ImageRegions("000.png", "0", 1, 1, boxes, scores, np.zeros((1, 3), np.float16)))
    shards: dict[str, bytes] = {
        "empty": b"",
        "of noise": bytes(range(256)) * 10,
        "of code": npz(about=CODE),
        "of more photographs than it has": _sealed(2**32 - 1, b"[]", record),
        "of failures without end": _sealed(0, b"[" * 100_000),
        "of failures that are not a list": _sealed(0, b"{}"),
        "of a record cut short": _sealed(1, b"[]", record[:-1]),
        "of a record of 2 billion regions": _sealed(1, b"[]", record[:32] + b"\xff" * 8 + record[40:]),
        "of descriptors of another size": _sealed(1, b"[]", record),
    }
    for name, content in shards.items():
        out = folders.new() / "out" / "r.h5"
        parts = Path(f"{out}.part")
        parts.mkdir(parents=True)
        (parts / "000000.shard").write_bytes(content)
        words = ("extract-regions", made.corpus, "-o", out, *REGIONS, *ONE_THREAD, "--quiet", "--resume")
        yield _case(f"shards: {name}", *words, codes=(0, 1), quick=name == "of code")
    for name, content in {"of noise": b"\xff", "deep": b"[" * 100_000, "of another run": b"{}"}.items():
        out = folders.new() / "out" / "r.h5"
        parts = Path(f"{out}.part")
        parts.mkdir(parents=True)
        (parts / "request.json").write_bytes(content)
        words = ("extract-regions", made.corpus, "-o", out, *REGIONS, *ONE_THREAD, "--quiet", "--resume")
        yield _case(f"shards: a request {name}", *words)


def _sealed(count: int, failures: bytes, *records: bytes) -> bytes:
    """A shard with a valid checksum and any contents."""
    content = struct.pack("<2I", count, len(failures)) + failures + b"".join(records)
    return LAYOUT.encode() + struct.pack("<I", zlib.crc32(content)) + content


def npz(**members: Any) -> bytes:
    """A NumPy archive of arrays, and of bytes that only look like arrays."""
    buffer = io.BytesIO()
    import zipfile

    with zipfile.ZipFile(buffer, "w") as archive:
        for name, member in members.items():
            if not isinstance(member, bytes):
                array = io.BytesIO()
                np.save(array, member)
                member = array.getvalue()
            archive.writestr(f"{name}.npy", member)
    return buffer.getvalue()


def _snippets(made: Material, folders: CaseFolders) -> Iterator[Case]:
    lines = made.snippets.read_text().splitlines()
    for name, value in VALUES.items():
        for place in ("image_id", "region", "words"):
            changed = json.dumps({**json.loads(lines[3]), place: value})
            path = folders.file("snippets.jsonl", "\n".join([*lines[:3], changed, *lines[4:]]).encode())
            # unknown words are ignored
            yield _snippet_case(made, f"snippets: {place} is {name}", path, (0, 1))
    for name, content in {
        "nothing": "",
        "no envelope": "\n".join(lines[1:]),
        "another corpus": lines[0].replace('"sha256": "', '"sha256": "0') + "\n" + lines[1],
        "a deep line": f"{lines[0]}\n{'[' * 100_000}",
        "a region that does not exist": f"{lines[0]}\n" + json.dumps({**json.loads(lines[1]), "region": 10**6}),
        "a negative region": f"{lines[0]}\n" + json.dumps({**json.loads(lines[1]), "region": -1}),
        "only its envelope": lines[0],
    }.items():
        yield _snippet_case(made, f"snippets: {name}", folders.file("snippets.jsonl", content.encode()), (1,))


def _snippet_case(made: Material, name: str, path: Path, codes: tuple[int, ...]) -> Case:
    words = ("train-gen", made.corpus, made.regions, "--snippets", path, "-o", path.parent / "gen", *GEN, *KEPT)
    return _case(name, *words, "--epochs", 1, "--quiet", codes=codes)


def _boxes(made: Material, folders: CaseFolders) -> Iterator[Case]:
    boxes: dict[str, Any] = {
        "NaN": {"000.png": [[float("nan")] * 4]},
        "giants": {"000.png": [[0, 0, 1e308, 1e308]]},
        "three numbers": {"000.png": [[0, 0, 5]]},
        "text": {"000.png": "all of it"},
        "a list": [1, 2, 3],
        "swapped corners": {"000.png": [[9, 9, 1, 1]]},
        "a giant number": {"000.png": [[0, 0, 10**400, 5]]},
    }
    if folders.largest:
        boxes["a million"] = {"000.png": [[0, 0, 5, 5]] * 1_000_000}
    for name, content in boxes.items():
        path = folders.file("boxes.json", json.dumps(content).encode())
        words = ("extract-regions", made.corpus, "-o", path.parent / "out" / "r.h5", "--detector", "boxes")
        options = ("--boxes", path, "--top", 3, *REGIONS[4:], *ONE_THREAD, "--quiet")
        yield _case(f"boxes: {name}", *words, *options, codes=(0, 1, 3), lines=(1, 70))


def _features(made: Material, folders: CaseFolders, trap: Trap) -> Iterator[Case]:
    """Region files from other programs, for `vsa convert`."""
    line = ["000.png", "128", "96", "1", "AAAAAAAAAAAAAIA/AACAPw==", "AACAPwAAgD8="]
    bad: dict[str, list[str]] = {
        "five columns": line[:5],
        "not base64": [*line[:4], "§§§", line[5]],
        "a giant count": [*line[:3], "9" * 30, *line[4:]],
        "a negative count": [*line[:3], "-1", *line[4:]],
        "boxes of half a number": [*line[:4], "AAA=", line[5]],
        "features of nothing": [*line[:5], ""],
        "a path": ["../trap/secret.txt", *line[1:]],
        "another size": [line[0], "12800", *line[2:]],
        "NaN": [*line[:5], "AADAfwAAwH8="],
        "terminal commands": ["\x1b[2J", *line[1:]],
    }
    for name, fields in bad.items():
        path = folders.file("features.tsv", "\t".join(fields).encode() + b"\n")
        yield _case(f"TSV: {name}", "convert", path, made.corpus, "-o", path.parent / "out.h5", lines=(1, 3))
    long = folders.file("features.tsv", b"\t")
    with long.open("r+b") as file:
        file.truncate(2**28)
    yield _case("TSV: a line of 256 MB", "convert", long, made.corpus, "-o", long.parent / "out.h5")
    head = "{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}"
    arrays = {
        "code": CODE,
        "a false shape": npy(head.format("<f4", "(48, 4611686018427387904, 4)")),
        "a negative shape": npy(head.format("<f4", "(48, -1, 8)")),
        "a shape that overflows": npy(head.format("<f4", "(4294967296, 4294967296, 4294967296)")),
        "a header of code": npy(f"__import__('os').mknod({str(trap.sprung)!r})"),
        "a header of a million brackets": npy("[" * 60_000),
        "text": b"not an array",
        "an archive": npz(a=np.zeros(3)),
        "whole numbers": npy(head.format("<i8", "(48, 1, 1)"), bytes(48 * 8)),
        "NaN": npy(head.format("<f4", "(48, 2)"), b"\0\0\xc0\x7f" * 96),
        "rows of too few images": npy(head.format("<f4", "(7, 2)"), bytes(56)),
    }
    for name, content in arrays.items():
        path = folders.file("train_ims.npy", content)
        words = ("convert", path, made.corpus, "-o", path.parent / "out.h5")
        yield _case(f"npy: {name}", *words, lines=(1, 25), quick=name == "a header of code")
    path = folders.file("regions.h5", made.regions.read_bytes())
    shutil.copy(made.regions, path.parent / "other.npy")
    yield _case(
        "convert: HDF5 called .npy", "convert", path.parent / "other.npy", made.corpus, "-o", path.parent / "o.h5"
    )
    yield _case("convert: onto itself", "convert", path, made.corpus, "-o", path, codes=(2,))


def npy(header: str, data: bytes = b"") -> bytes:
    """A NumPy array with an arbitrary header."""
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x02\x00" + len(text).to_bytes(4, "little") + text + data
