"""The commands that take long, as harnesses run them: how each is started and continued, and what it must leave.

`wholeness` is asked of what a killed run has left, `comparison` of what a continued one has made; both answer in lines,
none where all is well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from safetensors import SafetensorError, safe_open

from tests.survival.material import EMBED, GEN, KEPT, REGIONS, Material
from vsa_cli.core.errors import VsaError
from vsa_cli.core.io.json import read_json
from vsa_cli.core.learning.checkpoint import read_model
from vsa_cli.core.regions.extract import part_folder
from vsa_cli.core.regions.shards import read_shard


@dataclass(frozen=True)
class Job:
    """A command.

    Attributes:
        name: of the command.
        output: the name of what it makes.
        arguments: all but the output and what continues a run.
        resumes: whether it takes --resume; else it is run again.
        wholeness: of an output that a killed run left, beside a reference.
        comparison: of an output that is done, with the reference.
    """

    name: str
    output: str
    arguments: tuple[object, ...]
    resumes: bool
    wholeness: Callable[[Path, Path], Iterator[str]]
    comparison: Callable[[Path, Path], Iterator[str]]

    def command(self, folder: Path, *, resume: bool = False) -> tuple[object, ...]:
        """The command line that makes `folder / output`."""
        head = (self.name, *self.arguments, "-o", folder / self.output)
        return (*head, "--resume") if resume and self.resumes else head


def jobs(made: Material, *, epochs: int = 10, batch: int = 4) -> list[Job]:
    """Every job, over the material; captions are worded in batches of `batch`."""
    training = (*KEPT, "--epochs", epochs)
    said = ("--model", made.gen, "--format", "jsonl", "--beam", 3, "--threads", 1, "--batch-size", batch)
    return [
        Job(
            "prep",
            "corpus.json",
            (made.captions, "--images", made.photos, "--min-count", 1, "--threads", 1),
            resumes=False,
            wholeness=_file_absent_or_equal,
            comparison=_same_bytes,
        ),
        Job(
            "extract-regions",
            "regions.h5",
            (made.corpus, *REGIONS, "--threads", 2),
            resumes=True,
            wholeness=_shards_whole,
            comparison=_same_regions,
        ),
        Job(
            "train-embed",
            "embed",
            (made.corpus, made.regions, *EMBED, *training),
            resumes=True,
            wholeness=_model_whole,
            comparison=_same_model,
        ),
        Job(
            "train-gen",
            "gen",
            (made.corpus, made.regions, *GEN, *training),
            resumes=True,
            wholeness=_model_whole,
            comparison=_same_model,
        ),
        Job(
            "caption",
            "captions.jsonl",
            (made.photos, *said),
            resumes=True,
            wholeness=_lines_whole,
            comparison=_same_bytes,
        ),
    ]


def _file_absent_or_equal(out: Path, reference: Path) -> Iterator[str]:
    if out.exists() and out.read_bytes() != reference.read_bytes():
        yield f"{out.name} is there, and not as an uninterrupted run writes it"


def _same_bytes(out: Path, reference: Path) -> Iterator[str]:
    if out.read_bytes() == reference.read_bytes():
        return
    mine, theirs = out.read_bytes().splitlines(), reference.read_bytes().splitlines()
    differing = [i for i, (a, b) in enumerate(zip(mine, theirs, strict=False), 1) if a != b]
    yield f"{out.name}: {len(mine)} lines, not {len(theirs)}; {len(differing)} differ, from line {differing[:1]}"


def _shards_whole(out: Path, reference: Path) -> Iterator[str]:
    if out.exists():
        yield from _same_regions(out, reference)
    for path in sorted(part_folder(out).glob("*.shard")):
        try:
            read_shard(path)
        except VsaError as error:
            yield str(error)


def _same_regions(out: Path, reference: Path) -> Iterator[str]:
    with h5py.File(out) as mine, h5py.File(reference) as theirs:
        if dict(mine.attrs) != dict(theirs.attrs):
            yield f"{out.name}: another envelope or hash"
        for name in sorted({*mine, *theirs}):
            if name not in mine or name not in theirs or not np.array_equal(mine[name][:], theirs[name][:]):
                yield f"{out.name}: /{name} differs"


def _lines_whole(out: Path, reference: Path) -> Iterator[str]:
    yield from _file_absent_or_equal(out, reference)
    part = out.with_name(out.name + ".part")
    if not part.exists():
        return
    *lines, last = part.read_bytes().split(b"\n")
    expected = {json.loads(line)["path"]: json.loads(line)["caption"] for line in reference.read_bytes().splitlines()}
    paths = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            paths.append(record["path"])
            if expected[record["path"]] != record["caption"]:
                yield f"{part.name}, line {number}: another caption"
        except (ValueError, KeyError, TypeError):
            yield f"{part.name}, line {number}: {line[:60]!r} is no record"
    if len(set(paths)) < len(paths):
        yield f"{part.name}: a record stands twice"
    if last and not reference.read_bytes().count(last):
        yield f"{part.name}: ends in {last[:60]!r}"


def _model_whole(out: Path, reference: Path) -> Iterator[str]:
    for path in sorted(out.glob("*.safetensors")):
        try:
            _tensors(path)
        except (SafetensorError, OSError) as error:
            yield f"{path.name}: {error}"
    config = out / "config.json"
    if not config.exists():
        return
    try:
        kind = str(read_json(config)["envelope"]["format"])
        if (out / "model.safetensors").exists():
            read_model(out, kind, 1)
    except VsaError as error:
        # the one state in between that is let be: each file whole, the pair mended by --resume, and told apart by hash
        if "not written together" not in str(error):
            yield str(error)


def _same_model(out: Path, reference: Path) -> Iterator[str]:
    for name in ("model.safetensors", "config.json"):
        if (out / name).read_bytes() != (reference / name).read_bytes():
            yield f"{out.name}/{name} differs"
    mine, theirs = _tensors(out / "training.safetensors"), _tensors(reference / "training.safetensors")
    if mine.keys() != theirs.keys():
        yield f"{out.name}/training.safetensors has other tensors"
    yield from (f"{out.name}: {name} differs" for name in mine if not np.array_equal(mine[name], theirs.get(name)))


def _tensors(path: Path) -> dict[str, np.ndarray]:
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
