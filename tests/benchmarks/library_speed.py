"""Time and memory of a search in an index of photographs, beside its parts called bare.

python -m tests.benchmarks.library_speed [N ...] [--photos FOLDER] [--regions R] [--runs R] [--threads T] [--keep DIR]
    [--processor-time]

An index of each size N (1,000 by default; 100,000 takes 3.6 GB of disk, 1,000,000 takes 36 GB) is made of the vectors
of 500 photographs, each copy perturbed: those in FOLDER, or random descriptors. If it would take more than half of the
disk's free space, photographs have fewer regions. Then a new process opens it and answers queries. `recall` is the
share of queries whose ten best photographs are those of an exhaustive search.

Memory is what the process has beyond PyTorch and the model, before any exhaustive search: `own` cannot be given back,
`mapped` are pages of the index that the system may drop; the peak counts both. With --photos, `indexing / describing`
compares the processor time of both for photographs in FOLDER.
"""

from __future__ import annotations

import argparse
import contextlib
import json
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
from numpy.typing import NDArray

from vsa_cli.core.alignment.embedder import Embedder, load_embedder
from vsa_cli.core.config import LibrarySearch
from vsa_cli.core.embedding.batches import pack
from vsa_cli.core.embedding.compare import EncodedSentences
from vsa_cli.core.embedding.model import Embedding
from vsa_cli.core.embedding.search import encode_images, encode_sentences
from vsa_cli.core.io.sources import FailedPhoto, Photo, expand
from vsa_cli.core.library.library import Library, empty_manifest, open_library
from vsa_cli.core.library.manifest import Manifest, segment_file, write_manifest
from vsa_cli.core.library.photographs import PhotoEntry, write_photos
from vsa_cli.core.library.search import encoded_photos, first_stage, nearest_rows, photo_scores, search_library
from vsa_cli.core.library.segment import Vectors
from vsa_cli.core.library.short_vectors import SHORT
from vsa_cli.core.library.update import update_library
from vsa_cli.core.library.writer import writing
from vsa_cli.core.regions.image_regions import ImageRegions, pad

PROCESSOR_TIME = "--processor-time"
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


class Noise:
    """Noise from a table of normal numbers, read from places drawn at random: new numbers would take minutes."""

    def __init__(self) -> None:
        self._generator = torch.Generator().manual_seed(0)
        self._table = torch.randn(1 << 23, generator=self._generator)

    def perturbed(self, vectors: torch.Tensor) -> torch.Tensor:
        place = int(torch.randint(len(self._table) - vectors.numel(), (1,), generator=self._generator))
        noise = self._table[place : place + vectors.numel()].view(vectors.shape)
        return torch.nn.functional.normalize(vectors + noise * (NOISE / vectors.shape[-1] ** 0.5), dim=-1).half()


def make_library(
    folder: Path,
    empty: Manifest,
    count: int,
    vectors: torch.Tensor,
    whole: torch.Tensor,
    hubness: torch.Tensor | None = None,
) -> None:
    folder.mkdir(parents=True)
    noise, records = Noise(), []
    boxes = np.tile(np.array([0, 0, 64, 48], np.float32), (vectors.shape[1], 1))
    for first in range(0, count, FULL):
        rows = range(first, min(first + FULL, count))
        base = torch.tensor([row % len(whole) for row in rows])
        entries: list[PhotoEntry] = []
        for part in torch.split(base, 256):
            v, w = noise.perturbed(vectors[part].float()), noise.perturbed(whole[part].float())
            for i in range(len(part)):
                name = f"{first + len(entries):08d}.jpg"
                of_row = float(hubness[part[i]]) if hubness is not None else 0.0
                row = Vectors(v[i], w[i], of_row if empty.config.hubness else None)
                entries.append(PhotoEntry(f"/photos/{name}", name, "0" * 64, (1, 1), (64, 48), boxes, row))
        records.append(write_photos(folder, segment_file(len(records) + 1), entries))
    write_manifest(folder, Manifest(empty.envelope, empty.config, tuple(records), len(records) + 1))


def seconds(action: Callable[[], object], runs: int) -> float:
    taken = []
    for _ in range(runs):
        started = clock()
        action()
        taken.append(clock() - started)
    return statistics.median(taken)


def clock() -> float:
    return time.process_time() if PROCESSOR_TIME in sys.argv else time.perf_counter()


def resident() -> tuple[float, float, float]:
    """Memory of the process in MB: its own, that of mapped files, and the peak; 0 where /proc does not exist."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0, 0.0, 0.0
    found = dict(line.split(":") for line in status.read_text().splitlines())
    own, mapped, peak = (int(found[name].split()[0]) / 1000 for name in ("RssAnon", "RssFile", "VmHWM"))
    return own, mapped, peak


def reset_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def fitting_regions(folder: Path, count: int, regions: int, size: int, *, least: int = 2) -> int:
    """How many regions a photograph of an index can have if the index may take half of the disk's free space.

    Raises:
        SystemExit: not even the fewest fit.
    """
    free = shutil.disk_usage(folder).free // 2
    most = (free // count - 2 * (size + SHORT) - 200) // (2 * (size + SHORT) + 16)  # beside the whole image and path
    if most < least:
        sys.exit(f"{count:,} photographs take {count * least * 2 * (size + SHORT):,} bytes, but {2 * free:,} are free")
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


def scoring(
    model: Embedding, sentence: EncodedSentences, library: Library, rows: NDArray[np.int64], short: bool, runs: int
) -> tuple[float, float]:
    """Seconds to score photographs, and of the one matrix product in it, of vectors that are in memory."""
    taken = seconds(lambda: photo_scores(model, sentence, library, rows, short=short), runs)
    encoded = encoded_photos(library, rows, torch.device("cpu"), short=short)
    v = torch.cat([images.regions.flatten(0, 1) for _, images in encoded])
    words = sentence.words[:, : v.shape[1]].contiguous()
    return taken, seconds(lambda: v @ words.T, runs)


@torch.inference_mode()
def measure(folder: Path, runs: int, threads: int) -> dict[str, Any]:
    embedder = load_embedder(device="cpu", cache=False, threads=threads)
    trained = embedder.trained
    reset_peak()
    with_model = resident()
    opening = seconds(lambda: open_library(folder), runs)
    library = open_library(folder)
    queries = [embedder.read_query(text) for text in QUERIES]
    config = LibrarySearch()
    started = clock()
    search_library(trained, library, queries[0], 10, config, explain=False)
    first = clock() - started
    per_query = [
        seconds(lambda q=query: search_library(trained, library, q, 10, config, explain=False), runs)
        for query in queries
    ]
    after = resident()
    sentence = encode_sentences(trained.model, pack([queries[0].ids]))
    assert sentence.whole is not None
    vector = sentence.whole[0].float()
    parts: dict[str, float] = {}
    kept = first_stage(len(library))
    rows = nearest_rows(library, vector, kept)
    parts["first stage"] = seconds(lambda: nearest_rows(library, vector, kept), runs)
    matrix = torch.cat([segment.short_whole for segment in library.segments if segment.short_whole is not None])
    half = vector[: matrix.shape[1]].half()
    parts["products in the first stage"] = seconds(lambda: matrix @ half, runs)
    for name, chosen, short in (("second stage", rows, True), ("exact scores", rows[: config.candidates], False)):
        parts[name], parts[f"products in the {name}"] = scoring(trained.model, sentence, library, chosen, short, runs)
    same = []
    exhaustive = None
    if len(library) <= 100_000:
        for query in queries:
            started = clock()
            exact = search_library(trained, library, query, 10, LibrarySearch(exact=True), explain=False)
            exhaustive = clock() - started
            found = search_library(trained, library, query, 10, config, explain=False)
            same.append({hit.path for hit in exact} == {hit.path for hit in found})
    size = sum(record.bytes for record in library.manifest.segments)
    return {
        "photographs": len(library),
        "open": opening,
        "first query": first,
        "query": statistics.median(per_query),
        **parts,
        "--exact": exhaustive,
        "recall": sum(same) / len(same) if same else None,
        "bytes": size,
        "bytes a photograph": size / len(library),
        "regions a photograph": sum(record.vectors for record in library.manifest.segments) / len(library),
        "MB after all queries: own": after[0] - with_model[0],
        "MB after all queries: mapped": after[1] - with_model[1],
        "MB at the peak of the queries": after[2] - sum(with_model[:2]),
        "MB of torch and model": sum(with_model[:2]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Time searches in an index of photographs.")
    parser.add_argument("sizes", nargs="*", type=int, default=[1000], help="numbers of photographs")
    parser.add_argument("--photos", type=Path, help="folder of photographs whose vectors are perturbed")
    parser.add_argument("--regions", type=int, default=20, help="regions of each photograph without --photos")
    parser.add_argument("--runs", type=int, default=5, help="runs, of which the median is reported")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 is one for each core")
    parser.add_argument("--keep", type=Path, help="folder in which the indices are made and kept")
    parser.add_argument(PROCESSOR_TIME, action="store_true", help="time the processor, beside other programs")
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
        options += [PROCESSOR_TIME] if asked.processor_time else []
        command = [sys.executable, "-m", "tests.benchmarks.library_speed", *options]
        rows.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        if not asked.keep:
            shutil.rmtree(root)
    if asked.photos is not None:
        uncached = load_embedder(device="cpu", cache=False, threads=asked.threads)
        ratio = indexing_ratio(uncached, asked.photos, asked.runs)
        print(f"{'indexing / describing':40}{ratio:>12.4g}")
    for name in rows[0]:
        values = (row[name] for row in rows)
        shown = ["-" if one is None else f"{one:,.4g}" if isinstance(one, float) else f"{one:,}" for one in values]
        print(f"{name:40}" + "".join(f"{value:>12}" for value in shown))


if __name__ == "__main__":
    main()
