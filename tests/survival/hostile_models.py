"""Hostile model directories, weight files, word vectors, states of training and feature caches."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pickle
import shutil
import sqlite3
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from tests.survival.cases import ONE_THREAD, Case, CaseFolders, Trap
from tests.survival.hostile_captions import VALUES
from tests.survival.material import EMBED, GEN, KEPT, REGIONS, Material
from vsa_cli.core.regions.cache import RegionCache
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.image_regions import ImageRegions, regions_to_bytes


class Bomb:
    """Creates a file when it is unpickled by a reader that executes code."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._path,)


def cases(made: Material, folders: CaseFolders, trap: Trap) -> Iterator[Case]:
    """All files, each given to a command that reads it."""
    yield from _configs(made, folders, trap)
    yield from _weights(made, folders)
    yield from _states(made, folders)
    yield from _pickles(made, folders, trap)
    yield from _vectors(made, folders)
    yield from _cache(made, folders)


def _case(name: str, *words: object, codes: tuple[int, ...] = (1,), quick: bool = False, **more: Any) -> Case:
    return Case("models", name, words, codes, quick=quick, **more)


def _caption(made: Material, model: Path) -> tuple[object, ...]:
    return ("caption", made.photos / "000.png", "--model", model, *ONE_THREAD)


def _copy(source: Path, folders: CaseFolders) -> Path:
    return Path(shutil.copytree(source, folders.new() / source.name))


def _edited(source: Path, folders: CaseFolders, change: Callable[[Any], object]) -> Path:
    """A model with a changed configuration and a matching hash."""
    folder = _copy(source, folders)
    config = json.loads((folder / "config.json").read_bytes())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    write_weights(folder, load_file(folder / "model.safetensors"))
    return folder


def write_weights(folder: Path, tensors: dict[str, Any]) -> None:
    """Write weights with the hash of the configuration in the folder."""
    digest = hashlib.sha256((folder / "config.json").read_bytes()).hexdigest()
    save_file(tensors, folder / "model.safetensors", {"config_sha256": digest})


def _configs(made: Material, folders: CaseFolders, trap: Trap) -> Iterator[Case]:
    for name, value in VALUES.items():
        for place in ("envelope", "vocabulary", "regions"):
            model = _edited(made.gen, folders, lambda config, at=place, to=value: config.update({at: to}))
            yield _case(f"config: {place} is {name}", *_caption(made, model))
        for field in ("hidden_size", "cell", "dropout"):
            model = _edited(
                made.gen,
                folders,
                lambda config, at=field, to=value: config["envelope"]["config"]["model"].update({at: to}),
            )
            valid = (field, name) == ("dropout", "a fraction")  # unused when captioning
            yield _case(f"config: {field} is {name}", *_caption(made, model), codes=(0, 1) if valid else (1,))
        for field in ("cnn", "cnn_sha256", "side"):
            model = _edited(
                made.gen, folders, lambda config, at=field, to=value: _feature_spec(config).update({at: to})
            )
            yield _case(f"config: {field} is {name}", *_caption(made, model), codes=(1, 2, 4))
    words: dict[str, Callable[[Any], object]] = {
        "duplicated": lambda config: config["vocabulary"]["words"].__setitem__(1, config["vocabulary"]["words"][0]),
        "with terminal commands": lambda config: config["vocabulary"]["words"].__setitem__(0, "\x1b[2J\n"),
        "fewer than weights": lambda config: config["vocabulary"]["words"].pop(),
    }
    for name, change in words.items():
        yield _case(f"config: words {name}", *_caption(made, _edited(made.gen, folders, change)))
    sizes = {"2 billion units": 2**31 - 1, "none": 0, "a negative number": -5}
    for name, size in sizes.items():
        model = _edited(
            made.gen, folders, lambda config, to=size: config["envelope"]["config"]["model"].update(hidden_size=to)
        )
        yield _case(f"config: {name}", *_caption(made, model), quick=name.startswith("2"))
    for name, code in {
        "a module": {"__class__": "os.system", "module": "os", "args": ["touch x"]},
        "a path": {"cnn": str(trap.folder / "secret.txt")},
        "a file of Python": {"auto_map": {"AutoModel": "modeling.Model"}, "trust_remote_code": True},
    }.items():
        model = _edited(made.gen, folders, lambda config, to=code: config["envelope"]["config"]["model"].update(to))
        (model / "modeling.py").write_text(f"open({str(trap.sprung)!r}, 'w')")
        (model / "__init__.py").write_text(f"open({str(trap.sprung)!r}, 'w')")
        yield _case(f"config: names {name}", *_caption(made, model), quick=name == "a file of Python")
    for name, cnn in {"a function": "get_model", "a detector": "fasterrcnn_resnet50_fpn", "a path": "../x"}.items():
        model = _edited(made.gen, folders, lambda config, to=cnn: _feature_spec(config).update(cnn=to))
        yield _case(f"config: a CNN that is {name}", *_caption(made, model), codes=(1, 2, 4))
    for kind, other in ((made.gen, "retrieve"), (made.embed, "caption")):
        photo = made.photos / "000.png"
        words_: tuple[object, ...] = (other, photo) if other == "caption" else (other, "a dog", photo, "--no-cache")
        yield _case(f"config: a model for another command, {other}", *words_, "--model", kind, *ONE_THREAD)
    whole = (made.gen / "config.json").read_bytes()
    contents = {
        "nothing": b"",
        "a list": b"[]",
        "cut": whole[:-50],
        "deep": b"[" * 100_000,
        "of NaN": whole.replace(b'"dropout": 0.5', b'"dropout": NaN'),
        "not of its weights": whole + b" ",
        "half a letter of UTF-16": whole.decode().encode("utf-16")[:-1],
    }
    for name, content in contents.items():
        model = _copy(made.gen, folders)
        (model / "config.json").write_bytes(content)
        yield _case(f"config: {name}", *_caption(made, model), quick=name == "deep")
    yield _case("config: an empty folder", *_caption(made, folders.new()))
    yield _case("config: no folder", *_caption(made, folders.new() / "none"))


def _feature_spec(config: Any) -> dict[str, Any]:
    feature_spec: dict[str, Any] = config["regions"]
    inner = feature_spec.get("config")
    return inner if isinstance(inner, dict) and "cnn" in inner else feature_spec


def _weights(made: Material, folders: CaseFolders) -> Iterator[Case]:
    """safetensors: a length, a JSON header and the numbers."""
    whole = (made.gen / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    header = json.loads(whole[8 : 8 + length])
    first = next(name for name in header if name != "__metadata__")

    def headed(**changes: Any) -> bytes:
        text = json.dumps({**header, first: {**header[first], **changes}}).encode()
        return struct.pack("<Q", len(text)) + text + whole[8 + length :]

    files = {
        "nothing": b"",
        "seven bytes": whole[:7],
        "cut in the header": whole[: 8 + length // 2],
        "cut in the numbers": whole[:-100],
        "followed by other data": whole + bytes(100),
        "a header of 2^63 bytes": struct.pack("<Q", 2**63) + whole[8:],
        "a header of 90 MB": struct.pack("<Q", 90_000_000) + b"{" + b" " * 89_999_999,
        "a header of noise": struct.pack("<Q", 100) + bytes(range(100)),
        "a deep header": struct.pack("<Q", 100_000) + b"[" * 100_000,
        "a header without end": struct.pack("<Q", length) + b"x" * length,
        "a shape of 2^60": headed(shape=[2**60]),
        "a shape that overflows": headed(shape=[2**32, 2**32, 2**32]),
        "a negative shape": headed(shape=[-1, 4]),
        "offsets that overlap": headed(data_offsets=[0, 8]),
        "offsets beyond the end": headed(data_offsets=[0, 2**40]),
        "swapped offsets": headed(data_offsets=[100, 0]),
        "an unknown type": headed(dtype="PICKLE"),
        "a pickle": pickle.dumps({"a": 1}),
    }
    for name, content in files.items():
        model = _copy(made.gen, folders)
        (model / "model.safetensors").write_bytes(content)
        yield _case(f"weights: {name}", *_caption(made, model), quick=name == "a shape of 2^60")
    rng = np.random.default_rng(1)
    for number in range(12):
        data = bytearray(whole)
        for place in rng.integers(0, 8 + length, 1 + number):
            data[place] = rng.integers(256)
        model = _copy(made.gen, folders)
        (model / "model.safetensors").write_bytes(bytes(data))
        yield _case(f"weights: {1 + number} bytes of the header changed", *_caption(made, model), codes=(0, 1))
    tensors = load_file(made.gen / "model.safetensors")
    matrix = next(name for name, value in tensors.items() if value.ndim == 2)
    changed: dict[str, dict[str, Any]] = {
        "NaN": {matrix: np.full_like(tensors[matrix], np.nan)},
        "infinity": {matrix: np.full_like(tensors[matrix], np.inf)},
        "giants": {matrix: np.full_like(tensors[matrix], 3e38)},
        "whole numbers": {matrix: tensors[matrix].astype(np.int64)},
        "another shape": {matrix: tensors[matrix][:, :-1].copy()},
        "an extra tensor": {"extra": np.zeros(3, np.float32)},
        "a tensor with a path as name": {"../../x\x1b[2J": np.zeros(3, np.float32)},
    }
    for name, change in changed.items():
        model = _copy(made.gen, folders)
        write_weights(model, {**tensors, **change})
        # large finite numbers give a caption, if a bad one
        yield _case(f"weights: {name}", *_caption(made, model), codes=(0, 1) if name == "giants" else (1,))
    model = _copy(made.gen, folders)
    write_weights(model, {name: value for name, value in tensors.items() if name != matrix})
    yield _case("weights: a missing tensor", *_caption(made, model))
    model = _copy(made.gen, folders)
    (model / "model.safetensors").unlink()
    (model / "model.safetensors").symlink_to("/dev/zero")
    yield _case("weights: endless zeros", *_caption(made, model))


def _states(made: Material, folders: CaseFolders) -> Iterator[Case]:
    """Training states that --resume would read."""
    for source, command, options in ((made.gen, "train-gen", GEN), (made.embed, "train-embed", EMBED)):
        whole = (source / "training.safetensors").read_bytes()
        for name, content in {
            "nothing": b"",
            "cut": whole[:-50],
            "noise": bytes(range(256)),
            "of another model": None,
        }.items():
            model = _copy(source, folders)
            other = made.embed if source == made.gen else made.gen
            state = content if content is not None else (other / "training.safetensors").read_bytes()
            (model / "training.safetensors").write_bytes(state)
            words = (command, made.corpus, made.regions, "-o", model, *options, *KEPT, "--epochs", 5, "--resume")
            yield _case(f"state: {name}, {command}", *words, quick=name == "cut")


def _pickles(made: Material, folders: CaseFolders, trap: Trap) -> Iterator[Case]:
    """Weight files of CNNs, which are pickles, and of which only tensors may be read."""
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(2), "b": Bomb(trap.sprung)}, buffer)
    files = {
        "code": pickle.dumps(Bomb(trap.sprung)),
        "code among tensors": buffer.getvalue(),
        "a list": _torch([1, 2]),
        "a number": _torch(3),
        "tensors of another network": _torch({"weight": torch.zeros(3)}),
        "names that are numbers": _torch({1: torch.zeros(3)}),
        "nothing": b"",
        "noise": bytes(range(256)) * 20,
        "a cut archive": _torch({"weight": torch.zeros(1000)})[:-500],
    }
    if folders.largest:
        archive_of_code = io.BytesIO()
        with zipfile.ZipFile(archive_of_code, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(Bomb(trap.sprung)))
            archive.writestr("archive/data/0", bytes(500_000_000))
        files["code in an archive of compressed zeros"] = archive_of_code.getvalue()
    for name, content in files.items():
        path = folders.file("cnn.pth", content)
        words = ("extract-regions", made.photos, "-o", path.parent / "out" / "r.h5", *REGIONS, *ONE_THREAD, "--quiet")
        yield _case(f"CNN: {name}", *words, "--cnn-weights", path, codes=(1, 4), quick=name == "code among tensors")


def _torch(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def _vectors(made: Material, folders: CaseFolders) -> Iterator[Case]:
    files = {
        "nothing": b"",
        "a header of giants": b"999999999999999999 999999999999999999\n",
        "a binary of giants": b"1000000000000 8192\nred " + bytes(100),
        "words without numbers": b"red\nblue\n",
        "NaN and infinities": b"red NaN inf\nblue nan -inf\n",
        "rows of different lengths": b"red 1 2 3\nblue 1 2\n",
        "a word of 10 MB": b"x" * 10_000_000 + b" 1 2\n",
        "a line of 10 MB": b"red" + b" 1" * 5_000_000 + b"\n",
        "compressed": gzip.compress(b"red 1 2\n"),
        "zeros": bytes(1_000_000),
        "not UTF-8": b"\xff\xfe 1 2\n" * 10,
    }
    for name, content in files.items():
        path = folders.file("vectors.txt", content)
        words = ("train-embed", made.corpus, made.regions, "-o", path.parent / "embed", *EMBED, *KEPT, "--epochs", 1)
        yield _case(f"word vectors: {name}", *words, "--word-vectors", path)


def _cache(made: Material, folders: CaseFolders) -> Iterator[Case]:
    """Feature caches: whatever the file holds, the photograph is encoded again."""
    photo = made.photos / "000.png"
    sha256 = hashlib.sha256(photo.read_bytes()).hexdigest()
    spec = FeatureSpec.from_dict(json.loads((made.embed / "config.json").read_bytes())["regions"], "config.json")
    boxes, scores = np.zeros((2, 4), np.float32), np.zeros(2, np.float32)
    narrow = ImageRegions("x", sha256, 1, 1, boxes, scores, np.zeros((2, 3), np.float16))
    wide = ImageRegions("x", "0" * 64, 1, 1, boxes, scores, np.zeros((2, spec.descriptor_size), np.float16))
    records = {
        "noise": bytes(range(256)),
        "nothing": b"",
        "code": pickle.dumps(Bomb(folders.new() / "bomb")),
        "another size": regions_to_bytes(narrow),
        "another photograph": regions_to_bytes(wide),
    }
    files = {"of noise": bytes(range(256)) * 64, "of nothing": b"", "cut short": b"SQLite format 3\0" + bytes(2000)}
    schemas = {
        "a view without end": "CREATE VIEW regions AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) "
        "SELECT x AS sha256, x AS used, x AS record FROM n",
        "another table": "CREATE TABLE regions (sha256)",
    }

    def search(name: str, fill: Callable[[RegionCache], object]) -> Case:
        cache = RegionCache(folders.new() / "cache", spec)
        cache.path.parent.mkdir(parents=True)
        fill(cache)
        folder = cache.path.parent.parent
        words = ("retrieve", "a red circle", photo, "--model", made.embed, "--cache-dir", folder, *ONE_THREAD)
        return _case(f"cache: {name}", *words, codes=(0,))

    def insert(cache: RegionCache, record: bytes) -> None:
        cache.put(wide)
        _run_sql(cache.path, "INSERT INTO regions VALUES (?, 0, ?)", sha256, record)

    for name, record in records.items():
        yield search(name, lambda cache, record=record: insert(cache, record))
    for name, content in files.items():
        yield search(f"a file {name}", lambda cache, content=content: cache.path.write_bytes(content))
    for name, schema in schemas.items():
        yield search(name, lambda cache, schema=schema: _run_sql(cache.path, schema))


def _run_sql(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)
