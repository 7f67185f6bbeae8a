"""Wall time of `vsa retrieve` over photographs whose regions are cached, beside that of importing PyTorch.

python -m tests.benchmarks.retrieve_speed [N or FOLDER] [--runs R] [--regions R]

With a number (1,000 by default), that many small files are drawn and cache entries made for them, with random
descriptors; with a folder, its photographs are encoded first, which may take minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

QUERY = "two dogs run in the snow"


def draw_cached(count: int, regions: int, photos: Path, cache: Path) -> None:
    """Write photographs of 100 kB each, and cache entries as `vsa retrieve` with the bundled model looks them up."""
    from vsa_cli.core.alignment.embedder import load_embedder
    from vsa_cli.core.regions.cache import RegionCache
    from vsa_cli.core.regions.image_regions import ImageRegions

    spec = load_embedder(cache=False).trained.feature_spec
    kept, rng = RegionCache(cache, spec), np.random.default_rng(0)
    photos.mkdir()
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)).save(buffer, "jpeg")
    boxes = np.tile(np.array([0, 0, 64, 48], np.float32), (regions, 1))
    for number in range(count):
        data = buffer.getvalue() + rng.bytes(100_000)
        (photos / f"{number:06d}.jpg").write_bytes(data)
        descriptors = rng.random((regions, spec.descriptor_size), np.float32).astype(np.float16)
        sha256 = hashlib.sha256(data).hexdigest()
        kept.put(ImageRegions("", sha256, 64, 48, boxes, np.ones(regions, np.float32), descriptors))


def median_seconds(arguments: list[str], runs: int) -> float:
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True, env=dict(os.environ))
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time vsa retrieve over cached photographs.")
    parser.add_argument("photos", nargs="?", default="1000", help="number of photographs to draw, or a folder")
    parser.add_argument("--runs", type=int, default=5, help="runs, of which the median is reported")
    parser.add_argument("--regions", type=int, default=20, help="regions of each drawn photograph")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache, photos = Path(folder, "cache"), Path(asked.photos)
        command = ["-m", "vsa_cli", "retrieve", QUERY, str(photos), "--cache-dir", str(cache)]
        if photos.is_dir():
            print(f"{'first query, nothing cached':42} {median_seconds(command, 1):.2f} s", flush=True)
        else:
            photos = Path(folder, "photos")
            draw_cached(int(asked.photos), asked.regions, photos, cache)
            command[4] = str(photos)
        torch = median_seconds(["-c", "import torch"], asked.runs)
        print(f"{'python -c import torch':42} {torch:.2f} s")
        for options in ([], ["--explain"]):
            seconds = median_seconds([*command, *options], asked.runs)
            name = f"vsa retrieve, {sum(1 for _ in photos.iterdir()):,} photographs {' '.join(options)}"
            print(f"{name:42} {seconds:.2f} s  (+ {seconds - torch:.2f})", flush=True)


if __name__ == "__main__":
    main()
