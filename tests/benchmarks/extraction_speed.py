"""Speed of `vsa extract-regions` compared with the work that it cannot avoid.

    python -m tests.benchmarks.extraction_speed PHOTOS --count 300

The reference is the bare CNN forward and the bare selective search of the same photographs, decoded and resized
beforehand, spread over the cores. Prints seconds, photographs per second, and the ratio (budget: at most 1.25).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from vsa_cli.core.config import RegionConfig
from vsa_cli.core.device import one_thread_each
from vsa_cli.core.io.image_formats import find_pictures
from vsa_cli.core.io.images import read_picture
from vsa_cli.core.ranks import WHOLE
from vsa_cli.core.regions.extract import extract_shards, join_shards, prepare_output
from vsa_cli.core.regions.plan import InputFiles, plan_extraction
from vsa_cli.core.regions.proposals import propose


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=300)
    arguments = parser.parse_args()
    cores, cpu = os.cpu_count() or 1, torch.device("cpu")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "photos"
        folder.mkdir()
        for path in find_pictures(arguments.photos).paths[: arguments.count]:
            (folder / path.name).symlink_to(path.resolve())
        plan = plan_extraction(folder, "all", RegionConfig(), InputFiles(), device=cpu, workers=cores, seed=0)
        extractor = plan.encoder.extractor
        pictures = [read_picture(photo.file, extractor.photo_side) for photo in plan.photos]
        feature_extractor = extractor.feature_extractor
        with one_thread_each(cpu), ThreadPoolExecutor(cores) as threads:
            list(threads.map(feature_extractor.map, pictures[:8]))
            started = time.perf_counter()
            list(threads.map(feature_extractor.map, pictures))
            forward = time.perf_counter() - started
            images = [picture.rgb for picture in pictures]
            list(threads.map(propose, images[:8]))
            started = time.perf_counter()
            list(threads.map(propose, images))
            search = time.perf_counter() - started
        started = time.perf_counter()
        out = Path(scratch) / "regions.h5"
        prepare_output(out, plan, force=False, resume=False)
        for records in (extract_shards(plan, out, WHOLE), join_shards(plan, out, WHOLE)):
            list(records)
        seconds = time.perf_counter() - started
    count = len(pictures)
    print(f"{count} photographs, {cores} cores")
    print(f"bare CNN forward        {forward:6.1f} s")
    print(f"bare selective search   {search:6.1f} s")
    print(f"extract-regions         {seconds:6.1f} s  {count / seconds:.1f} photographs/s")
    print(f"ratio                   {seconds / (forward + search):6.2f}  (budget 1.25)")


if __name__ == "__main__":
    main()
