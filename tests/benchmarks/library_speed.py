"""Time and memory of a search in an index of photographs, beside its parts called bare.

python -m tests.benchmarks.library_speed [N ...] [--photos FOLDER] [--regions R] [--runs R] [--threads T] [--keep DIR]

An index of each size N (1,000 by default; 100,000 takes 3.3 GB of disk, 1,000,000 takes 33 GB) is made of the vectors
of 500 photographs, each copy perturbed: those in FOLDER, or random descriptors. Then a new process opens it and answers
queries. `recall` is the share of queries whose ten best photographs are those of an exhaustive search.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vsa_cli.core.alignment.embedder import Embedder, load_embedder
from vsa_cli.core.config import LibrarySearch
from vsa_cli.core.embedding.batches import pack
from vsa_cli.core.embedding.search import encode_images, encode_sentences
from vsa_cli.core.io.sources import FailedPhoto, expand
from vsa_cli.core.library.library import empty_manifest, open_library
from vsa_cli.core.library.manifest import Manifest, segment_file, write_manifest
from vsa_cli.core.library.search import exact_scores, nearest_rows, search_library
from vsa_cli.core.library.segment import Entry, write_segment
from vsa_cli.core.regions.image_regions import pad

BASE, FULL, NOISE = 500, 4096, 0.5
QUERIES = (
    "two dogs run in the snow", "a man in a red shirt climbs a rock", "a child plays in the water",
    "people sit at a table outside", "a girl in a pink dress", "a football player with the ball",
    "a boy jumps on a bike", "a woman with a hat", "three men stand near a car", "a black dog swims",
)  # fmt: skip


def base_vectors(embedder: Embedder, photos: Path | None, regions: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(K, R, H) vectors of regions and (K, H) of whole images, float32."""
    if photos is None:
        shape = (BASE, regions, embedder.trained.feature_spec.descriptor_size)
        descriptors = torch.from_numpy(np.random.default_rng(0).random(shape, np.float32))
    else:
        encoded = (found for _, found in embedder.encode_all(list(expand([str(photos)], []))[:BASE]))
        stored = [found.descriptors for found in encoded if not isinstance(found, FailedPhoto)]
        descriptors = torch.from_numpy(pad(stored)).float()
    with torch.inference_mode():
        images = encode_images(embedder.trained.model, descriptors)
    assert images.whole is not None
    return images.regions, images.whole


def perturbed(vectors: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    noise = torch.randn(vectors.shape, generator=generator) * (NOISE / vectors.shape[-1] ** 0.5)
    return torch.nn.functional.normalize(vectors + noise, dim=-1).half()


def make_library(folder: Path, empty: Manifest, count: int, vectors: torch.Tensor, whole: torch.Tensor) -> None:
    folder.mkdir(parents=True)
    generator, records = torch.Generator().manual_seed(0), []
    boxes = np.tile(np.array([0, 0, 64, 48], np.float32), (vectors.shape[1], 1))
    for first in range(0, count, FULL):
        rows = range(first, min(first + FULL, count))
        base = torch.tensor([row % len(whole) for row in rows])
        entries: list[Entry] = []
        for part in torch.split(base, 256):
            v, w = perturbed(vectors[part], generator), perturbed(whole[part], generator)
            for i in range(len(part)):
                name = f"{first + len(entries):08d}.jpg"
                entries.append(Entry(f"/photos/{name}", name, "0" * 64, (1, 1), (64, 48), boxes, v[i], w[i]))
        records.append(write_segment(folder, segment_file(len(records) + 1), entries))
    write_manifest(folder, Manifest(empty.envelope, empty.config, tuple(records), len(records) + 1))


def seconds(action: Callable[[], object], runs: int) -> float:
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def resident() -> float:
    """Resident memory of the process, mapped files included, in MB; 0 where /proc does not exist."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6 if statm.exists() else 0.0


@torch.inference_mode()
def measure(folder: Path, runs: int, threads: int) -> dict[str, Any]:
    before = resident()
    embedder = load_embedder(device="cpu", cache=False, threads=threads)
    trained = embedder.trained
    with_model = resident()
    opening = seconds(lambda: open_library(folder), runs)
    library = open_library(folder)
    queries = [embedder.read_query(text) for text in QUERIES]
    config = LibrarySearch()
    started = time.perf_counter()
    search_library(trained, library, queries[0], 10, config, explain=False)
    first = time.perf_counter() - started
    per_query = [
        seconds(lambda q=query: search_library(trained, library, q, 10, config, explain=False), runs)
        for query in queries
    ]
    memory = resident() - with_model
    sentence = encode_sentences(trained.model, pack([queries[0].ids]))
    assert sentence.whole is not None
    vector = sentence.whole[0].float()
    rows = nearest_rows(library, vector, config.candidates)
    nearest = seconds(lambda: nearest_rows(library, vector, config.candidates), runs)
    rescored = seconds(lambda: exact_scores(trained.model, sentence, library, rows), runs)
    matrix = torch.cat([segment.whole for segment in library.segments if segment.whole is not None])
    v = library.segments[0].regions_of(np.arange(min(len(library.segments[0]), len(rows)))).float().flatten(0, 1)
    bare_nearest = seconds(lambda: matrix @ vector.half(), runs)
    bare_product = seconds(lambda: v @ sentence.words.T, runs)
    same = []
    exhaustive = None
    if len(library) <= 100_000:
        for query in queries:
            started = time.perf_counter()
            exact = search_library(trained, library, query, 10, LibrarySearch(exact=True), explain=False)
            exhaustive = time.perf_counter() - started
            found = search_library(trained, library, query, 10, config, explain=False)
            same.append({hit.path for hit in exact} == {hit.path for hit in found})
    size = sum(record.bytes for record in library.manifest.segments)
    return {
        "photographs": len(library),
        "open": opening,
        "first query": first,
        "query": statistics.median(per_query),
        "candidates": nearest,
        "bare product of whole images": bare_nearest,
        "exact scores": rescored,
        "bare product of their regions": bare_product,
        "--exact": exhaustive,
        "recall": sum(same) / len(same) if same else None,
        "bytes a photograph": size / len(library),
        "MB beyond torch and model": memory,
        "MB of torch and model": with_model - before,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Time searches in an index of photographs.")
    parser.add_argument("sizes", nargs="*", type=int, default=[1000], help="numbers of photographs")
    parser.add_argument("--photos", type=Path, help="folder of photographs whose vectors are perturbed")
    parser.add_argument("--regions", type=int, default=20, help="regions of each photograph without --photos")
    parser.add_argument("--runs", type=int, default=5, help="runs, of which the median is reported")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 is one for each core")
    parser.add_argument("--keep", type=Path, help="folder in which the indices are made and kept")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(measure(asked.measure, asked.runs, asked.threads)))
        return
    embedder = load_embedder(device="cpu", threads=asked.threads)
    vectors, whole = base_vectors(embedder, asked.photos, asked.regions)
    rows: list[dict[str, Any]] = []
    for count in asked.sizes:
        root = asked.keep or Path(tempfile.mkdtemp())
        folder = root / f"library-{count}"
        if not folder.exists():
            make_library(folder, empty_manifest(embedder.trained), count, vectors, whole)
        options = ["--measure", str(folder), "--runs", str(asked.runs), "--threads", str(asked.threads)]
        command = [sys.executable, "-m", "tests.benchmarks.library_speed", *options]
        rows.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        if not asked.keep:
            shutil.rmtree(root)
    for name in rows[0]:
        values = (row[name] for row in rows)
        shown = ["-" if one is None else f"{one:,.4g}" if isinstance(one, float) else f"{one:,}" for one in values]
        print(f"{name:32}" + "".join(f"{value:>12}" for value in shown))


if __name__ == "__main__":
    main()
