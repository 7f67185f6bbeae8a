"""Gives readers mutants of sound files for a bounded time; only a `VsaError` may come of it.

    python -m tests.survival.fuzz --seconds 30

Mutants are made by Hypothesis (cuts, copies, bytes and numbers changed); where atheris is installed, it then drives the
readers of text by what parts of them a mutant reaches, for as long again, each in a process of its own. Each reader
gets `--seconds`. Ends in 1 where anything else than an error of ours was raised, and says of which bytes.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.survival.hostile_captions import entry, karpathy, table, tar_member, tar_of
from tests.survival.material import Material, make
from tests.survival.nursery import Nursery
from vsa_cli.core.config import RegionConfig
from vsa_cli.core.corpus.corpus import read_corpus
from vsa_cli.core.corpus.readers.detect import read_captions
from vsa_cli.core.embedding.vector_files import read_vectors
from vsa_cli.core.errors import VsaError
from vsa_cli.core.evaluation.entities import read_entities
from vsa_cli.core.evaluation.hypotheses import read_hypotheses
from vsa_cli.core.evaluation.inputs import open_document
from vsa_cli.core.evaluation.references import read_references
from vsa_cli.core.generation.decoder import read_generator
from vsa_cli.core.io.images import read_picture
from vsa_cli.core.io.sources import FailedPhoto, Photo
from vsa_cli.core.regions.cache import RegionCache
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.interchange.bottom_up import read_bottom_up
from vsa_cli.core.regions.shards import read_shard, write_shard
from vsa_cli.core.regions.store import ImageRegions, RegionStore, write_regions


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        file: the name of the file that it reads.
        sound: the bytes of a sound one.
        read: reads it, and all that is in it.
        is_text: whether a mutant is worth guiding by what it reaches: the rest is read by C libraries.
    """

    file: str
    sound: Callable[[Material], bytes]
    read: Callable[[Path], object]
    is_text: bool = True


def _captions(path: Path) -> object:
    return read_captions([path], path.parent)


def _regions(path: Path) -> None:
    store = RegionStore(path)
    for image_id in store.ids:
        store[image_id]
    store.close()


def _few_regions(made: Material) -> bytes:
    store = RegionStore(made.regions)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "few.h5"
        write_regions(path, store.envelope, [[store[image_id] for image_id in store.ids[:2]]], store.descriptor_size)
        return path.read_bytes()


def _shard(made: Material) -> bytes:
    store = RegionStore(made.regions)
    failed = FailedPhoto(Photo("b.png", "b.png", Path("b.png")), "b.png: broken")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "0.shard"
        write_shard(path, [store[store.ids[0]], failed])
        return path.read_bytes()


def _cache(made: Material) -> bytes:
    store = RegionStore(made.regions)
    with tempfile.TemporaryDirectory() as scratch:
        cache = RegionCache(Path(scratch), FeatureSpec.of(store.envelope, "regions.h5"))
        for image_id in store.ids[:3]:
            cache.put(store[image_id])
        return cache.path.read_bytes()


def _read_cache(path: Path) -> None:
    spec = FeatureSpec(RegionConfig(), "", 1280)
    cache = RegionCache(path.parent, spec)
    cache.path.parent.mkdir(exist_ok=True)
    path.replace(cache.path)
    for number in range(3):
        cache.get(f"{number:064x}")
    regions = ImageRegions("x", "f" * 64, 1, 1, np.zeros((1, 4), "f4"), np.zeros(1, "f4"), np.zeros((1, 1280), "f2"))
    cache.put(regions)


def _photograph(made: Material) -> bytes:
    return (made.photos / "000.png").read_bytes()


TARGETS: dict[str, Target] = {
    "Karpathy's JSON": Target("dataset.json", lambda made: karpathy(entry(), entry("001.png", imgid=1)), _captions),
    "CSV": Target("t.csv", lambda made: table("001.png,a dog,val"), _captions),
    "JSON Lines": Target("metadata.jsonl", lambda made: b'{"file_name": "000.png", "text": "a dog"}\n' * 3, _captions),
    "tar": Target("s.tar", lambda made: tar_of([tar_member("g.png", b"x"), tar_member("g.txt", b"a dog")]), _captions),
    "corpus.json": Target("corpus.json", lambda made: made.corpus.read_bytes(), read_corpus),
    "captions": Target("c.jsonl", lambda made: made.said.read_bytes(), lambda p: read_hypotheses(open_document(p))),
    "rankings": Target("r.jsonl", lambda made: made.rankings.read_bytes(), lambda p: [*open_document(p).entries()]),
    "references": Target("r.json", lambda made: b'{"000.png": ["a dog", "a cat"]}', read_references),
    "true boxes": Target(
        "b.jsonl",
        lambda made: (
            b'{"file": "a", "width": 9, "height": 9, "boxes": {"1": [[0, 0, 5, 5]]}, "entity_sentences": '
            b'[{"tokens": "a dog", "phrases": [{"id": 1, "start": 0, "end": 2}]}]}\n'
        ),
        read_entities,
    ),
    "word vectors": Target("v.txt", lambda made: b"2 3\nred 1 2 3\nblue 4 5 6\n", lambda p: read_vectors(p, {"red"})),
    "bottom-up TSV": Target(
        "f.tsv",
        lambda made: b"0\t9\t9\t1\tAAAAAAAAAAAAAIA/AACAPw==\tAACAPwAAgD8=\n",
        lambda p: [*read_bottom_up(p)],
    ),
    "picture": Target("p.png", _photograph, read_picture, is_text=False),
    "regions.h5": Target("r.h5", _few_regions, _regions, is_text=False),
    "shard": Target("0.shard", _shard, read_shard, is_text=False),
    "feature cache": Target("cache.sqlite", _cache, _read_cache, is_text=False),
    "model's config": Target(
        "gen/config.json",
        lambda made: (made.gen / "config.json").read_bytes(),
        lambda p: read_generator(p.parent, torch.device("cpu")),
    ),
    "model's weights": Target(
        "gen/model.safetensors",
        lambda made: (made.gen / "model.safetensors").read_bytes(),
        lambda p: read_generator(p.parent, torch.device("cpu")),
        is_text=False,
    ),
}
"""Every reader of a file that somebody else may have written."""

_PIECES = [
    b"",
    b"\0",
    b"\xff",
    b"NaN",
    b"1e999",
    b"-1",
    b"9" * 400,
    b"null",
    b"[",
    b"{}",
    b"[[]]",
    b'"',
    b"\n",
    b"../",
    b"\\ud800",
]


@st.composite
def mutants(draw: st.DrawFn, sound: bytes) -> bytes:
    """A sound file that is cut, or with some pieces of it replaced, doubled or gone; mostly near its beginning."""
    data = sound
    near = st.integers(0, min(len(sound), 300)) | st.integers(0, len(sound))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(near)
        end = start + draw(st.integers(0, 12))
        piece = draw(st.sampled_from(_PIECES) | st.binary(max_size=8) | st.just(data[start : end + 40] * 2))
        data = data[:start] + piece + data[end:]
    return data[: draw(near)] if draw(st.integers(0, 9)) == 0 else data


def prepare(name: str, made: Material, folder: Path) -> tuple[bytes, Path]:
    """The sound bytes of a target, and the path at which its reader looks."""
    target = TARGETS[name]
    path = folder / target.file
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent.name == "gen":
        for other in made.gen.iterdir():
            (path.parent / other.name).write_bytes(other.read_bytes())
    return target.sound(made), path


def attempt(name: str, path: Path, data: bytes) -> str | None:
    """What was raised that is no error of ours, in a line."""
    path.write_bytes(data)
    try:
        TARGETS[name].read(path)
    except VsaError:
        return None
    except Exception as error:
        return f"{name}: {type(error).__name__}: {error} (of {data[:200]!r})"
    return None


def try_mutants(name: str, made: Material, folder: Path, examples: int, start: int = 0) -> list[str]:
    """Give a reader so many mutants; what came of it that should not have."""
    sound, path = prepare(name, made, folder)
    faults: list[str] = []

    @seed(start)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(mutants(sound))
    def check(data: bytes) -> None:
        fault = attempt(name, path, data)
        if fault is not None and len(faults) < 5:
            faults.append(fault)

    check()
    return faults


def guided(name: str, sound: Path, seconds: float) -> int:
    """Have atheris drive a reader; the exit code of the process that did."""
    command = [sys.executable, "-m", "tests.survival.fuzz", "--guide", name, "--seconds", str(seconds)]
    return subprocess.run([*command, "--sound", str(sound)], check=False, capture_output=True).returncode


def _guide(name: str, sound: Path, seconds: float) -> None:
    """Never comes back: atheris ends the process, with 0 where the time is over."""
    import atheris

    for module in [module for key, module in sys.modules.items() if key.startswith("vsa_cli.core")]:
        for function in vars(module).values():
            if isinstance(function, types.FunctionType) and function.__module__ == module.__name__:
                atheris.instrument_func(function)
    path = sound.with_name("mutants") / TARGETS[name].file
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.parent.name == "gen":
        path.parent.rmdir()
        (sound.parent / "gen").rename(path.parent)

    def check(data: bytes) -> None:
        if (fault := attempt(name, path, data)) is not None:
            raise AssertionError(fault)

    corpus = sound.with_name("corpus")
    corpus.mkdir()
    (corpus / "sound").write_bytes(sound.read_bytes())
    atheris.Setup(["fuzz", f"-max_total_time={int(seconds)}", "-rss_limit_mb=3000", str(corpus)], check)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="for each reader and engine")
    parser.add_argument("--only", choices=TARGETS)
    parser.add_argument("--guide", choices=TARGETS, help=argparse.SUPPRESS)
    parser.add_argument("--sound", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.guide:
        _guide(asked.guide, asked.sound, asked.seconds)
    has_atheris = importlib.util.find_spec("atheris") is not None
    faults: list[str] = []
    total = 0
    with tempfile.TemporaryDirectory(prefix="vsa-fuzz-") as scratch, Nursery() as nursery:
        made = make(Path(scratch) / "made", nursery)
        for name in [name for name in TARGETS if asked.only in (None, name)]:
            folder = Path(scratch) / str(len(name)) / name.replace("/", "-")
            until, tried, found = time.monotonic() + asked.seconds, 0, []
            while time.monotonic() < until:
                found += try_mutants(name, made, folder, 100, start=tried)
                tried += 100
            total += tried
            told = ""
            if has_atheris and TARGETS[name].is_text:
                sound = folder / "sound"
                sound.write_bytes(prepare(name, made, folder)[0])
                code = guided(name, sound, asked.seconds)
                told = f", atheris for {asked.seconds:.0f} s: {'nothing' if code == 0 else f'exit code {code}'}"
                found += [f"{name}: atheris ended in {code}"] if code else []
            print(f"{name:16} {tried:6} mutants: {len(found)} faults{told}", flush=True)
            faults += found
    print(f"{total} mutants of {len(TARGETS)} readers{'' if has_atheris else '; atheris is not installed'}")
    for fault in faults:
        print(fault)
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
