"""Time and memory of a search in an index of photographs, beside its parts called bare.

python -m tests.benchmarks.library_speed [N ...] [--photos FOLDER] [--regions R] [--runs R] [--threads T] [--keep DIR]

An index of each size N (1,000 by default; 100,000 takes 3.3 GB of disk, 1,000,000 takes 33 GB) is made of the vectors
of 500 photographs, each copy perturbed: those in FOLDER, or random descriptors. If it would take more than half of the
disk's free space, photographs have fewer regions. Then a new process opens it and answers queries. `recall` is the
share of queries whose ten best photographs are those of an exhaustive search.

Memory is what the process has beyond PyTorch and the model, before any exhaustive search: `own` cannot be given back,
`mapped` are pages of the index that the system may drop. With --photos, `indexing / describing` compares the processor
time of both for photographs in FOLDER.
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
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vsa_cli.core.alignment.embedder import Embedder, load_embedder
from vsa_cli.core.config import LibrarySearch
from vsa_cli.core.embedding.batches import pack
from vsa_cli.core.embedding.search import encode_images, encode_sentences
from vsa_cli.core.io.sources import FailedPhoto, Photo, expand
from vsa_cli.core.library.library import empty_manifest, open_library
from vsa_cli.core.library.manifest import Manifest, segment_file, write_manifest
from vsa_cli.core.library.photographs import PhotoEntry, write_photos
from vsa_cli.core.library.search import exact_scores, nearest_rows, search_library
from vsa_cli.core.library.segment import Vectors
from vsa_cli.core.library.update import update_library
from vsa_cli.core.library.writer import writing
from vsa_cli.core.regions.image_regions import ImageRegions, pad

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
        entries: list[PhotoEntry] = []
        for part in torch.split(base, 256):
            v, w = perturbed(vectors[part], generator), perturbed(whole[part], generator)
            for i in range(len(part)):
                name = f"{first + len(entries):08d}.jpg"
                row = Vectors(v[i], w[i])
                entries.append(PhotoEntry(f"/photos/{name}", name, "0" * 64, (1, 1), (64, 48), boxes, row))
        records.append(write_photos(folder, segment_file(len(records) + 1), entries))
    write_manifest(folder, Manifest(empty.envelope, empty.config, tuple(records), len(records) + 1))


def seconds(action: Callable[[], object], runs: int) -> float:
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def resident() -> tuple[float, float]:
    """Resident memory of the process in MB: its own, and that of mapped files; 0 where /proc does not exist."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 0.0, 0.0
    _, whole, mapped = (int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6 for pages in statm.read_text().split()[:3])
    return whole - mapped, mapped


def fitting_regions(folder: Path, count: int, regions: int, size: int, *, least: int = 2) -> int:
    """How many regions a photograph of an index can have if the index may take half of the disk's free space.

    Raises:
        SystemExit: not even the fewest fit.
    """
    free = shutil.disk_usage(folder).free // 2
    most = (free // count - 2 * size - 200) // (2 * size + 16)  # beside the whole image and the path
    if most < least:
        sys.exit(f"{count:,} photographs take {count * least * 2 * size:,} bytes, but {2 * free:,} are free")
    return min(regions, most)


class Described(Embedder):
    """An embedder that has the regions of photographs already."""

    def __init__(self, embedder: Embedder, known: Mapping[str, ImageRegions]) -> None:
        super().__init__(embedder.trained, workers=1, cache=None)
        self._known = known

    def encode_all(self, photos: Iterable[Photo | FailedPhoto]) -> Iterator[tuple[Photo, ImageRegions | FailedPhoto]]:
        return ((one, self._known[one.path]) for one in photos if isinstance(one, Photo))


def indexing_ratio(embedder: Embedder, photos: Path, runs: int, most: int = 32) -> float:
    """The processor time of indexing new photographs, divided by that of describing them alone: a median of runs.

    What indexing adds is timed by itself: beside other programs, the time of describing varies by more than that.
    """
    chosen = [one for one in expand([str(photos)], []) if not isinstance(one, FailedPhoto)][:most]
    list(embedder.encode_all(chosen[:2]))  # loads the CNN
    ratios = []
    for _ in range(runs):
        started = time.process_time()
        found = {photo.path: regions for photo, regions in embedder.encode_all(chosen)}
        described = time.process_time()
        known = {path: regions for path, regions in found.items() if not isinstance(regions, FailedPhoto)}
        with tempfile.TemporaryDirectory() as folder, writing(Path(folder), empty_manifest(embedder.trained)) as writer:
            list(update_library(Described(embedder, known), writer, [p for p in chosen if p.path in known], [photos]))
        ratios.append((time.process_time() - started) / (described - started))
    return statistics.median(ratios)


@torch.inference_mode()
def measure(folder: Path, runs: int, threads: int) -> dict[str, Any]:
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
    after_first = resident()
    per_query = [
        seconds(lambda q=query: search_library(trained, library, q, 10, config, explain=False), runs)
        for query in queries
    ]
    after_all = resident()
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
        "bytes": size,
        "bytes a photograph": size / len(library),
        "regions a photograph": sum(record.vectors for record in library.manifest.segments) / len(library),
        "MB after a query: own": after_first[0] - with_model[0],
        "MB after a query: mapped": after_first[1] - with_model[1],
        "MB after ten queries: own": after_all[0] - with_model[0],
        "MB after ten queries: mapped": after_all[1] - with_model[1],
        "MB of torch and model": sum(with_model),
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
            root.mkdir(parents=True, exist_ok=True)
            kept = fitting_regions(root, count, vectors.shape[1], vectors.shape[2])
            make_library(folder, empty_manifest(embedder.trained), count, vectors[:, :kept], whole)
        options = ["--measure", str(folder), "--runs", str(asked.runs), "--threads", str(asked.threads)]
        command = [sys.executable, "-m", "tests.benchmarks.library_speed", *options]
        rows.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        if not asked.keep:
            shutil.rmtree(root)
    if asked.photos is not None:
        uncached = load_embedder(device="cpu", cache=False, threads=asked.threads)
        ratio = indexing_ratio(uncached, asked.photos, asked.runs)
        print(f"{'indexing / describing':32}{ratio:>12.4g}")
    for name in rows[0]:
        values = (row[name] for row in rows)
        shown = ["-" if one is None else f"{one:,.4g}" if isinstance(one, float) else f"{one:,}" for one in values]
        print(f"{name:32}" + "".join(f"{value:>12}" for value in shown))


if __name__ == "__main__":
    main()
