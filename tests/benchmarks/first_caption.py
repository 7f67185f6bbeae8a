"""Wall time to the first caption of one photograph, in a new process with an empty cache, step by step.

python -m tests.benchmarks.first_caption [MODEL]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

RUNS = 5


def wall(arguments: list[str]) -> float:
    """Median seconds of a process."""
    seconds = []
    for _ in range(RUNS):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def main(arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder, "photo.jpg")
        waves = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
        Image.fromarray(waves).resize((4032, 3024), Image.Resampling.BICUBIC).save(photo)
        model = ["--model", *arguments] if arguments else []
        steps = {
            "python": ["-c", "pass"],
            "torch is imported": ["-c", "import torch"],
            "all modules are imported": [
                "-c",
                "import vsa_cli.app, vsa_cli.output.console, vsa_cli.core.generation.captioner, "
                "vsa_cli.output.caption_writer, typer._adapters, cv2, vsa_cli.core.device",
            ],
            "vsa caption photo.jpg (12 megapixels)": ["-m", "vsa_cli", "caption", str(photo), "--no-cache", *model],
        }
        before = 0.0
        for name, command in steps.items():
            seconds = wall(command)
            print(f"{name:40} {seconds:.2f} s  (+ {seconds - before:.2f})")
            before = seconds


if __name__ == "__main__":
    main(sys.argv[1:])
