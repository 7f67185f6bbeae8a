"""The long-running commands: how each is started and resumed, and the checks of its output.

`check_killed` checks the files that a killed run has left, `check_finished` those of a finished run; both yield faults.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from tests.survival.material import EMBED, GEN, KEPT, REGIONS, Material
from vsa_cli.core.errors import VsaError
from vsa_cli.core.io.json import read_json
from vsa_cli.core.learning.model_dir import read_model
from vsa_cli.core.library.library import open_index
from vsa_cli.core.library.manifest import is_library
from vsa_cli.core.library.photographs import PhotoEntry
from vsa_cli.core.library.segment import Entry
from vsa_cli.core.regions.extract import part_folder
from vsa_cli.core.regions.shards import read_shard


@dataclass(frozen=True)
class Job:
    """A command.

    Attributes:
        name: name of the command, with an option if the command has several forms.
        output: file name of the output.
        arguments: arguments without `-o` and `--resume`.
        resumes: whether a run continues a killed one; if not, the command starts over.
        check_killed: faults in the output that a killed run has left, given a reference output.
        check_finished: faults in the output of a finished run, given a reference output.
        option: the option with which a run continues a killed one; "" if the same command does.
    """

    name: str
    output: str
    arguments: tuple[object, ...]
    resumes: bool
    check_killed: Callable[[Path, Path], Iterator[str]]
    check_finished: Callable[[Path, Path], Iterator[str]]
    option: str = "--resume"

    def command(self, folder: Path, *, resume: bool = False) -> tuple[object, ...]:
        """The command line that writes `folder / output`."""
        head = (*self.name.split(), *self.arguments, "-o", folder / self.output)
        return (*head, self.option) if resume and self.resumes and self.option else head


def jobs(made: Material, *, epochs: int = 10, batch: int = 4) -> list[Job]:
    """All jobs; captions are generated in batches of `batch`."""
    training = (*KEPT, "--epochs", epochs)
    captioning = ("--model", made.gen, "--format", "jsonl", "--beam", 3, "--threads", 1, "--batch-size", batch)
    return [
        Job(
            "prep",
            "corpus.json",
            (made.captions, "--images", made.photos, "--min-count", 1, "--threads", 1),
            resumes=False,
            check_killed=_check_absent_or_equal,
            check_finished=_compare_bytes,
        ),
        Job(
            "extract-regions",
            "regions.h5",
            (made.corpus, *REGIONS, "--threads", 2),
            resumes=True,
            check_killed=_check_shards,
            check_finished=_compare_regions,
        ),
        Job(
            "train-embed",
            "embed",
            (made.corpus, made.regions, *EMBED, *training),
            resumes=True,
            check_killed=_check_model,
            check_finished=_compare_models,
        ),
        Job(
            "train-gen",
            "gen",
            (made.corpus, made.regions, *GEN, *training),
            resumes=True,
            check_killed=_check_model,
            check_finished=_compare_models,
        ),
        Job(
            "train-labels",
            "labels",
            (made.regions, "--corpus", made.corpus, "--names", made.names, "--folds", 2, "--batch-size", 4, *training),
            resumes=True,
            check_killed=_check_labellers,
            check_finished=_compare_labellers,
        ),
        Job(
            "index",
            "library",
            (made.photos, "--model", made.embed, "--no-cache", "--threads", 1),
            resumes=True,
            check_killed=_check_library,
            check_finished=_compare_libraries,
            option="",
        ),
        Job(
            "index --sentences",
            "library",
            (made.sentence_list, "--model", made.embed, "--threads", 1),
            resumes=True,
            check_killed=_check_library,
            check_finished=_compare_libraries,
            option="",
        ),
        Job(
            "caption",
            "captions.jsonl",
            (made.photos, *captioning),
            resumes=True,
            check_killed=_check_lines,
            check_finished=_compare_bytes,
        ),
    ]


def _check_absent_or_equal(out: Path, reference: Path) -> Iterator[str]:
    if out.exists() and out.read_bytes() != reference.read_bytes():
        yield f"{out.name} exists, and differs from that of an uninterrupted run"


def _compare_bytes(out: Path, reference: Path) -> Iterator[str]:
    if out.read_bytes() == reference.read_bytes():
        return
    lines, expected = out.read_bytes().splitlines(), reference.read_bytes().splitlines()
    differing = [i for i, (a, b) in enumerate(zip(lines, expected, strict=False), 1) if a != b]
    yield f"{out.name}: {len(lines)} lines, not {len(expected)}; {len(differing)} differ, from line {differing[:1]}"


def _check_shards(out: Path, reference: Path) -> Iterator[str]:
    if out.exists():
        yield from _compare_regions(out, reference)
    for path in sorted(part_folder(out).glob("*.shard")):
        try:
            read_shard(path)
        except VsaError as error:
            yield str(error)


def _compare_regions(out: Path, reference: Path) -> Iterator[str]:
    with h5py.File(out) as mine, h5py.File(reference) as theirs:
        if dict(mine.attrs) != dict(theirs.attrs):
            yield f"{out.name}: another envelope or hash"
        for name in sorted({*mine, *theirs}):
            if name not in mine or name not in theirs or not np.array_equal(mine[name][:], theirs[name][:]):
                yield f"{out.name}: /{name} differs"


def _check_lines(out: Path, reference: Path) -> Iterator[str]:
    yield from _check_absent_or_equal(out, reference)
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
            yield f"{part.name}, line {number}: {line[:60]!r} is not a record"
    if len(set(paths)) < len(paths):
        yield f"{part.name}: a record is duplicated"
    if last and not reference.read_bytes().count(last):
        yield f"{part.name}: ends in {last[:60]!r}"


def _check_model(out: Path, reference: Path) -> Iterator[str]:
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
        # the only intermediate state that is allowed: each file is complete, and --resume completes the pair
        if "not written together" not in str(error):
            yield str(error)


def _compare_models(out: Path, reference: Path) -> Iterator[str]:
    for name in ("model.safetensors", "config.json"):
        if (out / name).read_bytes() != (reference / name).read_bytes():
            yield f"{out.name}/{name} differs"
    mine, theirs = _tensors(out / "training.safetensors"), _tensors(reference / "training.safetensors")
    if mine.keys() != theirs.keys():
        yield f"{out.name}/training.safetensors has other tensors"
    yield from (f"{out.name}: {name} differs" for name in mine if not np.array_equal(mine[name], theirs.get(name)))


def _check_labellers(out: Path, reference: Path) -> Iterator[str]:
    for name in (".", "fold-1", "fold-2"):
        yield from _check_model(out / name, reference / name)


def _compare_labellers(out: Path, reference: Path) -> Iterator[str]:
    for name in (".", "fold-1", "fold-2"):
        yield from _compare_models(out / name, reference / name)


def _check_library(out: Path, reference: Path) -> Iterator[str]:
    """A killed run leaves no index, or one of some of the photographs or sentences."""
    if not is_library(out):
        return
    try:
        mine, theirs = _entries(out), _entries(reference)
    except VsaError as error:
        yield str(error)
        return
    for key, entry in mine.items():
        known = theirs[key]
        same = _facts(entry) == _facts(known)
        # the last digits depend on the photographs or sentences that are embedded together
        if not same or not torch.allclose(entry.vectors.parts.float(), known.vectors.parts.float(), atol=2e-3):
            yield f"{out.name}: {key} differs"


def _facts(entry: Entry) -> tuple[object, ...]:
    photo = (entry.sha256, entry.stamp, entry.size) if isinstance(entry, PhotoEntry) else ()
    return (entry.key, entry.vectors.parts.shape, *photo)


def _compare_libraries(out: Path, reference: Path) -> Iterator[str]:
    yield from _check_library(out, reference)
    if _entries(out).keys() != _entries(reference).keys():
        yield f"{out.name}: other photographs or sentences"


def _entries(folder: Path) -> dict[str, Entry]:
    parts = open_index(folder).parts()
    found = [segment.entry(row) for _, segment in parts for row in segment.rows().tolist()]
    return {entry.key: entry for entry in found}


def _tensors(path: Path) -> dict[str, np.ndarray]:
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
