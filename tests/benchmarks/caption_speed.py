"""`vsa caption` of a folder, compared in the same run with the work that it cannot avoid, and its memory.

    python -m tests.benchmarks.caption_speed PHOTOS gen/ --count 400

The reference is decoding, resizing and the bare CNN forward at the best batch size. Prints photographs a second
for both, their ratio (budget: 0.8 or more), the speed of beam 7 beside beam 1, and the peak memory after a tenth of
the photographs and after all.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from vsa_cli.core.config import DecodingConfig
from vsa_cli.core.device import one_thread_each
from vsa_cli.core.generation.captioner import Captioner
from vsa_cli.core.generation.decoder import read_generator
from vsa_cli.core.io.image_formats import find_pictures
from vsa_cli.core.io.images import read_picture
from vsa_cli.core.io.sources import Photo
from vsa_cli.core.regions.detectors import build_detector
from vsa_cli.core.regions.extractor import feature_extractor_for
from vsa_cli.core.regions.feature_spec import with_detector


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--detector", choices=("selective-search", "ssd"), default="selective-search")
    arguments = parser.parse_args()
    cores, cpu = os.cpu_count() or 1, torch.device("cpu")
    trained = read_generator(arguments.model, cpu)
    spec, regions = with_detector(trained.feature_spec, arguments.detector), trained.model.uses_regions
    feature_extractor = feature_extractor_for(spec, None, cpu)
    detector = build_detector(spec.config, feature_extractor, None, None) if regions else None
    paths = find_pictures(arguments.photos).paths[: arguments.count]
    photos = [Photo(str(path), path.name, path) for path in paths]

    def forward(path: Path) -> None:
        picture = read_picture(path, spec.config.photo_side)
        feature_map = feature_extractor.map(picture)
        if detector is not None:
            detector.choose(detector.propose(path.name, picture), picture, feature_map)

    with one_thread_each(cpu), ThreadPoolExecutor(cores) as pool:
        list(pool.map(forward, paths[:16]))
        started = time.perf_counter()
        list(pool.map(forward, paths))
        bare = time.perf_counter() - started
    print(f"{len(paths)} photographs, {cores} cores")
    print(f"decode + resize + CNN{' + boxes' if regions else ''}   {len(paths) / bare:6.1f} photographs/s")
    captioner = Captioner(trained, device=cpu, workers=cores, detector=arguments.detector)
    for beam in (1, 7):
        started, early = time.perf_counter(), 0.0
        for number, _ in enumerate(captioner.stream(photos, DecodingConfig(beam=beam)), 1):
            early = peak_mib() if number == len(paths) // 10 else early
        seconds = time.perf_counter() - started
        rate = len(paths) / seconds
        print(f"vsa caption, beam {beam}     {rate:6.1f} photographs/s  ratio {bare / seconds:.2f} (budget 0.8)")
        print(f"  peak memory {early:.0f} MiB after a tenth, {peak_mib():.0f} MiB after all")


if __name__ == "__main__":
    main()
