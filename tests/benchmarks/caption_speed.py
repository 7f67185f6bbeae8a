"""`vsa caption` of a folder, compared in the same run with the work that it cannot avoid, and its memory.

    python -m tests.benchmarks.caption_speed PHOTOS gen/ --count 400

Two references, each spread over the cores: decoding, resizing, the bare CNN and boxes (budget: 0.8 of its speed or
more), and the sum of all parts of a caption, called bare: these, the tuned tail and the descriptors of regions, and the
generator in batches of 32 (0.85 or more). Every round measures all of them in turn; prints the medians of their speeds
and of the ratios, and the peak memory after a tenth of the photographs and after all.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch

from vsa_cli.core.config import DecodingConfig
from vsa_cli.core.device import one_thread_each
from vsa_cli.core.generation.captioner import BATCH_SIZE, Captioner
from vsa_cli.core.generation.decoder import Decoder, read_generator
from vsa_cli.core.io.image_formats import find_pictures
from vsa_cli.core.io.images import read_picture
from vsa_cli.core.io.sources import Photo
from vsa_cli.core.regions.detectors import build_detector
from vsa_cli.core.regions.extractor import RegionExtractor, feature_extractor_for
from vsa_cli.core.regions.feature_spec import with_detector
from vsa_cli.core.regions.fused_lite import fused_tail
from vsa_cli.core.regions.image_regions import ImageRegions

BEAMS = (1, 7)

T = TypeVar("T")
R = TypeVar("R")


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--detector", choices=("selective-search", "ssd"), default="selective-search")
    arguments = parser.parse_args()
    cores, cpu = os.cpu_count() or 1, torch.device("cpu")
    trained = read_generator(arguments.model, cpu)
    spec, regions = with_detector(trained.feature_spec, arguments.detector), trained.model.uses_regions
    features = feature_extractor_for(spec, None, cpu)
    detector = build_detector(spec.config, features, None, None) if regions else None
    tuned = None if trained.tail is None else fused_tail(trained.tail)
    extractor = RegionExtractor(features, detector, spec.config.photo_side, tuned, with_details=spec.config.details)
    paths = find_pictures(arguments.photos).paths[: arguments.count]
    photos = [Photo(str(path), path.name, path) for path in paths]
    decoders = {beam: Decoder(trained, DecodingConfig(beam=beam), 0) for beam in BEAMS}
    captioner = Captioner(trained, device=cpu, workers=cores, detector=arguments.detector)

    def forward(photo: Photo) -> None:
        picture = read_picture(photo.file, spec.config.photo_side)
        feature_map = features.map(picture)
        if detector is not None:
            detector.choose(detector.propose(photo.path, picture), picture, feature_map)

    def generate(decoder: Decoder, images: Sequence[ImageRegions]) -> None:
        decoder.caption(images, [image.image_id for image in images])

    def spread(work: Callable[[T], R], over: Sequence[T]) -> tuple[float, list[R]]:
        """The seconds that the work takes if every core takes its share, and its results."""
        with one_thread_each(cpu), ThreadPoolExecutor(cores) as pool:
            started = time.perf_counter()
            results = list(pool.map(work, over))
            return time.perf_counter() - started, results

    seconds: dict[str, list[float]] = {}
    print(f"{len(paths)} photographs, {cores} cores, {arguments.rounds} rounds")
    spread(forward, photos[:16])
    for _ in range(arguments.rounds):
        found = {"decode + resize + CNN + boxes": spread(forward, photos)[0]}
        found["regions"], images = spread(extractor.extract, photos)
        batches = [images[first : first + BATCH_SIZE] for first in range(0, len(images), BATCH_SIZE)]
        for beam, decoder in decoders.items():
            found[f"generator, beam {beam}"], _ = spread(partial(generate, decoder), batches)
            started, early = time.perf_counter(), 0.0
            for number, _ in enumerate(captioner.stream(photos, DecodingConfig(beam=beam)), 1):
                early = peak_mib() if number == len(paths) // 10 else early
            found[f"vsa caption, beam {beam}"] = time.perf_counter() - started
        for name, one in found.items():
            seconds.setdefault(name, []).append(one)
    for name, times in seconds.items():
        print(f"{name:30} {len(paths) / statistics.median(times):6.1f} photographs/s")
    for beam in BEAMS:
        whole, generator = seconds[f"vsa caption, beam {beam}"], seconds[f"generator, beam {beam}"]
        bare = zip(seconds["decode + resize + CNN + boxes"], whole, strict=True)
        parts = zip(seconds["regions"], generator, whole, strict=True)
        print(
            f"vsa caption, beam {beam}: {statistics.median(a / b for a, b in bare):.2f} x decode + resize + CNN + boxes"
            f" (budget 0.8), {statistics.median((a + b) / c for a, b, c in parts):.2f} x the sum of its parts (0.85)"
        )
    print(f"peak memory {early:.0f} MiB after a tenth, {peak_mib():.0f} MiB after all")


if __name__ == "__main__":
    main()
