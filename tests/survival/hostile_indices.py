"""Hostile indices of photographs, calibrations, maps of a CNN and tuned CNNs in model directories."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from tests.survival.cases import ONE_THREAD, Case, CaseFolders, Trap
from tests.survival.hostile_captions import VALUES
from tests.survival.hostile_models import write_weights
from tests.survival.material import EMBED, KEPT, TUNED, Material
from vsa_cli.core.learning.model_dir import assign_weights
from vsa_cli.core.regions.tail import new_tail, tail_sha256

MANIFEST, SEGMENT = "library.json", "segment-000001.safetensors"
QUERY = "a red circle"


def cases(made: Material, folders: CaseFolders, trap: Trap) -> Iterator[Case]:
    """All files, each given to a command that reads it."""
    yield from _manifests(made, folders, trap)
    yield from _segments(made, folders)
    yield from _sentences(made, folders)
    yield from _queries(made)
    yield from _calibrations(made, folders)
    yield from _maps(made, folders, trap)
    yield from _tuned(made, folders)


def _case(name: str, *words: object, codes: tuple[int, ...] = (1,), quick: bool = False, **more: Any) -> Case:
    return Case("indices", name, words, codes, quick=quick, **more)


def _search(made: Material, library: Path, *more: object) -> tuple[object, ...]:
    return ("retrieve", QUERY, "--index", library, "--model", made.embed, *ONE_THREAD, *more)


def _update(made: Material, library: Path) -> tuple[object, ...]:
    return ("index", made.photos / "000.png", "-o", library, "--model", made.embed, "--no-cache", *ONE_THREAD)


def _listed(made: Material, folders: CaseFolders, change: Callable[[Any], object]) -> Path:
    """An index with a changed manifest."""
    folder = Path(shutil.copytree(made.library, folders.new() / "library"))
    listed = json.loads((folder / MANIFEST).read_bytes())
    change(listed)
    (folder / MANIFEST).write_text(json.dumps(listed))
    return folder


def _manifests(made: Material, folders: CaseFolders, trap: Trap) -> Iterator[Case]:
    for number, (name, value) in enumerate(VALUES.items()):
        for place in ("envelope", "next", "segments"):
            library = _listed(made, folders, lambda listed, at=place, to=value: listed.update({at: to}))
            yield _case(f"index: {place} is {name}", "info", library, quick=number == 3)
        for place in ("config", "parents", "format", "version"):
            library = _listed(made, folders, lambda listed, at=place, to=value: listed["envelope"].update({at: to}))
            yield _case(f"index: the envelope's {place} is {name}", *_search(made, library))
        for place in ("file", "bytes", "rows", "vectors", "text", "deleted"):
            library = _listed(made, folders, lambda listed, at=place, to=value: listed["segments"][0].update({at: to}))
            yield _case(f"index: a segment's {place} is {name}", *_search(made, library))
    changes: dict[str, Callable[[Any], object]] = {
        "a size of 2 billion": lambda listed: listed["envelope"]["config"].update(size=2**31 - 1),
        "the size of another model, without segments": lambda listed: (
            listed["envelope"]["config"].update(size=7),
            listed.update(segments=[]),
        ),
        "a next segment that exists": lambda listed: listed.update(next=1),
        "2^39 photographs": lambda listed: listed["segments"][0].update(rows=2**39),
        "a million deleted rows": lambda listed: listed["segments"][0].update(deleted=list(range(1_000_000))),
        "a segment outside": lambda listed: listed["segments"][0].update(file=str(trap.folder / "secret.txt")),
        "a segment twice": lambda listed: listed["segments"].append(listed["segments"][0]),
        "a segment that is missing": lambda listed: listed["segments"][0].update(file="segment-000009.safetensors"),
    }
    for name, change in changes.items():
        for words in (_search, _update):
            library = _listed(made, folders, change)
            yield _case(f"index: {name}", *words(made, library), quick=name == "a next segment that exists")
    whole = (made.library / MANIFEST).read_bytes()
    contents = {"nothing": b"", "cut": whole[:-40], "a list": b"[]", "deep": b"[" * 100_000, "noise": bytes(range(256))}
    for name, content in contents.items():
        library = Path(shutil.copytree(made.library, folders.new() / "library"))
        (library / MANIFEST).write_bytes(content)
        yield _case(f"index: a manifest of {name}", *_search(made, library), quick=name == "cut")
        yield _case(f"index: a manifest of {name}, to extend", *_update(made, library))
    for name, target in {"a pipe": None, "endless zeros": "/dev/zero"}.items():
        library = Path(shutil.copytree(made.library, folders.new() / "library"))
        (library / SEGMENT).unlink()
        if target is None:
            os.mkfifo(library / SEGMENT)
        else:
            (library / SEGMENT).symlink_to(target)
        yield _case(f"index: a segment that is {name}", *_search(made, library), quick=target is None)
    for name, model in {"another": made.tuned, "a generator": made.gen}.items():
        words = ("retrieve", QUERY, "--index", made.library, "--model", model, *ONE_THREAD)
        yield _case(f"index: searched with {name}", *words)
    yield _case("index: a model directory", *_search(made, made.embed))
    photos = folders.file("photo.png", (made.photos / "000.png").read_bytes()).parent
    yield _case("index: a folder of photographs to extend", "index", made.photos, "-o", photos, codes=(2,))


def _segments(made: Material, folders: CaseFolders) -> Iterator[Case]:
    whole = (made.library / SEGMENT).read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    files = {
        "nothing": b"",
        "cut in the header": whole[: 8 + length // 2],
        "cut in the numbers": whole[:-100],
        "noise": bytes(range(256)) * (len(whole) // 256 + 1),
        "a header of 2^63 bytes": struct.pack("<Q", 2**63) + whole[8:],
    }
    for name, content in files.items():
        for size in (len(content), len(whole)):  # the size that the manifest lists, and another
            library = _listed(made, folders, lambda listed, to=size: listed["segments"][0].update(bytes=to))
            (library / SEGMENT).write_bytes(content)
            yield _case(f"segment: {name}", *_search(made, library), quick=name == "noise")
    rng = np.random.default_rng(2)
    for number in range(24):
        data = bytearray(whole)
        for place in rng.integers(0, (8 + length) if number % 2 else len(data), 1 + number):
            data[place] ^= 1 << int(rng.integers(8))
        for words in (_search, _update):
            library = Path(shutil.copytree(made.library, folders.new() / "library"))
            (library / SEGMENT).write_bytes(bytes(data))
            # a change in a vector may go unnoticed
            yield _case(f"segment: {1 + number} bits changed, {number}", *words(made, library), codes=(0, 1), notes=1)
    tensors = load_file(made.library / SEGMENT)

    def changed(**new: Any) -> Path:
        return _changed(made.library, folders, {**tensors, **new})

    regions, size = 400_000, tensors["vectors"].shape[1]
    offsets = tensors["offsets"].copy()
    offsets[-1] = regions
    giant = {
        "vectors": np.zeros((regions, size), np.float16),
        "short_vectors": np.zeros((regions, tensors["short_vectors"].shape[1]), np.float16),
        "boxes": np.zeros((regions, 4), np.float32),
        "offsets": offsets,
    }
    # padding all photographs to 400,000 regions would take 3.7 GB
    yield _case(
        "segment: 400,000 regions of a photograph", *_search(made, changed(**giant), "-q"), codes=(0,), quick=True
    )
    names = tensors["texts"].copy()
    names[: len(b"/\x1b[2J\n")] = np.frombuffer(b"/\x1b[2J\n", np.uint8)
    for options in ((), ("--json",), ("--format", "html", "-o", "found.html")):
        library = changed(texts=names)
        words = _search(made, library, *options)
        yield _case(
            "segment: a path of terminal commands", *words, codes=(0, 3), cwd=library.parent, lines=(1, 10), notes=1
        )
    for name, new in {
        "whole images of NaN": {"whole": np.full_like(tensors["whole"], np.nan)},
        "regions of infinity": {"vectors": np.full_like(tensors["vectors"], np.inf)},
        "axes of NaN": {"axes": np.full_like(tensors["axes"], np.nan)},
        "short whole images of infinity": {"short_whole": np.full_like(tensors["short_whole"], np.inf)},
        "offsets of giants": {"offsets": tensors["offsets"] + 2**60},
        "boxes of NaN": {"boxes": np.full_like(tensors["boxes"], np.nan)},
        "paths of giants": {"text_offsets": tensors["text_offsets"] + 2**60},
        "negative sizes": {"sizes": -tensors["sizes"]},
    }.items():
        yield _case(f"segment: {name}", *_search(made, changed(**new), "--explain"))
        merged = changed(**new)
        words = ("index", "--merge", merged, "-o", folders.new() / "library")
        derived = name in ("axes of NaN", "short whole images of infinity")  # computed again for the merged index
        yield _case(f"segment: {name}, to merge", *words, codes=(0,) if derived else (1,), notes=1)


def _changed(library: Path, folders: CaseFolders, tensors: dict[str, Any]) -> Path:
    """An index whose first segment has other tensors."""
    copy = Path(shutil.copytree(library, folders.new() / "library"))
    save_file(tensors, copy / SEGMENT)
    listed = json.loads((copy / MANIFEST).read_bytes())
    listed["segments"][0].update(bytes=(copy / SEGMENT).stat().st_size, vectors=len(tensors["vectors"]))
    (copy / MANIFEST).write_text(json.dumps(listed))
    return copy


def _sentences(made: Material, folders: CaseFolders) -> Iterator[Case]:
    """Indices of sentences, searched by a photograph and extended."""
    photo = ("retrieve", "--image", made.photos / "000.png", "--no-cache", *ONE_THREAD)

    def search(library: Path, model: Path = made.embed) -> tuple[object, ...]:
        return (*photo, "--index", library, "--model", model)

    def update(library: Path) -> tuple[object, ...]:
        return ("index", "--sentences", made.sentence_list, "-o", library, "--model", made.embed, *ONE_THREAD)

    whole, tensors = (made.sentences / SEGMENT).read_bytes(), load_file(made.sentences / SEGMENT)
    contents = {"nothing": b"", "cut": whole[:-100], "noise": bytes(range(256)) * (len(whole) // 256 + 1)}
    for name, content in contents.items():
        for words in (search, update):
            library = Path(shutil.copytree(made.sentences, folders.new() / "library"))
            (library / SEGMENT).write_bytes(content[: len(whole)])
            lines = (1, 1) if words is search else (1, 2)  # a note of unknown words, and the error
            quick = name == "cut" and words is search
            yield _case(f"sentences: a segment of {name}", *words(library), quick=quick, lines=lines)
    rng = np.random.default_rng(4)
    (length,) = struct.unpack("<Q", whole[:8])
    for number in range(12):
        data = bytearray(whole)
        for place in rng.integers(0, (8 + length) if number % 2 else len(data), 1 + number):
            data[place] ^= 1 << int(rng.integers(8))
        library = Path(shutil.copytree(made.sentences, folders.new() / "library"))
        (library / SEGMENT).write_bytes(bytes(data))
        # a change in a vector may go unnoticed
        yield _case(f"sentences: {1 + number} bits changed, {number}", *search(library), codes=(0, 1), notes=1)
    ends = tensors["text_offsets"]
    controls = tensors["texts"].copy()
    controls[:6] = np.frombuffer(b"\x1b[2J\n\x07", np.uint8)[:6]
    for name, new in {
        "whole sentences of NaN": {"whole": np.full_like(tensors["whole"], np.nan)},
        "words of infinity": {"vectors": np.full_like(tensors["vectors"], np.inf)},
        "axes of NaN": {"axes": np.full_like(tensors["axes"], np.nan)},
        "offsets of giants": {"offsets": tensors["offsets"] + 2**60},
        "offsets in descending order": {"offsets": tensors["offsets"][::-1].copy()},
        "texts of giants": {"text_offsets": ends + 2**60},
        "texts that are not UTF-8": {"texts": np.full_like(tensors["texts"], 0xC3)},
    }.items():
        yield _case(f"sentences: {name}", *search(_changed(made.sentences, folders, {**tensors, **new})))
    library = _changed(made.sentences, folders, {**tensors, "texts": controls})
    yield _case("sentences: terminal commands", *search(library), codes=(0,), lines=(1, 10), notes=1)
    for place, value in {"items": "photographs", "whole": False, "size": 7}.items():
        library = Path(shutil.copytree(made.sentences, folders.new() / "library"))
        listed = json.loads((library / MANIFEST).read_bytes())
        listed["envelope"]["config"][place] = value
        (library / MANIFEST).write_text(json.dumps(listed))
        yield _case(f"sentences: {place} is {value}", *search(library))
    yield _case("sentences: searched with another model", *search(made.sentences, made.tuned), quick=True)
    yield _case("sentences: searched by a sentence", *_search(made, made.sentences))
    words = ("index", "--merge", made.sentences, made.library, "-o", folders.new() / "library")
    yield _case("sentences: merged with photographs", *words, notes=1)
    photographs = Path(shutil.copytree(made.library, folders.new() / "library"))
    yield _case("sentences: added to photographs", *update(photographs), lines=(1, 2))


def _queries(made: Material) -> Iterator[Case]:
    words = ("retrieve", "-", "--index", made.library, "--model", made.embed, *ONE_THREAD)
    inputs = {
        "nothing": (b"", 1),
        "blank lines": (b"\n \n\t\n", 1),
        "noise": (bytes(range(256)), 1),
        "a line of 10 MB": (b"red " * 2_500_000, 1),
        "a good line among bad ones": (b"\xc3(\na red circle\n\x00\n", 3),
        "terminal commands": (b"\x1b[2J\n", 1),
    }
    for name, (stdin, code) in inputs.items():
        yield _case(f"queries: {name}", *words, codes=(code,), stdin=stdin, lines=(1, 12), quick="good" in name)


def _calibrations(made: Material, folders: CaseFolders) -> Iterator[Case]:
    def edited(change: Callable[[Any], object]) -> Path:
        found = json.loads(made.calibration.read_bytes())
        change(found)
        return folders.file("calibration.json", json.dumps(found).encode())

    def pack(path: Path) -> tuple[object, ...]:
        return ("pack", made.gen, "--calibration", path, "-o", path.parent / "packed")

    for number, (name, value) in enumerate(VALUES.items()):
        for place in ("calibration", "config", "parents"):
            path = edited(lambda found, at=place, to=value: found.update({at: to}))
            yield _case(f"calibration: {place} is {name}", "info", path, quick=number == 3)
        for group, field in (("weights", "support"), ("scores", "ece"), ("scores", "split"), ("names", "names")):
            path = edited(lambda found, g=group, f=field, to=value: found["calibration"][g].update({f: to}))
            valid = (field, name) in (("support", "a fraction"), ("split", "a long text"))
            valid = valid or (field == "split" and name not in ("null", "a fraction", "a giant number", "a list"))
            yield _case(f"calibration: {field} is {name}", *pack(path), codes=(0, 1) if valid else (1,), notes=2)
    changes: dict[str, Callable[[Any], object]] = {
        "no weights": lambda found: found["calibration"].pop("weights"),
        "an unknown weight": lambda found: found["calibration"]["weights"].update(more=1),
        "a giant weight": lambda found: found["calibration"]["weights"].update(bias=1e300),
        "a share of 2": lambda found: found["calibration"]["scores"].update(right=2.0),
        "no names": lambda found: found["calibration"]["names"].update(names={}),
        "a later version": lambda found: found.update(version=99),
        "another format": lambda found: found.update(format="vsa-corpus"),
    }
    for name, change in changes.items():
        yield _case(f"calibration: {name}", *pack(edited(change)))
    whole = made.calibration.read_bytes()
    contents = {
        "nothing": b"",
        "cut": whole[:-30],
        "deep": b"[" * 100_000,
        "NaN": whole.replace(b"0.25", b"NaN"),
        "noise": bytes(range(256)),
    }
    for name, content in contents.items():
        yield _case(f"calibration: {name}", *pack(folders.file("c.json", content)), quick=name == "NaN")
    for name, model in {
        "an alignment model": made.embed,
        "a tuned one": made.tuned,
        "photographs": made.photos,
    }.items():
        words = ("pack", model, "--calibration", made.calibration, "-o", folders.new() / "packed")
        yield _case(f"calibration: for {name}", *words)
    for name, value in VALUES.items():
        model = Path(shutil.copytree(made.calibrated, folders.new() / "gen"))
        config = json.loads((model / "config.json").read_bytes())
        (model / "config.json").write_text(json.dumps({**config, "calibration": value}))
        write_weights(model, load_file(made.calibrated / "model.safetensors"))
        words = ("caption", made.photos / "000.png", "--model", model, "--min-confidence", 0.5, *ONE_THREAD)
        yield _case(f"calibration: that of a model is {name}", *words)


def _maps(made: Material, folders: CaseFolders, trap: Trap) -> Iterator[Case]:
    def set_(name: str, **new: object) -> Callable[[h5py.File], None]:
        def change(file: h5py.File) -> None:
            del file[name]
            file.create_dataset(name, **new)

        return change

    def link(file: h5py.File) -> None:
        del file["maps"]
        file["maps"] = h5py.ExternalLink(str(trap.folder / "secret.txt"), "/x")

    changes: dict[str, Callable[[h5py.File], None]] = {
        "no shapes": lambda file: file.pop("map_shapes"),
        "shapes of zeros": set_("map_shapes", data=np.zeros((8, 3), "i4")),
        "shapes of giants": set_("map_shapes", data=np.full((8, 3), 65_535, "i4")),
        "negative shapes": set_("map_shapes", data=np.full((8, 3), -4, "i4")),
        "shapes of other channels": set_("map_shapes", data=np.tile([[1, 1, 1]], (8, 1))),
        "2 exabytes of maps": set_("maps", shape=(2**60,), dtype="f2", chunks=(65_536,)),
        "maps of text": set_("maps", data=np.array([b"x"] * 4)),
        "a link to another file": link,
        "NaN": lambda file: file["maps"].__setitem__(slice(None), np.nan),
        "a short tail": set_("tail", data=np.zeros(3, "f4")),
        "a tail of NaN": lambda file: file["tail"].__setitem__(slice(None), np.nan),
        "a tail of giants": lambda file: file["tail"].__setitem__(slice(None), 3e38),
        "no tail": lambda file: file.pop("tail"),
        "a tail of text": set_("tail", data=np.array([b"x"] * 4)),
    }
    for name, change in changes.items():
        path = folders.file("maps.h5", made.maps.read_bytes())
        with h5py.File(path, "r+") as file:
            change(file)
        words = ("train-embed", made.corpus, path, "-o", path.parent / "embed", *TUNED, *EMBED, *KEPT, "--quiet")
        yield _case(f"maps: {name}", *words, quick=name == "shapes of giants")
        codes = (0,) if "tail" in name else (1,)  # the tail is the model's
        yield _case(f"maps: {name}, index", *_stored(made, path), codes=codes, notes=1)
    rng = np.random.default_rng(3)
    whole = made.maps.read_bytes()
    for number in range(12):
        data = bytearray(whole)
        for place in rng.integers(0, 4096 if number % 2 else len(data), 1 + number):
            data[place] ^= 1 << int(rng.integers(8))
        path = folders.file("maps.h5", bytes(data))
        yield _case(f"maps: {1 + number} bits changed, {number}", *_stored(made, path), codes=(0, 1), notes=1)


def _stored(made: Material, regions: Path) -> tuple[object, ...]:
    words = ("index", "--corpus", made.corpus, "--regions-file", regions, "--split", "val", "--model", made.tuned)
    return (*words, "-o", regions.parent / "library", *ONE_THREAD)


def _hash_of(tensors: dict[str, Any]) -> str:
    named = {name[4:]: torch.from_numpy(value).float() for name, value in tensors.items() if name.startswith("cnn.")}
    return tail_sha256(assign_weights(lambda: new_tail("efficientnet_lite0"), named, "tail"))


def _tuned(made: Material, folders: CaseFolders) -> Iterator[Case]:
    """Model directories whose CNN is not what it should be."""
    tensors = load_file(made.tuned / "model.safetensors")
    own = {name: value for name, value in tensors.items() if not name.startswith("cnn.")}
    matrix = next(name for name, value in tensors.items() if name.startswith("cnn.") and value.ndim == 4)

    def model(weights: dict[str, Any], **spec: object) -> Path:
        folder = folders.new() / "embed"
        folder.mkdir()
        config = json.loads((made.tuned / "config.json").read_bytes())
        config["regions"] |= spec
        (folder / "config.json").write_text(json.dumps(config))
        write_weights(folder, weights)
        return folder

    giants = {**tensors, matrix: np.full_like(tensors[matrix], 6e4)}
    models = {
        "NaN": model({**tensors, matrix: np.full_like(tensors[matrix], np.nan)}),
        "infinity": model({**tensors, matrix: np.full_like(tensors[matrix], np.inf)}),
        "giants": model(giants),
        "giants that its hash names": model(giants, tail_sha256=_hash_of(giants)),
        "another shape": model({**tensors, matrix: tensors[matrix][:-1].copy()}),
        "one dimension": model({**tensors, matrix: tensors[matrix].ravel()}),
        "whole numbers": model({**tensors, matrix: tensors[matrix].astype(np.int64)}),
        "an extra tensor": model({**tensors, "cnn.extra": np.zeros(3, np.float32)}),
        "a missing tensor": model({name: value for name, value in tensors.items() if name != matrix}),
        "nothing but a hash": model(own),
        "no hash": model(tensors, tail_sha256=""),
        "another hash": model(tensors, tail_sha256="0" * 64),
        "a hash of a number": model(tensors, tail_sha256=3),
        "another CNN": model(tensors, cnn="efficientnet_lite2"),
        "a CNN without a tail": model(tensors, cnn="alexnet"),
    }
    for name, folder in models.items():
        words = ("retrieve", QUERY, made.photos / "000.png", "--model", folder, "--no-cache", *ONE_THREAD)
        codes, notes = (
            ((0, 1), 1) if name == "giants that its hash names" else ((1,), 0)
        )  # bad results, but finite ones
        yield _case(f"tuned CNN: {name}", *words, codes=codes, notes=notes, quick=name == "another shape")
        out = folder.parent / "out" / "r.h5"
        words = ("extract-regions", made.corpus, "--cnn-of", folder, "-o", out, "--detector", "grid", *ONE_THREAD)
        yield _case(f"tuned CNN: {name}, extract-regions", *words, codes=codes, notes=notes)
    words = ("extract-regions", made.corpus, "--cnn-of", made.embed, "-o", folders.new() / "r.h5", "--detector", "grid")
    yield _case("tuned CNN: of a model without one", *words)
