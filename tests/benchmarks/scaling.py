"""Two processes of one thread each against one process of two threads, and what more machines would give.

    python -m tests.benchmarks.scaling --photographs 3000 --folder /tmp/scaling --photos PHOTOS

The programs read random data like those of `stream_training`; they are written below `--folder` and deleted at the
end. For `train-embed` and `train-gen`, prints the pairs or sentences per second of `torchrun --nproc-per-node 2` with
one thread each, divided by those of one process with two threads, which take turns; the target is at least 0.9. With
`--photos`, a folder of photographs, also that of `extract-regions` by the time of whole commands.

Then calculates what to expect of several GPUs, for `--tflops` that a GPU computes and `--link` and `--network`
gigabytes per second between the GPUs of a machine and between machines. A step computes what PyTorch counts for one
here (products and convolutions). Each of N processes sends its gradients once round a ring, 2 (N - 1) / N times their
size, and `train-embed` the vectors of its words and sentences as well; nothing is hidden behind the computation. The
batch of a process stays as large as it is here, so the whole batch grows with N.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.benchmarks.stream_training import TRAININGS, steps_of, write
from vsa_cli.core.config import EMBED_PRESETS, GENERATOR_PRESETS
from vsa_cli.core.learning.model_dir import WEIGHTS, read_tensors

_WORDS = 11  # of a sentence of the random data, on average
_RATE = re.compile(r"([\d,]+) \w+/s")


def command_of(processes: int, *arguments: str) -> list[str]:
    """`vsa` with two threads in one process, or one thread in each of two."""
    launch = [sys.executable, "-m"]
    if processes > 1:
        launch += ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    return [*launch, "vsa_cli", *arguments, "--threads", str(2 // processes), "--force"]


def training_rate(training: str, folder: Path, processes: int) -> float:
    """The pairs or sentences per second of the second epoch, which has neither start nor warm-up."""
    arguments = [f"train-{training}", str(folder / "corpus.json"), str(folder / "regions.h5")]
    arguments += ["--epochs", "2", "--validate", "none", "-o", str(folder / f"{training}{processes}")]
    done = subprocess.run(command_of(processes, *arguments), capture_output=True, text=True, check=True)
    return float(_RATE.findall(done.stderr + done.stdout)[-1].replace(",", ""))


def extraction_rate(photos: Path, folder: Path, processes: int) -> float:
    """Commands per second for the extraction of a folder, from the start of the program."""
    start = time.perf_counter()
    command = command_of(processes, "extract-regions", str(photos), "-o", str(folder / f"photos{processes}.h5"))
    subprocess.run(command, capture_output=True, check=True)
    return 1 / (time.perf_counter() - start)


def expected(training: str, folder: Path, given: argparse.Namespace) -> None:
    """Print what to expect of 8 GPUs of one machine, and of 4 such machines."""
    with FlopCounterMode(display=False) as counter:
        list(islice(steps_of(training, folder, stream=False), 1))
    operations = counter.get_total_flops()
    weights, _ = read_tensors(folder / f"{training}1" / WEIGHTS)
    gradients = 4 * sum(tensor.numel() for tensor in weights.values())
    vectors = 0
    if training == "embed":
        model, settings = EMBED_PRESETS["best"]
        # to all processes, and the gradients of those of all processes back
        vectors = 2 * 4 * settings.batch_size * (_WORDS + 1) * model.size
    else:
        _, settings = GENERATOR_PRESETS["best"]
    print(
        f"train-{training}: a step of {settings.batch_size} computes {operations / 1e9:.0f} billion operations and "
        f"sends {gradients / 1e6:.0f} MB of gradients and {vectors / 1e6:.1f} MB of vectors"
    )
    compute = operations / (given.tflops * 1e12)
    for machines in (1, 4):
        count = 8 * machines
        speed = given.link if machines == 1 else given.network  # a ring enters and leaves each machine once
        sent = 2 * (count - 1) / count * gradients + (count - 1) * vectors
        seconds = sent / (speed * 1e9)
        times = count * compute / (compute + seconds)
        print(f"  {machines} x 8 GPUs: {1000 * seconds:.1f} ms sending, {times:.1f} times the speed of one GPU")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=int, default=3000)
    parser.add_argument("--folder", type=Path, default=Path("scaling"))
    parser.add_argument("--photos", type=Path, help="a folder of photographs to extract")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tflops", type=float, default=20, help="10^12 operations per second of a GPU in this program")
    parser.add_argument("--link", type=float, default=200, help="GB/s between the GPUs of a machine")
    parser.add_argument("--network", type=float, default=12.5, help="GB/s between machines")
    given = parser.parse_args()
    torch.set_num_threads(2)
    given.folder.mkdir(parents=True)
    try:
        write(given.folder, given.photographs)
        for training in TRAININGS:
            rates = [[training_rate(training, given.folder, n) for n in (1, 2)] for _ in range(given.rounds)]
            ratios = [two / one for one, two in rates]
            print(f"train-{training}, 2 x 1 thread / 1 x 2 threads: {statistics.median(ratios):.2f}", _range(ratios))
        if given.photos:
            rates = [[extraction_rate(given.photos, given.folder, n) for n in (1, 2)] for _ in range(given.rounds)]
            ratios = [two / one for one, two in rates]
            print(f"extract-regions, 2 x 1 thread / 1 x 2 threads: {statistics.median(ratios):.2f}", _range(ratios))
        for training in TRAININGS:
            expected(training, given.folder, given)
    finally:
        shutil.rmtree(given.folder)


def _range(ratios: list[float]) -> str:
    return f"({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} rounds)"


if __name__ == "__main__":
    main()
