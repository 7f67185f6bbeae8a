"""Training with regions that stay in their file against training with all regions in memory, for both models.

    python -m tests.benchmarks.stream_training --photographs 100000 --folder /tmp/stream

The data are random: photographs of 20 regions of 1,280 numbers, 51 kB each in `regions.h5`, and five sentences each
with the lengths and a word frequency like Flickr8k's. They are written below `--folder` and deleted at the end.

For each training, prints

- the peak resident memory of a process that reads the corpus and trains for some steps, with the regions in their file
  (the target is at most 2 GB for 100,000 photographs) and with all in memory;
- words/s (for the generator its words and END) of both in one process, in which they take turns, as a ratio (the target
  is at least 0.9), by wall time and by processor time, which other programs disturb less.

Before each turn of the streamed training, the file leaves the system's cache with `--cold`.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vsa_cli.core.config import EMBED_PRESETS, GENERATOR_PRESETS, PrepConfig, RegionConfig
from vsa_cli.core.corpus.corpus import Corpus, Image, Sentence, read_corpus, write_corpus
from vsa_cli.core.corpus.vocabulary import Vocabulary
from vsa_cli.core.device import set_threads
from vsa_cli.core.embedding.sources import Sources as EmbedSources
from vsa_cli.core.embedding.train import train_embedding
from vsa_cli.core.generation.sources import Sources as GeneratorSources
from vsa_cli.core.generation.train import train_generator
from vsa_cli.core.io.envelope import CORPUS, REGIONS, VERSIONS, Envelope, to_dict
from vsa_cli.core.learning.corpora import PhotographSource
from vsa_cli.core.learning.loop import Step
from vsa_cli.core.learning.reading import Reading
from vsa_cli.core.learning.run import TrainingRequest
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.store import RegionStore
from vsa_cli.core.regions.store_writer import write_regions

D, R, V, PER_IMAGE = 1280, 20, 2538, 5
TRAININGS = ("embed", "gen")


def write(folder: Path, photographs: int) -> None:
    """Write the corpus and its regions."""
    rng = np.random.default_rng(0)
    names = [f"w{number}" for number in range(V)]
    lengths = rng.gamma(8, 1.31, photographs * PER_IMAGE).round().clip(1, 35).astype(int)
    frequency = 1 / np.arange(1, V + 1)
    drawn = iter(rng.choice(V, lengths.sum(), p=frequency / frequency.sum()).tolist())
    count = iter(lengths.tolist())

    def sentence(number: int) -> Sentence:
        tokens = tuple(names[word] for word in islice(drawn, next(count)))
        return Sentence(str(number), " ".join(tokens), tokens)

    images = tuple(
        Image(i, f"{i:07d}.jpg", 640, 480, f"{i:064x}", "train", tuple(map(sentence, range(PER_IMAGE))))
        for i in range(photographs)
    )
    tokens = (one.tokens for image in images for one in image.sentences)
    vocabulary = Vocabulary.build(tokens, 5, "drop")
    envelope = Envelope(CORPUS, VERSIONS[CORPUS], to_dict(PrepConfig()))
    write_corpus(folder / "corpus.json", Corpus(envelope, folder, images, vocabulary))

    boxes = np.tile(np.array([[0, 0, 640, 480]], np.float32), (R, 1))
    pool = rng.normal(size=(4000, D)).astype(np.float16)

    def parts() -> Iterator[list[ImageRegions]]:
        for start in range(0, photographs, 500):
            yield [
                ImageRegions(
                    image.key, image.sha256, 640, 480, boxes, np.ones(R, np.float32), pool[rng.integers(4000, size=R)]
                )
                for image in images[start : start + 500]
            ]

    spec = {**to_dict(RegionConfig()), "cnn_sha256": "0" * 64, "descriptor_size": D}
    write_regions(folder / "regions.h5", Envelope(REGIONS, VERSIONS[REGIONS], spec), parts(), D)


def steps_of(training: str, folder: Path, *, stream: bool) -> Iterator[Step]:
    """The steps of a training run, as the command makes them."""
    corpus, store = read_corpus(folder / "corpus.json"), RegionStore(folder / "regions.h5")
    source, device = (PhotographSource(corpus, store),), torch.device("cpu")
    out, reading = folder / training, Reading(stream, stream)
    options: dict[str, Any] = {"split": "train", "validate": None, "keep_last": True, "seed": 0, "device": device}
    if training == "embed":
        model, settings = EMBED_PRESETS["best"]
        request = TrainingRequest(out, model, settings, resume=False, **options)
        records = train_embedding(EmbedSources(source, reading=reading), request)
    else:
        shape, how = GENERATOR_PRESETS["best"]
        wanted = TrainingRequest(out, shape, how, resume=False, **options)
        records = train_generator(GeneratorSources(source, reading=reading), wanted)
    return (record for record in records if isinstance(record, Step))


def peak() -> float:
    """The most resident memory of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def resident() -> float:
    """The resident memory of this process, in GB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e9


def evict(path: Path) -> None:
    """Ask the system to drop a file from its cache."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def memory_of(training: str, folder: Path, steps: int, *, stream: bool) -> None:
    """Train for some steps and print the memory; for a process of its own."""
    for _ in islice(steps_of(training, folder, stream=stream), steps):
        pass
    print(f"{peak():.2f} {resident():.2f}")


def speed_of(training: str, folder: Path, steps: int, turns: int, *, cold: bool) -> tuple[float, float]:
    """(by wall time, by processor time): the speed of a streamed training, by that of one in memory.

    The batches have equal numbers of sentences, whose words differ by chance alone.
    """
    runs = {stream: steps_of(training, folder, stream=stream) for stream in (False, True)}
    spent = {stream: [0.0, 0.0] for stream in runs}
    for turn in range(turns + 1):
        for stream, run in sorted(runs.items(), reverse=bool(turn % 2)):
            if cold:
                evict(folder / "regions.h5")
            wall, processor = time.perf_counter(), time.process_time()
            for _ in islice(run, steps):
                pass
            if turn:  # not the first, with start and warm-up
                spent[stream][0] += time.perf_counter() - wall
                spent[stream][1] += time.process_time() - processor
    return spent[False][0] / spent[True][0], spent[False][1] / spent[True][1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, default=Path("stream_training"))
    parser.add_argument("--steps", type=int, default=25, help="steps in a turn")
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--cold", action="store_true", help="drop the file from the system's cache before each turn")
    parser.add_argument("--only", choices=("memory", "speed"))
    parser.add_argument("--one", choices=TRAININGS, help=argparse.SUPPRESS)
    parser.add_argument("--stream", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    set_threads(given.threads)
    if given.one:
        memory_of(given.one, given.folder, given.steps, stream=given.stream)
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    files = given.folder / "corpus.json", given.folder / "regions.h5"
    try:
        if not all(file.exists() for file in files):
            write(given.folder, given.photographs)
        size = files[1].stat().st_size / 1e9
        print(f"{given.photographs:,} photographs, {size:.2f} GB of regions", flush=True)
        for training in TRAININGS if given.only != "speed" else ():
            for name, options in (("in their file", ["--stream"]), ("in memory", [])):
                command = [sys.executable, "-m", __spec__.name, "--folder", str(given.folder), *options]
                command += ["--steps", str(given.steps), "--threads", str(given.threads), "--one", training]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                most, last = done.stdout.split()
                print(f"train-{training}, regions {name}: {most} GB at most, {last} GB at the end", flush=True)
        for training in TRAININGS if given.only != "memory" else ():
            wall, processor = speed_of(training, given.folder, given.steps, given.turns, cold=given.cold)
            print(f"train-{training}, streamed / in memory: {wall:.3f} (wall), {processor:.3f} (processor)", flush=True)
    finally:
        for file in files:
            file.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
