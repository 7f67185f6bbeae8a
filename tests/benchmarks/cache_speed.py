"""Speed of the feature cache compared with reading the same bytes from a plain file.

    python -m tests.benchmarks.cache_speed --count 1000 --threads 2

The photographs have 20 regions with 1,280-dimensional descriptors. Prints the seconds of all reads, several times, for
the files as the system has them in memory; and the seconds of all writes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from vsa_cli.core.config import RegionConfig
from vsa_cli.core.regions.cache import RegionCache
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.image_regions import ImageRegions, regions_to_bytes

T = TypeVar("T")
REGIONS, SIZE, ROUNDS = 20, 1280, 5


def random_regions(number: int) -> ImageRegions:
    rng = np.random.default_rng(number)
    boxes, scores = rng.random((REGIONS, 4), dtype=np.float32), rng.random(REGIONS, dtype=np.float32)
    descriptors = rng.normal(size=(REGIONS, SIZE)).astype(np.float16)
    return ImageRegions(f"{number}.jpg", f"{number:064x}", 500, 375, boxes, scores, descriptors)


def seconds_of(function: Callable[[T], object], items: Sequence[T], threads: int) -> float:
    with ThreadPoolExecutor(threads) as pool:
        started = time.perf_counter()
        assert all(result is not None for result in pool.map(function, items))
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="photographs")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    images = [random_regions(number) for number in range(arguments.count)]
    hashes = [image.sha256 for image in images]
    with tempfile.TemporaryDirectory() as scratch:
        spec = FeatureSpec(RegionConfig(), "0" * 64, SIZE)
        cache, plain = RegionCache(Path(scratch), spec), Path(scratch) / "plain"
        started = time.perf_counter()
        for image in images:
            cache.put(image)
        written = time.perf_counter() - started
        plain.write_bytes(b"".join(map(regions_to_bytes, images)))
        size = plain.stat().st_size // len(images)

        def read_plain(place: int) -> bytes:
            with plain.open("rb") as file:
                file.seek(place * size)
                return file.read(size)

        reads = [seconds_of(RegionCache(Path(scratch), spec).get, hashes, arguments.threads) for _ in range(ROUNDS)]
        bare = [seconds_of(read_plain, range(len(images)), arguments.threads) for _ in range(ROUNDS)]
    print(f"{len(images)} photographs of {REGIONS} x {SIZE} numbers, {arguments.threads} threads")
    print("cache, reading      ", " ".join(f"{seconds:6.3f}" for seconds in reads), " s  (budget 0.5)")
    print("plain file, reading ", " ".join(f"{seconds:6.3f}" for seconds in bare), " s")
    print(f"cache, writing       {written:6.3f}  s, one thread")


if __name__ == "__main__":
    main()
