"""Runs `vsa` under load, and measures its memory.

    python -m tests.survival.load extract-regions --photographs 20000 --plot extract.png
    python -m tests.survival.load caption --photographs 20000 --plot caption.png
    python -m tests.survival.load retrieve --photographs 10000 --sentences 5
    python -m tests.survival.load cache

The first two process generated images, small ones of many sizes, with the cheapest detector: they measure whether
memory grows, not how fast a real run is. The third ranks a split in both directions, and compares its peak memory with
that for half as many images. In the fourth, processes share a cache that is much too small for them, and some are
killed. Exits with code 1 if memory grows, or there is any other fault.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from tests.survival.fork_server import Finished, ForkServer, Running
from tests.survival.material import REGIONS, Material, make
from vsa_cli.core.corpus.corpus import Corpus, Sentence, write_corpus
from vsa_cli.core.corpus.corpus import Image as Photograph
from vsa_cli.core.corpus.tokenizer import tokenize
from vsa_cli.core.io.envelope import VERSIONS, Envelope
from vsa_cli.core.io.json import read_json
from vsa_cli.core.regions.cache import RegionCache
from vsa_cli.core.regions.feature_spec import FeatureSpec
from vsa_cli.core.regions.image_regions import ImageRegions
from vsa_cli.core.regions.store_writer import write_regions

WARM_UP = 0.1
"""Share of a run before memory is measured, in which modules and models are loaded."""

BLOCKS = 12
"""Number of parts of the rest; their means are nearly independent, unlike the samples."""

TOLERANCE = 0.02
"""Growth that still counts as flat, as a share of the memory: fragmentation of the allocators."""


@dataclass(frozen=True)
class Trend:
    """Memory in MiB: at the start, at most, and its growth over the measured part with the margin of error."""

    first: float
    peak: float
    growth: float
    margin: float

    @property
    def is_flat(self) -> bool:
        """Whether the growth is within its margin of error, or negligible."""
        return self.growth <= max(self.margin, TOLERANCE * self.first)


def trend(samples: Sequence[float]) -> Trend:
    """Fit a straight line to the means of blocks; the margin is twice its standard error."""
    kept = np.array(samples[int(len(samples) * WARM_UP) :])
    means = np.array([block.mean() for block in np.array_split(kept, BLOCKS)])
    x = np.arange(BLOCKS) - (BLOCKS - 1) / 2
    slope = float(x @ means / (x @ x))
    rest = means - means.mean() - slope * x
    error = float(np.sqrt(rest @ rest / (BLOCKS - 2) / (x @ x)))
    return Trend(float(means[0]), float(max(samples)), slope * BLOCKS, 2 * error * BLOCKS)


def watch(running: Running, every: float = 0.25) -> tuple[Finished, list[float]]:
    """Sample the memory of a process in MiB until it ends."""
    samples: list[float] = []
    while (finished := running.ended(every)) is None:
        samples.append(running.rss_mib())
    return finished, samples


def plot(path: Path, samples: Sequence[float], title: str) -> None:
    """Plot memory over time."""
    width, height, edge = 900, 360, 48
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    top = max(samples) * 1.15
    across, up = (width - 2 * edge) / max(1, len(samples) - 1), (height - 2 * edge) / top
    pen.line([(edge, edge), (edge, height - edge), (width - edge, height - edge)], fill="black")
    points = [(edge + i * across, height - edge - value * up) for i, value in enumerate(samples)]
    pen.line(points, fill="#24d", width=2)
    pen.text((edge, 16), title, fill="black")
    pen.text((4, height - edge - max(samples) * up - 5), f"{max(samples):.0f}", fill="black")
    pen.text((4, height - edge - 5), "0 MiB", fill="black")
    image.save(path)


def draw_photographs(folder: Path, count: int) -> None:
    """Write small JPEGs of many sizes and shapes, all different."""
    folder.mkdir()
    rng = random.Random(1)
    for number in range(count):
        size = rng.randrange(64, 320), rng.randrange(64, 320)
        image = Image.new("RGB", size, tuple(rng.randrange(256) for _ in range(3)))
        pen = ImageDraw.Draw(image)
        for _ in range(3):
            x, y = rng.randrange(size[0]), rng.randrange(size[1])
            pen.ellipse((x - 30, y - 30, x + 30, y + 30), fill=tuple(rng.randrange(256) for _ in range(3)))
        image.save(folder / f"{number:06d}.jpg", quality=60, comment=str(number).encode())


def stream(server: ForkServer, made: Material, scratch: Path, command: str, count: int, picture: Path | None) -> bool:
    """Process many images; return whether all succeeded without growing memory."""
    draw_photographs(scratch / "photos", count)
    words: tuple[object, ...] = (scratch / "photos", "-o", scratch / "out", "--threads", 2, "--quiet")
    if command == "extract-regions":
        words = (command, *words, *REGIONS)
    else:
        words = (command, *words, "--model", made.gen, "--beam", 3, "--format", "jsonl")
    finished, samples = watch(server.start(*words, cold=True))
    found = trend(samples)
    per_thousand = found.growth / (count / 1000 * (1 - WARM_UP))
    margin = found.margin / (count / 1000 * (1 - WARM_UP))
    summary = (
        f"{command}: {count} photographs in {finished.seconds:.0f} s, exit code {finished.code}; "
        f"{found.first:.0f} MiB after a tenth, peak {found.peak:.0f} MiB; "
        f"slope {per_thousand:+.2f} ± {margin:.2f} MiB per 1,000 photographs"
    )
    print(summary)
    if picture is not None:
        plot(picture, samples, summary)
    return finished.code == 0 and found.is_flat


def rank(server: ForkServer, made: Material, scratch: Path, images: int, sentences: int) -> bool:
    """Rank generated regions and sentences in both directions; return whether memory stays well below all scores."""
    peaks = []
    for count in (images // 2, images):
        corpus, regions = _gallery(made, scratch / str(count), count, sentences)
        both = ("--corpus", corpus, "--regions-file", regions, "--model", made.embed, "--threads", 1)
        words = ("retrieve", *both, "--split", "test", "-o", corpus.parent / "rankings.jsonl")
        finished = server.start(*words, cold=True).wait(3000)
        if finished.code:
            print(finished.stderr.decode())
            return False
        lines = sum(1 for _ in (corpus.parent / "rankings.jsonl").open("rb"))
        full = count * count * sentences * 4 / 2**20
        peaks.append(finished.peak_mib)
        print(
            f"retrieve: {count} images x {count * sentences} sentences in {finished.seconds:.0f} s; "
            f"peak {finished.peak_mib:.0f} MiB (all scores: {full:.0f} MiB); {lines} lines"
        )
        if lines != 1 + count + count * sentences:
            return False
    # inputs and results grow with the number of images, by a few MiB; keeping all scores would grow with its square
    return peaks[1] - peaks[0] < 0.5 * full


def _gallery(made: Material, folder: Path, images: int, sentences: int) -> tuple[Path, Path]:
    """Write a corpus of one split and regions with random descriptors; there are no image files."""
    folder.mkdir()
    feature_spec = FeatureSpec.from_dict(read_json(made.embed / "config.json")["regions"], "config.json")
    words = read_json(made.embed / "config.json")["vocabulary"]["words"]
    rng = np.random.default_rng(0)

    def photograph(number: int) -> Photograph:
        texts = [" ".join(rng.choice(words, rng.integers(4, 13))) for _ in range(sentences)]
        own = tuple(Sentence(f"{number}#{index}", text, tokenize(text)) for index, text in enumerate(texts))
        return Photograph(number, f"{number}.jpg", 128, 96, f"{number:064x}", "test", own)

    photographs = tuple(map(photograph, range(images)))
    envelope = Envelope("vsa-corpus", 1, read_json(made.corpus)["config"])
    write_corpus(folder / "corpus.json", Corpus(envelope, folder, photographs, None))

    def parts() -> Iterator[list[ImageRegions]]:
        boxes = np.array([[0, 0, 128, 96], [0, 0, 64, 48], [64, 48, 128, 96], [32, 24, 96, 72]], np.float32)
        for one in photographs:
            descriptors = rng.normal(size=(4, feature_spec.descriptor_size)).astype(np.float16)
            yield [ImageRegions(one.key, one.sha256, 128, 96, boxes, np.ones(4, np.float32), descriptors)]

    envelope = Envelope("vsa-regions", VERSIONS["vsa-regions"], feature_spec.to_dict())
    write_regions(folder / "regions.h5", envelope, parts(), feature_spec.descriptor_size)
    return folder / "corpus.json", folder / "regions.h5"


def share(server: ForkServer, made: Material, scratch: Path) -> bool:
    """Share a cache between processes: two simultaneous searches, then writers of which some are killed."""
    alone = _search(server, made, "--no-cache").wait().stdout
    cache = ("--cache-dir", scratch / "cache")
    agree = []
    for _ in range(10):
        together = [_search(server, made, *cache) for _ in range(2)]
        agree += [running.wait().stdout == alone for running in together]
    print(f"cache: {sum(agree)} of {len(agree)} searches, two at a time, equal a search without cache")
    feature_spec = FeatureSpec.from_dict(read_json(made.embed / "config.json")["regions"], "config.json")
    spawn = multiprocessing.get_context("spawn")
    rng, broken, largest = random.Random(0), 0, 0
    for _ in range(6):
        writers = [spawn.Process(target=_write, args=(scratch / "small", feature_spec, n)) for n in range(3)]
        for writer in writers:
            writer.start()
        time.sleep(rng.uniform(3, 6))
        writers[0].kill()
        for writer in writers:
            writer.join(60)
        broken += any(writer.exitcode for writer in writers[1:])
        cache = RegionCache(scratch / "small", feature_spec)
        largest = max(largest, cache.path.stat().st_size)
        with closing(sqlite3.connect(cache.path)) as connection:
            kept = [name for (name,) in connection.execute("SELECT sha256 FROM regions")]
        broken += not kept or sum(cache.get(name) is None for name in kept)
    sizes = f"at most {largest / 2**20:.1f} MiB kept, of {SMALL / 2**20:.0f} allowed"
    print(f"cache: 18 writers, 6 of them killed: {broken} faults; {sizes}")
    return all(agree) and not broken and largest <= SMALL + 3 * 2 * ENTRY


SMALL, ENTRY = 2**20, 2**13
"""Bytes of the small cache; more than an entry has. Each writer may have written one more before it trims."""


def _search(server: ForkServer, made: Material, *more: object) -> Running:
    words = ("retrieve", "a red circle", made.photos, "--model", made.embed, "--format", "jsonl", "--threads", 2)
    return server.start(*words, *more)


def _write(folder: Path, feature_spec: FeatureSpec, number: int) -> None:
    """Put and get entries for some seconds; exit with code 1 if an entry differs from what was put."""
    cache = RegionCache(folder, feature_spec, SMALL)
    rng = np.random.default_rng(number)
    until = time.monotonic() + 4
    while time.monotonic() < until:
        name = f"{rng.integers(2000):064x}"
        value = np.full((2, feature_spec.descriptor_size), int(name, 16), np.float16)
        cache.put(ImageRegions("x", name, 9, 9, np.zeros((2, 4), np.float32), np.zeros(2, np.float32), value))
        found = cache.get(name)
        if found is not None and not np.array_equal(found.descriptors, value):
            raise SystemExit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("extract-regions", "caption", "retrieve", "cache"))
    parser.add_argument("--photographs", type=int, default=20_000)
    parser.add_argument("--sentences", type=int, default=5, help="sentences per photograph")
    parser.add_argument("--plot", type=Path, help="file for a plot of memory over time")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vsa-load-") as scratch, ForkServer() as server:
        made = make(Path(scratch) / "made", server)
        if arguments.what == "retrieve":
            passed = rank(server, made, Path(scratch), arguments.photographs, arguments.sentences)
        elif arguments.what == "cache":
            passed = share(server, made, Path(scratch))
        else:
            passed = stream(server, made, Path(scratch), arguments.what, arguments.photographs, arguments.plot)
    raise SystemExit(not passed)


if __name__ == "__main__":
    main()
